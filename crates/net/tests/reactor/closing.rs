//! Ends: by the peer, by failure, by us; and lingering.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use dunlin_net::{LingerConfig, ReactorConfig, WriteState};

use crate::world::{World, pattern, read_exactly, reset};

fn with_linger(linger: LingerConfig) -> World {
    World::new(ReactorConfig {
        linger,
        ..ReactorConfig::default()
    })
}

#[test]
fn bytes_before_the_end_are_delivered_before_the_end() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    let sent = pattern(300_000); // More than two scratch buffers.
    let handle = std::thread::spawn({
        let sent = sent.clone();
        move || client.write_all(&sent)
    });
    assert_eq!(world.until_closed(id), "ByPeer");
    handle.join().unwrap().unwrap();
    assert_eq!(world.heard.bytes_of(id), sent);
    assert_eq!(world.reactor.counters().open, 0);
}

#[test]
fn a_reset_is_told_as_such_once() {
    let mut world = World::default();
    let (client, id) = world.connect();
    reset(client);
    assert_eq!(world.until_closed(id), "Reset");
    world.settle();
    assert_eq!(world.reactor.counters().closed_by_peer, 1);
}

#[test]
fn a_failed_write_ends_the_connection_once() {
    let mut world = World::default();
    let (client, id) = world.connect();
    reset(client);
    // No turn in between: the write is the first to notice.
    assert_eq!(world.write(id, b"hello?").state, WriteState::Gone);
    assert_eq!(world.write(id, b"hello??").state, WriteState::Gone);
    assert!(world.heard.closed.is_empty(), "told in a turn only");
    assert_eq!(world.until_closed(id), "Reset");
    world.settle();
    assert_eq!(world.heard.closed.len(), 1);
    assert_eq!(world.write(id, b"hello???").state, WriteState::Gone);
}

#[test]
fn a_failed_write_ends_a_paused_connection_too() {
    let mut world = World::default();
    let (client, id) = world.connect();
    world.reactor.pause(id);
    reset(client);
    assert_eq!(world.write(id, b"hello?").state, WriteState::Gone);
    assert_eq!(world.until_closed(id), "Reset");
}

#[test]
fn a_blocked_writer_learns_that_the_peer_is_gone() {
    let mut world = World::default();
    let (client, id) = world.connect();
    world.reactor.pause(id);
    let much = pattern(16 * 1024 * 1024);
    assert_eq!(world.write(id, &much).state, WriteState::Blocked);
    reset(client);
    world.until("writable", |world| !world.heard.writable.is_empty());
    assert_eq!(world.write(id, &much).state, WriteState::Gone);
    assert_eq!(world.until_closed(id), "Reset");
}

#[test]
fn what_the_peer_sent_before_it_vanished_is_delivered_although_a_write_failed() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    client.write_all(b"goodbye").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    // Unread bytes at the client make its kernel answer with RST when it closes.
    assert_eq!(world.write(id, b"unread").state, WriteState::Complete);
    client.peek(&mut [0]).unwrap();
    drop(client);
    assert_eq!(world.write(id, b"anybody?").state, WriteState::Gone);
    world.until_closed(id);
    assert_eq!(world.heard.bytes_of(id), b"goodbye");
}

#[test]
fn a_closed_connection_delivers_its_last_bytes_to_a_client_that_was_still_sending() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    client.write_all(&pattern(100_000)).unwrap();
    assert_eq!(world.write(id, b"DISCONNECT").state, WriteState::Complete);
    world.reactor.close(id);
    assert_eq!(world.reactor.counters().lingering, 1);
    world.settle();
    client.write_all(&pattern(100_000)).unwrap(); // After our FIN, still no reset.
    world.settle();

    let mut last = Vec::new();
    client.read_to_end(&mut last).unwrap();
    assert_eq!(last, b"DISCONNECT");
    drop(client);
    world.until("gone", |world| world.reactor.counters().lingering == 0);
    assert_eq!(world.reactor.counters().linger_cut, 0);
    assert!(world.heard.received.is_empty(), "the id was invalid");
    assert!(world.heard.closed.is_empty(), "the id was invalid");
}

#[test]
fn closing_a_paused_connection_discards_what_waited() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    world.reactor.pause(id);
    client.write_all(&pattern(1000)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    world.settle();
    assert_eq!(world.write(id, b"last").state, WriteState::Complete);
    world.reactor.close(id);
    world.until("gone", |world| world.reactor.counters().lingering == 0);
    let mut last = Vec::new();
    client.read_to_end(&mut last).unwrap();
    assert_eq!(last, b"last");
}

#[test]
fn a_lingering_index_is_not_given_away_before_its_end() {
    let mut world = World::default();
    let (client, first) = world.connect();
    world.reactor.close(first);
    let (_other, second) = world.connect();
    assert_ne!(second.index(), first.index());
    drop(client);
    world.until("gone", |world| world.reactor.counters().lingering == 0);
    let (_third, third) = world.connect();
    assert_eq!(third.index(), first.index());
    assert_ne!(third, first);
}

#[test]
fn lingering_ends_by_time() {
    let time = Duration::from_millis(30);
    let mut world = with_linger(LingerConfig {
        time,
        ..LingerConfig::default()
    });
    let (_client, id) = world.connect();
    let closed = Instant::now();
    world.reactor.close(id);
    // The reactor wakes for its own deadline, although the caller would wait for ever.
    while world.reactor.counters().lingering > 0 {
        world.reactor.turn(None, &mut world.heard).unwrap();
    }
    assert!(closed.elapsed() >= time);
    assert_eq!(world.reactor.counters().linger_cut, 1);
}

#[test]
fn lingering_ends_the_oldest_by_count() {
    let mut world = with_linger(LingerConfig {
        count: 2,
        ..LingerConfig::default()
    });
    let mut clients: Vec<_> = (0..3).map(|_| world.connect()).collect();
    for (_, id) in &clients {
        world.reactor.close(*id);
    }
    assert_eq!(world.reactor.counters().lingering, 2);
    assert_eq!(world.reactor.counters().linger_cut, 1);
    // All three got our FIN; only the oldest no longer takes bytes.
    for (client, _) in &mut clients {
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    }
}

#[test]
fn lingering_reads_a_bounded_number_of_bytes_and_then_stops_the_peer() {
    let mut world = with_linger(LingerConfig {
        bytes: 10_000,
        ..LingerConfig::default()
    });
    let (mut client, id) = world.connect();
    assert_eq!(world.write(id, b"last").state, WriteState::Complete);
    world.reactor.close(id);
    client.set_nonblocking(true).unwrap();
    let much = pattern(64 * 1024);
    let mut sent = 0;
    loop {
        match client.write(&much) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        world.settle();
        assert!(sent < 256 * 1024 * 1024, "nobody stops the peer");
    }
    let reads = world.reactor.counters().reads;
    assert!(reads <= 2, "{reads} reads for a flood");
    client.set_nonblocking(false).unwrap();
    assert_eq!(read_exactly(&client, 4), b"last");
}

#[test]
fn an_aborted_connection_is_reset() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    world.reactor.abort(id);
    let error = client.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let counters = world.reactor.counters();
    assert_eq!((counters.open, counters.lingering), (0, 0));
    world.settle();
    assert!(world.heard.closed.is_empty());
}
