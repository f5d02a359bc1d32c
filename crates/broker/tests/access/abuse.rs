//! Clients that guess.

use std::time::{Duration, Instant};

use dunlin_packet::ReasonCode;

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::Server;

#[test]
fn guessing_becomes_slow_and_harms_nobody_else() {
    let folder = Folder::new();
    let users = [("anna", "right", "argon2id"), ("sven", "right", "sha512")];
    let passwords = folder.passwords("passwords", &users);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    Client::connect(server.address, Who::user("anna", "right"));
    // Each is answered later than the one before: the sixth after more than a second.
    let start = Instant::now();
    for _ in 0..4 {
        let (_, reason) = Client::try_connect(server.address, Who::user("sven", "wrong"));
        assert_eq!(reason, ReasonCode::NotAuthorized);
    }
    assert!(
        start.elapsed() > Duration::from_millis(1400),
        "{:?}",
        start.elapsed()
    );
    let mut guesses: Vec<_> = (0..200)
        .map(|_| {
            let mut client = Client::open(server.address, V5);
            client.send_connect(Who::user("anna", "wrong"));
            client
        })
        .collect();
    // Whoever was right before is let in at once.
    Client::connect(server.address, Who::user("anna", "right"));
    let refused = guesses.iter_mut().map(Client::connack);
    let busy = refused
        .filter(|reason| *reason == ReasonCode::ServerBusy)
        .count();
    assert!(
        busy > 100,
        "{busy} of 200 are turned away without being looked at"
    );
}

#[test]
fn slowness_is_for_those_who_guess_and_can_be_turned_off() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &[("anna", "right", "argon2id")]);
    let config = format!("password_file = '{passwords}'\n");
    let server = Server::start(folder, &config);
    let guess = || {
        let (_, reason) = Client::try_connect(server.address, Who::user("anna", "wrong"));
        assert_eq!(reason, ReasonCode::NotAuthorized);
    };
    guess();
    guess();
    server.wait_for(&[
        "WARN",
        "127.0.0.1",
        "wrong credentials come again and again",
    ]);
    Client::connect(server.address, Who::user("anna", "right"));
    let off = format!("{config}[limits]\nlogin_delay = 0\n");
    server.folder.write("dunlin.toml", &off);
    server.reload();
    let start = Instant::now();
    (0..40).for_each(|_| guess());
    // Each of the last would take 4 s.
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
#[ignore = "takes minutes: 100,000 connections"]
fn a_hundred_thousand_wrong_passwords_are_bounded() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &[("anna", "right", "argon2id")]);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    let memory = |server: &Server| server.resident_kib();
    Client::connect(server.address, Who::user("anna", "right"));
    let before = memory(&server);
    for round in 0..100 {
        let mut guesses: Vec<_> = (0..1000)
            .map(|_| {
                let mut client = Client::open(server.address, V5);
                client.send_connect(Who::user("anna", "wrong"));
                client
            })
            .collect();
        // Half of them go away without waiting.
        guesses.truncate(500);
        if round % 10 == 0 {
            Client::connect(server.address, Who::user("anna", "right"));
        }
    }
    Client::connect(server.address, Who::user("anna", "right"));
    let after = memory(&server);
    assert!(
        after < before + 64 * 1024,
        "{before} KiB became {after} KiB"
    );
}
