//! What Clients are called: by themselves, by their User Name, or by the broker.

use dunlin_packet::{Packet, ProtocolVersion, ReasonCode};

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::Server;

/// Connects, and gives the Client Identifier that CONNACK assigns.
fn assigned(server: &Server, who: Who<'_>) -> Option<String> {
    let mut client = Client::open(server.address, V5);
    client.send_connect(who);
    client.receive(|packet| match packet {
        Packet::ConnAck(connack) => {
            assert_eq!(connack.reason, ReasonCode::Success);
            let assigned = connack.properties.assigned_client_identifier();
            Some(assigned.map(str::to_owned))
        }
        _ => None,
    })
}

#[test]
fn what_the_broker_chooses_begins_with_a_prefix() {
    let config = "allow_anonymous = true\nauto_id_prefix = 'guest-'\n";
    let server = Server::start(Folder::new(), config);
    let chosen = assigned(&server, Who::client("")).unwrap();
    assert!(
        chosen.starts_with("guest-") && chosen.len() > 16,
        "{chosen}"
    );
    assert_eq!(assigned(&server, Who::client("own")), None);
}

#[test]
fn a_user_name_takes_the_place_of_the_client_identifier() {
    let config = "shards = 3\nallow_anonymous = true\nuse_user_name_as_client_id = true\n";
    let server = Server::start(Folder::new(), config);
    let named = |client_id| Who {
        client_id,
        clean_start: false,
        ..Who::user("alice", "")
    };
    let mut first = Client::connect(server.address, named("one"));
    first.subscribe("a");
    // The same user is the same Client, whatever else it says.
    assert_eq!(assigned(&server, named("")).as_deref(), Some("alice"));
    assert_eq!(first.disconnected(), ReasonCode::SessionTakenOver);
    let mut again = Client::connect(server.address, named("two"));
    Client::connect(server.address, Who::user("bob", "")).publish("a");
    assert_eq!(again.next_topic(), "a");
    for version in [V5, ProtocolVersion::V3_1_1] {
        let nameless = Who {
            version,
            ..Who::client("one")
        };
        let (_, reason) = Client::try_connect(server.address, nameless);
        assert_eq!(reason, ReasonCode::NotAuthorized);
    }
}
