//! Rules, on every way of a message.

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

const ACL: &str = "\
topic read news/#
user admin
topic #
topic $SYS/#
user alice
topic home/#
topic deny home/safe
pattern write dev/%c/state
pattern read dev/%c/#
";

fn with_acl(acl: &str) -> Server {
    let folder = Folder::new();
    let acl = folder.write("acl", acl);
    Server::start(folder, &format!("acl_file = '{acl}'"))
}

fn user<'a>(name: &'a str, client_id: &'a str) -> Who<'a> {
    Who {
        user_name: Some(name),
        ..Who::client(client_id)
    }
}

#[test]
fn publications_deliveries_and_retained_messages() {
    let server = with_acl(ACL);
    let mut admin = Client::connect(server.address, user("admin", "a"));
    let mut alice = Client::connect(server.address, user("alice", "d1"));
    let refused = ReasonCode::NotAuthorized;
    assert_eq!(alice.publish("home/safe"), refused);
    assert_eq!(alice.publish("dev/d2/state"), refused);
    assert_eq!(alice.publish("home/a"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(
        alice.publish("dev/d1/state"),
        ReasonCode::NoMatchingSubscribers
    );
    admin.publish_with("home/kept", true);
    admin.publish_with("home/safe", true);
    assert_eq!(alice.subscribe("#"), 0, "judged at delivery");
    assert_eq!(alice.next_topic(), "home/kept");
    admin.publish("secret");
    admin.publish("dev/d1/x");
    assert_eq!(alice.next_topic(), "dev/d1/x");
    assert_eq!(alice.subscribe("$share/g/home/safe"), 0);
    admin.publish("home/safe");
    assert_eq!(alice.topics_until_now(), [""; 0]);
    let mut nobody = Client::connect(server.address, Who::client("n"));
    nobody.subscribe("#");
    admin.publish("news/a");
    assert_eq!(nobody.next_topic(), "news/a");
    assert_eq!(nobody.publish("news/b"), refused);
}

#[test]
fn a_will_needs_permission() {
    let server = with_acl(ACL);
    let mut admin = Client::connect(server.address, user("admin", "a"));
    admin.subscribe("#");
    for (client_id, topic) in [("d1", "home/safe"), ("d2", "home/will")] {
        let who = Who {
            will: Some(topic),
            ..user("alice", client_id)
        };
        drop(Client::connect(server.address, who));
        server.wait_for(&["disconnected", client_id]);
    }
    assert_eq!(admin.next_topic(), "home/will");
}

#[test]
fn roles_of_the_configuration() {
    let config = "\
allow_anonymous = true
[auth]
everybody = ['reader']
[auth.roles.reader]
receive = ['news/#']
subscribe = ['news/#']
[auth.roles.writer]
publish = ['news/%u']
[auth.groups.staff]
users = ['alice']
roles = ['writer']
";
    let server = Server::start(Folder::new(), config);
    let mut alice = Client::connect(server.address, user("alice", "1"));
    let mut bob = Client::connect(server.address, user("bob", "2"));
    assert_eq!(bob.subscribe("#"), ReasonCode::NotAuthorized as u8);
    assert_eq!(bob.subscribe("$share/g/#"), ReasonCode::NotAuthorized as u8);
    assert_eq!(bob.subscribe("news/+"), 0);
    assert_eq!(bob.publish("news/bob"), ReasonCode::NotAuthorized);
    assert_eq!(alice.publish("news/alice"), ReasonCode::Success);
    assert_eq!(bob.next_topic(), "news/alice");
}

#[test]
fn nobody_else_writes_the_brokers_own_topics() {
    let server = with_acl(ACL);
    let mut admin = Client::connect(server.address, user("admin", "a"));
    assert_eq!(
        admin.publish("$SYS/broker/uptime"),
        ReasonCode::NotAuthorized
    );
}
