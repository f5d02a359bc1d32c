//! Password files, the users of the configuration, and Clients without a User Name.

use dunlin_packet::{ProtocolVersion, ReasonCode};

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

const USERS: [(&str, &str, &str); 3] = [
    ("anna", "an argon2id", "argon2id"),
    ("paul", "a pbkdf2", "sha512-pbkdf2"),
    ("sven", "a sha512", "sha512"),
];

fn reason(server: &Server, who: Who<'_>) -> ReasonCode {
    Client::try_connect(server.address, who).1
}

#[test]
fn every_kind_of_hash_right_and_wrong() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &USERS);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    for (user, password, hash) in USERS {
        assert_eq!(
            reason(&server, Who::user(user, password)),
            ReasonCode::Success,
            "{hash}"
        );
        let wrong = Who::user(user, "a guess");
        assert_eq!(reason(&server, wrong), ReasonCode::NotAuthorized, "{hash}");
        // The password is remembered now; another one still is not right.
        assert_eq!(
            reason(&server, Who::user(user, password)),
            ReasonCode::Success,
            "{hash}"
        );
    }
    let unknown = Who::user("nobody", "a sha512");
    assert_eq!(reason(&server, unknown), ReasonCode::NotAuthorized);
    let without = Who {
        password: None,
        ..Who::user("anna", "")
    };
    assert_eq!(reason(&server, without), ReasonCode::NotAuthorized);
    assert_eq!(reason(&server, Who::client("c")), ReasonCode::NotAuthorized);
    let old = Who {
        version: ProtocolVersion::V3_1_1,
        ..Who::user("paul", "wrong")
    };
    assert_eq!(reason(&server, old), ReasonCode::NotAuthorized);
    let log = server.log_so_far();
    for (_, password, _) in USERS {
        assert!(!log.contains(password), "{log}");
    }
    assert!(!log.contains("a guess"), "{log}");
}

#[test]
fn users_of_the_configuration_and_clients_without_a_name() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &USERS[2..]);
    let file = std::fs::read_to_string(&passwords).unwrap();
    let hash = file.trim().split_once(':').unwrap().1;
    let config = format!("allow_anonymous = true\n[auth.users.olga]\npassword = '{hash}'");
    let server = Server::start(folder, &config);
    assert_eq!(reason(&server, Who::client("c")), ReasonCode::Success);
    assert_eq!(
        reason(&server, Who::user("olga", "a sha512")),
        ReasonCode::Success
    );
    assert_eq!(
        reason(&server, Who::user("olga", "x")),
        ReasonCode::NotAuthorized
    );
    assert_eq!(
        reason(&server, Who::user("sven", "a sha512")),
        ReasonCode::NotAuthorized
    );
}

#[test]
fn without_users_this_machine_needs_no_password() {
    let server = Server::start(Folder::new(), "");
    assert_eq!(reason(&server, Who::client("c")), ReasonCode::Success);
    assert_eq!(
        reason(&server, Who::user("anybody", "x")),
        ReasonCode::Success
    );
}

#[test]
fn what_is_sent_before_connack_waits_for_it() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &USERS[..1]);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    let mut client = Client::open(server.address, crate::client::V5);
    client.send_connect(Who::user("anna", "an argon2id"));
    for _ in 0..100 {
        client.send(&dunlin_packet::Packet::PingReq);
    }
    assert_eq!(client.connack(), ReasonCode::Success);
    assert_eq!(client.publish("a"), ReasonCode::NoMatchingSubscribers);
}
