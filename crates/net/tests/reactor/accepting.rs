//! Listeners: accepting, refusing, stopping.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dunlin_net::{
    Admission, AdmissionRules, ListenError, ListenerId, ListenerOptions, Reactor, ReactorConfig,
    WriteState, bind,
};

use crate::world::{LISTENER, World, read_exactly};

#[test]
fn bytes_go_both_ways() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    let (_, accepted) = &world.heard.accepted[0];
    assert_eq!(accepted.listener, LISTENER);
    assert_eq!(accepted.local, world.address.into());

    client.write_all(b"ping").unwrap();
    world.until_received(id, b"ping");
    let written = world.write(id, b"pong");
    assert_eq!((written.bytes, written.state), (4, WriteState::Complete));
    assert_eq!(read_exactly(&client, 4), b"pong");
}

#[test]
fn a_freed_index_is_used_again_with_the_next_generation() {
    let mut world = World::default();
    let (client, first) = world.connect();
    drop(client);
    world.until_closed(first);
    let (mut client, second) = world.connect();
    assert_eq!(second.index(), first.index());
    assert_eq!(second.generation(), first.generation() + 1);

    // The old id means nothing any more, whatever is asked for.
    assert_eq!(world.write(first, b"lost").state, WriteState::Gone);
    world.reactor.pause(first);
    world.reactor.close(first);
    world.reactor.abort(first);
    assert!(world.reactor.detach(first).is_none());
    client.write_all(b"still here").unwrap();
    world.until_received(second, b"still here");
}

#[test]
fn ids_are_dense() {
    let mut world = World::default();
    let clients: Vec<_> = (0..10).map(|_| world.connect()).collect();
    let mut indices: Vec<_> = clients.iter().map(|(_, id)| id.index()).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..10).collect::<Vec<_>>());
}

#[test]
fn one_more_than_the_maximum_is_closed_at_once() {
    let mut world = World::new(ReactorConfig {
        maximum_connections: 2,
        ..ReactorConfig::default()
    });
    let (_one, first) = world.connect();
    let (_two, _) = world.connect();
    let mut third = TcpStream::connect(world.address).unwrap();
    world.until("refused", |world| !world.heard.refused.is_empty());
    assert!(world.heard.refused[0].contains("maximum of 2 connections"));
    assert_eq!(third.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(world.reactor.counters().refused, 1);

    // A freed place is given away again.
    world.reactor.abort(first);
    world.connect();
    assert_eq!(world.reactor.counters().open, 2);
}

#[test]
fn a_burst_is_accepted_in_bounded_turns() {
    let mut world = World::new(ReactorConfig {
        accepts_per_turn: 3,
        ..ReactorConfig::default()
    });
    let clients: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(world.address).unwrap())
        .collect();
    let mut before = 0;
    world.until("all accepted", |world| {
        let now = world.heard.accepted.len();
        assert!(now - before <= 3, "{} in one turn", now - before);
        before = now;
        now == clients.len()
    });
}

#[test]
fn two_reactors_share_one_listening_socket() {
    let mut one = World::default();
    let mut two = World::default();
    let shared = bind(([127, 0, 0, 1], 0).into(), 128).unwrap();
    let address = shared.local_addr().unwrap();
    one.reactor
        .listen(
            shared.try_clone().unwrap(),
            ListenerOptions::new(LISTENER).into(),
        )
        .unwrap();
    two.reactor
        .listen(shared, ListenerOptions::new(LISTENER).into())
        .unwrap();

    // What one leaves to the other, the other gets.
    one.reactor.stop_listening();
    let _client = TcpStream::connect(address).unwrap();
    two.until("accepted", |two| two.heard.accepted.len() == 1);
    one.turn();
    assert!(one.heard.accepted.is_empty());
}

#[test]
fn a_stopped_listener_gives_its_port_back_and_keeps_connections() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    world.reactor.stop_listening();
    assert!(TcpStream::connect(world.address).is_err());
    client.write_all(b"on").unwrap();
    world.until_received(id, b"on");
    let again = bind(world.address, 1).unwrap();
    world
        .reactor
        .listen(again, ListenerOptions::new(LISTENER).into())
        .unwrap();
    world.connect();
}

#[test]
fn failures_to_bind_are_named() {
    let taken = bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, 1).unwrap_err();
    assert!(matches!(error, ListenError::AddressInUse { address: a } if a == address.into()));
    // An address of the documentation range: never one of this machine.
    let error = bind(([192, 0, 2, 1], 0).into(), 1).unwrap_err();
    assert!(matches!(error, ListenError::AddressNotAvailable { .. }));
}

#[test]
fn both_wildcard_addresses_take_the_same_port() {
    let four = bind(([0, 0, 0, 0], 0).into(), 1).unwrap();
    let port = four.local_addr().unwrap().port();
    match bind((std::net::Ipv6Addr::UNSPECIFIED, port).into(), 1) {
        Ok(six) => assert_eq!(six.local_addr().unwrap().port(), port),
        // A machine without IPv6 has nothing to share, and says so.
        Err(error) => assert!(
            matches!(
                error,
                ListenError::FamilyNotSupported { .. } | ListenError::AddressNotAvailable { .. }
            ),
            "{error}"
        ),
    }
}

#[test]
fn listeners_are_told_apart() {
    let mut world = World::default();
    let other = bind(([127, 0, 0, 1], 0).into(), 1).unwrap();
    let address = other.local_addr().unwrap();
    world
        .reactor
        .listen(other, ListenerOptions::new(ListenerId(8)).into())
        .unwrap();
    let (_one, _) = world.connect();
    let _two = TcpStream::connect(address).unwrap();
    world.until("accepted", |world| world.heard.accepted.len() == 2);
    assert_eq!(world.heard.accepted[1].1.listener, ListenerId(8));
    assert_eq!(world.heard.accepted[1].1.local, address.into());
}

fn keeping_to(rules: AdmissionRules) -> (World, Admission) {
    let admission = Admission::new(rules);
    let world = World::default();
    let reactor = world.reactor.with_admission(admission.clone());
    (World { reactor, ..world }, admission)
}

#[test]
fn what_comes_too_fast_waits_in_the_kernel() {
    let (mut world, _) = keeping_to(AdmissionRules {
        connect_rate: Some(4),
        ..AdmissionRules::default()
    });
    let begin = Instant::now();
    let _clients: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(world.address).unwrap())
        .collect();
    world.until("all accepted", |world| world.heard.accepted.len() == 8);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert_eq!(world.heard.refused.len(), 0);
}

#[test]
fn reactors_count_together_and_a_place_moves_with_its_connection() {
    let (mut world, admission) = keeping_to(AdmissionRules {
        connections: Some(1),
        ..AdmissionRules::default()
    });
    let other = Reactor::new(ReactorConfig::default()).unwrap();
    let mut other = other.with_admission(admission);
    let (_client, id) = world.connect();
    let moved = world.reactor.detach(id).unwrap();
    let id = other.attach(moved).unwrap();
    let mut second = TcpStream::connect(world.address).unwrap();
    world.until("refused", |world| !world.heard.refused.is_empty());
    assert!(world.heard.refused[0].contains("maximum of 1 connections"));
    assert_eq!(second.read(&mut [0; 1]).unwrap(), 0);
    // Also while it lingers for the peer's sake, its place is free.
    other.close(id);
    world.connect();
}

#[test]
fn those_whose_address_is_banned_by_now_are_known() {
    let (mut world, admission) = keeping_to(AdmissionRules::default());
    let (_client, id) = world.connect();
    assert_eq!(world.reactor.banned(), []);
    admission.set_rules(AdmissionRules {
        banned: vec!["127.0.0.0/8".parse().unwrap()],
        ..AdmissionRules::default()
    });
    assert_eq!(world.reactor.banned(), [id]);
}
