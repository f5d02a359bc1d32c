//! Listeners with a mount point: their Clients see what is under it, and nothing else.

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

/// A further listener, with a mount point.
const TWO: &str = "
shards = 2
allow_anonymous = true
[[listener]]
address = '127.0.0.1:0'
mount_point = 't/'
";

/// A Client under the mount point.
fn within(server: &Server, client_id: &str) -> Client {
    Client::connect(server.listeners[1], Who::client(client_id))
}

/// A Client under the mount point, and one outside.
fn both(server: &Server) -> (Client, Client) {
    let outside = Client::connect(server.address, Who::client("outside"));
    (within(server, "within"), outside)
}

#[test]
fn topics_get_it_on_the_way_in_and_lose_it_on_the_way_out() {
    let server = Server::start(Folder::new(), TWO);
    let (mut within, mut outside) = both(&server);
    within.subscribe("#");
    outside.subscribe("#");
    let mut publisher_within = self::within(&server, "publisher");
    let mut publisher = Client::connect(server.address, Who::client("publisher-outside"));
    assert_eq!(publisher_within.publish("a"), ReasonCode::Success);
    assert_eq!(publisher.publish("t/b"), ReasonCode::Success);
    // What is not under it, or nothing but it, does not come.
    for topic in ["a", "t", "t/", "tt/a"] {
        publisher.publish(topic);
    }
    assert_eq!(publisher_within.publish("c"), ReasonCode::Success);
    let come = [
        within.next_topic(),
        within.next_topic(),
        within.next_topic(),
    ];
    assert_eq!(come, ["a", "b", "c"]);
    let come: Vec<_> = (0..3).map(|_| outside.next_topic()).collect();
    assert_eq!(come, ["t/a", "t/b", "a"]);
}

#[test]
fn retained_shared_and_wills_are_under_it_too() {
    let server = Server::start(Folder::new(), TWO);
    let (mut within, mut outside) = both(&server);
    outside.publish_with("t/kept", true);
    outside.publish_with("kept", true);
    within.subscribe("+");
    assert_eq!(within.next_topic(), "kept");
    within.subscribe("$share/g/s/#");
    outside.publish("s/1");
    outside.publish("t/s/2");
    assert_eq!(within.next_topic(), "s/2");
    outside.subscribe("t/will");
    let dying = Who {
        will: Some("will"),
        ..Who::client("dying")
    };
    drop(Client::connect(server.listeners[1], dying));
    assert_eq!(outside.next_topic(), "t/will");
    assert_eq!(within.next_topic(), "will");
}

#[test]
fn what_begins_with_a_dollar_is_under_it_as_well() {
    let server = Server::start(Folder::new(), TWO);
    let (mut within, mut outside) = both(&server);
    within.subscribe("$SYS/#");
    assert_eq!(within.topics_until_now(), [""; 0]);
    outside.subscribe("$SYS/broker/version");
    assert_eq!(outside.next_topic(), "$SYS/broker/version");
    let mut publisher = self::within(&server, "publisher");
    assert_eq!(publisher.publish("$SYS/a"), ReasonCode::Success);
    assert_eq!(within.next_topic(), "$SYS/a");
}

#[test]
fn a_session_that_comes_in_elsewhere_has_what_is_under_the_mount_point_alone() {
    let server = Server::start(Folder::new(), TWO);
    let roaming = Who {
        clean_start: false,
        ..Who::client("roaming")
    };
    let mut client = Client::connect(server.address, roaming);
    client.subscribe("a");
    client.subscribe("t/b");
    drop(client);
    let mut client = Client::connect(server.listeners[1], roaming);
    let (_, mut outside) = both(&server);
    outside.publish("a");
    outside.publish("t/b");
    assert_eq!(client.next_topic(), "b");
    assert_eq!(client.topics_until_now(), [""; 0]);
}

#[test]
fn without_a_slash_at_its_end_it_is_a_part_of_a_level() {
    let config = TWO.replace("'t/'", "'t'");
    let server = Server::start(Folder::new(), &config);
    let (mut within, mut outside) = both(&server);
    assert_eq!(within.subscribe("#"), ReasonCode::TopicFilterInvalid as u8);
    assert_eq!(within.subscribe("/a"), 0);
    assert_eq!(within.subscribe("a"), 0);
    outside.publish("t/a");
    outside.publish("ta");
    assert_eq!([within.next_topic(), within.next_topic()], ["/a", "a"]);
}
