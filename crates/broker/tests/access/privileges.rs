//! `user`: the broker that root starts is soon not root's any more.

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

#[test]
fn root_becomes_the_user_in_all_threads() {
    let is_root = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("\nUid:\t0\t");
    if !is_root {
        // Whoever is not root stays who they are, whatever `user` says.
        Server::start(Folder::new(), "user = 'nobody'");
        return;
    }
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &[("alice", "a", "sha512")]);
    // The folder may lie where nobody else may look.
    let config = format!("user = 'nobody'\ndurability = 'none'\npassword_file = '{passwords}'");
    let server = Server::start(folder, &config);
    assert!(server.users_of_threads().iter().all(|user| user != "0"));
    let mut alice = Client::connect(server.address, Who::user("alice", "a"));
    assert_eq!(alice.publish("a"), ReasonCode::NoMatchingSubscribers);
}
