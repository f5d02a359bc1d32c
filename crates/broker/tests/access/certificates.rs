//! Certificates of Clients as their User Names.

use dunlin_packet::ReasonCode;

use crate::authority::Authority;
use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::Server;

#[test]
fn each_part_of_a_certificate_can_be_the_user_name() {
    let authority = Authority::new();
    let cases = [
        ("common_name", "press-7"),
        ("subject", "CN=press-7,O=Ponds"),
        ("subject_alternative_name", "press-7.example"),
    ];
    for (part, user_name) in cases {
        let server = authority.server(part);
        let shown = authority.issue("press-7", "press-7.example");
        let mut client = authority.connect(&server, shown);
        // What CONNECT says does not count.
        client.send_connect(Who::user("admin", "x"));
        assert_eq!(client.connack(), ReasonCode::Success);
        server.wait_for(&["connected", &format!("user_name=\"{user_name}\"")]);
        assert_eq!(
            client.publish(&format!("{user_name}/a")),
            ReasonCode::NoMatchingSubscribers
        );
        assert_eq!(client.publish("admin/a"), ReasonCode::NotAuthorized);
    }
}

#[test]
fn where_a_certificate_is_only_asked_for_a_password_does_as_well() {
    let authority = Authority::new();
    let folder = Folder::new();
    let files = authority.write_server(&folder, &authority.issue("broker", "localhost"));
    let own = authority.write_own(&folder);
    let passwords = folder.passwords("passwords", &[("alice", "secret", "sha512")]);
    let config = format!(
        "password_file = '{passwords}'\nuse_user_name_as_client_id = true\n[tls]\n{files}{own}request_certificate = true\nuser_name = 'common_name'\n"
    );
    let server = Server::start(folder, &config);
    let shown = authority.issue("press-7", "press-7.example");
    let mut client = authority.connect(&server, shown);
    client.send_connect(Who::client("whoever"));
    assert_eq!(client.connack(), ReasonCode::Success);
    // Its name is that of its certificate, also where that decides on its Client Identifier.
    server.wait_for(&[
        "connected",
        "client_id=\"press-7\"",
        "user_name=\"press-7\"",
    ]);
    for (password, reason) in [
        ("secret", ReasonCode::Success),
        ("wrong", ReasonCode::NotAuthorized),
    ] {
        let mut client = Client::over(authority.handshake(server.address, None), V5);
        client.send_connect(Who::user("alice", password));
        assert_eq!(client.connack(), reason);
    }
    // One that is shown must be valid.
    let stranger = Authority::new().issue("press-7", "press-7.example");
    let mut client = authority.connect(&server, stranger);
    assert!(client.try_send_connect(Who::client("c")).is_err() || client.try_connack().is_none());
}

#[test]
fn without_a_certificate_nobody_comes_in() {
    let authority = Authority::new();
    let server = authority.server("common_name");
    // Over the same port, but without TLS.
    let mut plain = Client::open(server.address, V5);
    plain.send_connect(Who::user("press-7", "x"));
    assert!(matches!(
        plain.try_connack(),
        None | Some(ReasonCode::NotAuthorized)
    ));
    // From another authority.
    let stranger = Authority::new().issue("press-7", "press-7.example");
    let mut client = authority.connect(&server, stranger);
    assert!(client.try_send_connect(Who::client("c")).is_err() || client.try_connack().is_none());
}
