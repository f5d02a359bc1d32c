//! Too many connections, too fast, and from where nobody is wanted.

use std::time::{Duration, Instant};

use dunlin_packet::{QoS, ReasonCode};

use crate::broker::{Broker, PATIENCE};
use crate::client::{Client, Options};

/// Another address of this machine than that of the culprits.
const OTHER: u8 = 2;

/// A Client of 127.0.0.x that is let in.
#[track_caller]
fn connect_from(last: u8, broker: &Broker, client_id: &str) -> Client {
    let mut client = Client::open_from(last, broker);
    client.send_connect(&Options::new(client_id));
    client.expect_connack();
    client
}

/// Sends a message to itself.
#[track_caller]
fn expect_service(client: &mut Client) {
    client.subscribe("calm/sea", QoS::AtMostOnce);
    client.publish("calm/sea", b"hi", QoS::AtMostOnce);
    client.expect_message("calm/sea", b"hi");
}

/// Connects until it is let in: the broker has to hear first that others are gone.
#[track_caller]
fn connect_in_the_end(broker: &Broker) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::open(broker);
        if client.try_connect(&Options::new("in the end")) {
            return client;
        }
        assert!(Instant::now() < deadline, "it is never let in");
    }
}

#[test]
fn one_address_cannot_take_all_connections() {
    const FLOOD: usize = 300;
    const ALLOWED: usize = 10;
    let bound = format!("[limits]\nconnections_per_address = {ALLOWED}\n");
    let broker = Broker::start_quiet(&bound);
    let mut other = connect_from(OTHER, &broker, "other");
    let mut flood: Vec<_> = (0..FLOOD).map(|_| Client::open(&broker)).collect();
    let let_in = |client: &mut Client| client.try_connect(&Options::new(""));
    let count = flood
        .iter_mut()
        .filter_map(|it| let_in(it).then_some(()))
        .count();
    assert_eq!(count, ALLOWED);
    expect_service(&mut other);
    connect_from(OTHER, &broker, "one more");
    let denied = (FLOOD - ALLOWED) as u64;
    assert_eq!(broker.counter("for that of an address"), denied);
    // One line for each shard tells of hundreds.
    let lines = broker.count(&[
        "WARN",
        "a connection was turned away",
        "of an address is reached",
    ]);
    assert!((1..=64).contains(&lines), "{lines} lines");
    drop(flood);
    connect_in_the_end(&broker);
}

#[test]
fn connections_that_come_too_fast_from_one_address_are_closed() {
    const FLOOD: usize = 200;
    let broker = Broker::start("[limits]\nconnect_rate_per_address = 5\n");
    let begin = Instant::now();
    let mut flood: Vec<_> = (0..FLOOD).map(|_| Client::open(&broker)).collect();
    connect_from(OTHER, &broker, "other");
    let let_in = |client: &mut Client| client.try_connect(&Options::new(""));
    let count = flood
        .iter_mut()
        .filter_map(|it| let_in(it).then_some(()))
        .count();
    let most = 5 + 5 * (begin.elapsed().as_secs() as usize + 1);
    assert!((5..=most).contains(&count), "{count} of {FLOOD} are let in");
    let denied = broker.counter("too fast from an address");
    assert_eq!(denied, (FLOOD - count) as u64);
}

#[test]
fn a_flood_of_connections_waits_and_none_is_refused() {
    const RATE: usize = 20;
    let broker = Broker::start(&format!("[limits]\nconnect_rate = {RATE}\n"));
    let begin = Instant::now();
    let mut all: Vec<_> = (0..2 * RATE).map(|_| Client::open(&broker)).collect();
    for client in &mut all {
        client.send_connect(&Options::new(""));
    }
    for client in &mut all {
        client.expect_connack();
    }
    // A second's worth at once, the others as fast as they may come.
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert_eq!(broker.counter("turned away"), 0);
}

#[test]
fn a_listener_and_the_process_have_as_many_as_they_may() {
    let config = "max_connections = 2\n";
    let broker = Broker::start(config);
    let _first = Client::connect(&broker, "first");
    let _second = Client::connect(&broker, "second");
    let mut third = Client::open(&broker);
    assert!(!third.try_connect(&Options::new("third")));
    // A reload gives more room, and then the process is full.
    broker.reconfigure("max_connections = 10\n[limits]\nconnections = 3\n");
    broker.wait_for(&["reloaded: max_connections: 2 -> 10"]);
    let _third = connect_in_the_end(&broker);
    let mut fourth = Client::open(&broker);
    assert!(!fourth.try_connect(&Options::new("fourth")));
    broker.wait_for(&[
        "turned away",
        "the maximum of 2 connections of the listener",
    ]);
    assert!(broker.counter("for the number of all") >= 2);
}

#[test]
fn a_banned_address_is_not_let_in_and_a_reload_ends_its_connections() {
    let broker = Broker::start("");
    let mut culprit = connect_from(OTHER, &broker, "culprit");
    let mut innocent = Client::connect(&broker, "innocent");
    broker.reconfigure("[bans]\naddresses = ['127.0.0.2/31']\n");
    // DISCONNECT has no code for a ban.
    let reason = culprit.expect_close_with_reason();
    assert_eq!(reason, Some(ReasonCode::AdministrativeAction));
    assert!(broker.ending_of("culprit").contains("banned"));
    let mut again = Client::open_from(3, &broker);
    assert!(!again.try_connect(&Options::new("culprit")));
    assert_eq!(broker.counter("banned"), 1);
    expect_service(&mut innocent);
    broker.reconfigure("");
    broker.wait_for(&["reloaded: bans.addresses: [\"127.0.0.2/31\"] -> []"]);
    let deadline = Instant::now() + PATIENCE;
    while !Client::open_from(OTHER, &broker).try_connect(&Options::new("culprit")) {
        assert!(Instant::now() < deadline, "it stays banned");
    }
}

#[test]
fn what_a_proxy_says_counts_and_not_the_proxy() {
    let config = "proxy_protocol = true\nallow_anonymous = true\n[limits]\nconnections_per_address = 1\n\
                  [bans]\naddresses = ['192.0.2.66']\n";
    let broker = Broker::start(config);
    let behind = |address: &str| {
        let mut client = Client::open(&broker);
        client.send(format!("PROXY TCP4 {address} 127.0.0.1 4711 1883\r\n").as_bytes());
        let is_let_in = client.try_connect(&Options::new(""));
        (client, is_let_in)
    };
    let (_one, is_let_in) = behind("192.0.2.1");
    assert!(is_let_in);
    let (_other, is_let_in) = behind("192.0.2.2");
    assert!(is_let_in, "another address behind the same proxy");
    let (_again, is_let_in) = behind("192.0.2.1");
    assert!(!is_let_in, "a second connection of the same address");
    let (_banned, is_let_in) = behind("192.0.2.66");
    assert!(!is_let_in);
    assert_eq!(broker.counter("turned away"), 2);
}
