//! Clients that are banned by name, and those that connect again and again.

use dunlin_packet::{ProtocolVersion, ReasonCode};

use crate::broker::Broker;
use crate::client::{Client, Options};

/// What the broker answers to this CONNECT.
#[track_caller]
fn answer(broker: &Broker, options: &Options<'_>) -> Option<ReasonCode> {
    Client::open(broker).attempt(options)
}

#[test]
fn banned_names_are_refused_in_the_words_of_each_version() {
    let broker = Broker::start("[bans]\nclient_ids = ['mallory']\nuser_names = ['eve']\n");
    let mallory = Options::new("mallory");
    assert_eq!(answer(&broker, &mallory), Some(ReasonCode::Banned));
    let eve = Options {
        user_name: Some("eve"),
        ..Options::new("any")
    };
    assert_eq!(answer(&broker, &eve), Some(ReasonCode::Banned));
    let old = Options {
        version: ProtocolVersion::V3_1_1,
        ..Options::new("mallory")
    };
    assert_eq!(answer(&broker, &old), Some(ReasonCode::NotAuthorized));
    let bob = Options {
        user_name: Some("bob"),
        ..Options::new("any")
    };
    assert_eq!(answer(&broker, &bob), Some(ReasonCode::Success));
    assert_eq!(broker.counter("CONNECT refused for one"), 3);
    broker.wait_for(&[
        "WARN",
        "client_id=\"mallory\"",
        "is banned, and was refused",
    ]);
}

#[test]
fn a_reload_ends_those_who_are_banned_now_and_lets_them_in_again() {
    let broker = Broker::start("");
    let mut mallory = Client::connect(&broker, "mallory");
    let mut innocent = Client::connect(&broker, "innocent");
    broker.reconfigure("[bans]\nclient_ids = ['mallory']\n");
    // DISCONNECT has no code for a ban.
    let reason = mallory.expect_close_with_reason();
    assert_eq!(reason, Some(ReasonCode::AdministrativeAction));
    assert!(broker.ending_of("mallory").contains("banned"));
    let again = Options::new("mallory");
    assert_eq!(answer(&broker, &again), Some(ReasonCode::Banned));
    innocent.expect_pong();
    broker.reconfigure("");
    broker.wait_for(&["reloaded: bans.client_ids: [\"mallory\"] -> []"]);
    assert_eq!(answer(&broker, &again), Some(ReasonCode::Success));
}

#[test]
fn who_connects_again_and_again_is_banned_and_nobody_else_is() {
    let broker = Broker::start("[limits]\nflapping_connects = 5\nflapping_window = '1h'\n");
    for _ in 0..5 {
        Client::connect(&broker, "flapping");
    }
    let flapping = Options::new("flapping");
    for _ in 0..3 {
        assert_eq!(answer(&broker, &flapping), Some(ReasonCode::Banned));
    }
    broker.wait_for(&["WARN", "client_id=\"flapping\"", "is banned for a while"]);
    assert_eq!(broker.counter("Clients banned as they came too often"), 1);
    assert_eq!(broker.counter("CONNECT refused for one"), 3);
    for _ in 0..20 {
        let unnamed = Options::new("");
        assert_eq!(answer(&broker, &unnamed), Some(ReasonCode::Success));
    }
    Client::connect(&broker, "innocent");
}

#[test]
fn a_ban_ends() {
    let config = "[limits]\nflapping_connects = 1\nflapping_ban = '300ms'\n";
    let broker = Broker::start(config);
    Client::connect(&broker, "flapping");
    let flapping = Options::new("flapping");
    assert_eq!(answer(&broker, &flapping), Some(ReasonCode::Banned));
    let deadline = std::time::Instant::now() + crate::broker::PATIENCE;
    while answer(&broker, &flapping) != Some(ReasonCode::Success) {
        assert!(std::time::Instant::now() < deadline, "the ban does not end");
    }
}

#[test]
fn who_does_not_know_the_password_has_nobody_banned() {
    let config = "[limits]\nflapping_connects = 2\n[auth.users.anna]\n\
                  password = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$zNvPdIvTAYs3oHQeMbVaKQ'\n";
    let broker = Broker::start(config);
    let wrong = Options {
        user_name: Some("anna"),
        ..Options::new("annas phone")
    };
    for _ in 0..5 {
        assert_eq!(answer(&broker, &wrong), Some(ReasonCode::NotAuthorized));
    }
    assert_eq!(broker.counter("Clients banned"), 0);
}
