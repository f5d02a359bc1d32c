//! New files, without a restart and without reconnecting.

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

#[test]
fn rules_hold_for_those_who_are_there() {
    let folder = Folder::new();
    let acl = folder.write("acl", "topic #\n");
    let server = Server::start(folder, &format!("acl_file = '{acl}'"));
    let mut alice = Client::connect(server.address, Who::client("a"));
    let mut bob = Client::connect(server.address, Who::client("b"));
    bob.subscribe("#");
    assert_eq!(alice.publish("x"), ReasonCode::Success);
    assert_eq!(bob.next_topic(), "x");
    server.folder.write("acl", "topic y\ntopic write x\n");
    server.reload();
    // A shard has read its letters when it has answered something.
    assert_eq!(bob.topics_until_now(), [""; 0]);
    assert_eq!(alice.publish("x"), ReasonCode::Success);
    assert_eq!(alice.publish("z"), ReasonCode::NotAuthorized);
    assert_eq!(alice.publish("y"), ReasonCode::Success);
    assert_eq!(bob.next_topic(), "y");
    server.folder.write("acl", "topic nonsense here\n");
    server.signal("HUP");
    let error = server.wait_for(&["stays as it is"]);
    assert!(error.contains("acl:1: nonsense is not"), "{error}");
    assert_eq!(alice.publish("y"), ReasonCode::Success);
}

#[test]
fn users_come_and_go() {
    let folder = Folder::new();
    let users = [("alice", "a", "sha512"), ("bob", "b", "sha512")];
    let passwords = folder.passwords("passwords", &users);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    let mut alice = Client::connect(server.address, Who::user("alice", "a"));
    let mut bob = Client::connect(server.address, Who::user("bob", "b"));
    let text = std::fs::read_to_string(&passwords).unwrap();
    let without_bob: String = text
        .lines()
        .filter(|line| !line.starts_with("bob"))
        .collect();
    server.folder.write("passwords", &without_bob);
    server.reload();
    assert_eq!(bob.disconnected(), ReasonCode::NotAuthorized);
    assert_eq!(alice.topics_until_now(), [""; 0], "is still there");
    let (_, reason) = Client::try_connect(server.address, Who::user("bob", "b"));
    assert_eq!(reason, ReasonCode::NotAuthorized);
    server
        .folder
        .passwords("passwords", &[("alice", "new", "sha512")]);
    server.reload();
    assert_eq!(
        alice.disconnected(),
        ReasonCode::NotAuthorized,
        "another password"
    );
    Client::connect(server.address, Who::user("alice", "new"));
}

#[test]
fn an_open_broker_can_be_closed() {
    let server = Server::start(Folder::new(), "");
    let mut alice = Client::connect(server.address, Who::client("a"));
    server
        .folder
        .write("dunlin.toml", "allow_anonymous = false\n");
    server.reload();
    assert_eq!(alice.disconnected(), ReasonCode::NotAuthorized);
    let (_, reason) = Client::try_connect(server.address, Who::client("a"));
    assert_eq!(reason, ReasonCode::NotAuthorized);
}
