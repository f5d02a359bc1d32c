//! Connections that move between the reactors of two threads.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use dunlin_net::{AttachError, ReactorConfig, Transport, WriteState};

use crate::world::{World, pattern, read_exactly};

#[test]
fn a_moved_connection_goes_on_with_bytes_in_flight() {
    let mut here = World::default();
    let (mut client, id) = here.connect();
    client.write_all(b"first ").unwrap();
    here.until_received(id, b"first ");
    // In the kernel, never seen here.
    client.write_all(b"second ").unwrap();
    let transport = here.reactor.detach(id).unwrap();
    client.write_all(b"third ").unwrap();

    let mut there = World::default();
    let moved = thread::scope(|scope| {
        let taken = scope.spawn(|| {
            let moved = there.reactor.attach(transport).unwrap();
            there.until_received(moved, b"second third ");
            moved
        });
        taken.join().unwrap()
    });
    client.write_all(b"fourth").unwrap();
    there.until_received(moved, b"second third fourth");
    assert_eq!(there.write(moved, b"hello").state, WriteState::Complete);
    assert_eq!(read_exactly(&client, 5), b"hello");

    here.settle();
    assert_eq!(here.heard.bytes_of(id), b"first ");
    assert!(here.heard.closed.is_empty());
    assert_eq!(here.write(id, b"lost").state, WriteState::Gone);
    assert_eq!(here.reactor.counters().open, 0);
    assert_eq!(there.reactor.counters().attached, 1);
}

#[test]
fn a_connection_moves_in_the_middle_of_a_long_read() {
    let config = ReactorConfig {
        scratch_bytes: 100,
        ..ReactorConfig::default()
    };
    let mut here = World::new(config.clone());
    let mut there = World::new(config);
    let (mut client, id) = here.connect();
    let sent = pattern(1000);
    client.write_all(&sent).unwrap();
    here.until("the first bytes", |here| !here.heard.chunks.is_empty());
    let (first, rest) = sent.split_at(here.heard.bytes_of(id).len());
    assert_eq!(here.heard.bytes_of(id), first);
    assert!(!rest.is_empty());
    let moved = there
        .reactor
        .attach(here.reactor.detach(id).unwrap())
        .unwrap();
    there.until_received(moved, rest);
    here.settle();
    assert_eq!(here.heard.bytes_of(id), first);
}

#[test]
fn a_connection_that_ended_on_its_way_is_told_to_the_new_owner() {
    let mut here = World::default();
    let (mut client, id) = here.connect();
    client.write_all(b"bye").unwrap();
    let transport = here.reactor.detach(id).unwrap();
    drop(client);
    let mut there = World::default();
    let moved = there.reactor.attach(transport).unwrap();
    assert_eq!(there.until_closed(moved), "ByPeer");
    assert_eq!(there.heard.bytes_of(moved), b"bye");
}

#[test]
fn a_blocked_connection_can_move() {
    let mut here = World::default();
    let (client, id) = here.connect();
    let much = pattern(16 * 1024 * 1024);
    let first = here.write(id, &much);
    assert_eq!(first.state, WriteState::Blocked);
    let mut there = World::default();
    let moved = there
        .reactor
        .attach(here.reactor.detach(id).unwrap())
        .unwrap();
    let second = there.write(moved, &much[first.bytes..]);
    assert_eq!(second.state, WriteState::Blocked);
    let taken = first.bytes + second.bytes;
    assert_eq!(read_exactly(&client, taken), much[..taken]);
    there.until("writable", |there| there.heard.writable == [moved]);
}

#[test]
fn a_connection_of_our_own_making_is_attached() {
    let mut world = World::default();
    let mut other = World::default();
    let outgoing = TcpStream::connect(other.address).unwrap();
    other.until("accepted", |other| other.heard.accepted.len() == 1);
    let far = other.heard.accepted[0].0;
    let near = world
        .reactor
        .attach(Transport::new(outgoing).unwrap())
        .unwrap();
    assert_eq!(world.write(near, b"out").state, WriteState::Complete);
    other.until_received(far, b"out");
    assert_eq!(other.write(far, b"back").state, WriteState::Complete);
    world.until_received(near, b"back");
}

#[test]
fn a_full_reactor_takes_no_connection_over() {
    let mut here = World::default();
    let (_client, id) = here.connect();
    let mut full = World::new(ReactorConfig {
        maximum_connections: 0,
        ..ReactorConfig::default()
    });
    let refused = full.reactor.attach(here.reactor.detach(id).unwrap());
    assert!(matches!(
        refused,
        Err(AttachError::MaximumConnections { maximum: 0 })
    ));
}
