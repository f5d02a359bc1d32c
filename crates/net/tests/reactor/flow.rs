//! Reading and writing: fairness, back-pressure in both directions.

use std::io::{IoSlice, Read, Write};
use std::thread;

use dunlin_net::{ReactorConfig, WriteState};

use crate::world::{World, pattern, read_exactly};

fn with_scratch(scratch_bytes: usize) -> World {
    World::new(ReactorConfig {
        scratch_bytes,
        ..ReactorConfig::default()
    })
}

#[test]
fn a_short_read_costs_one_read_call() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    for round in 1..=10 {
        client.write_all(b"x").unwrap();
        world.until_received(id, &vec![b'x'; round]);
    }
    world.settle();
    assert_eq!(world.reactor.counters().reads, 10);
    assert_eq!(world.reactor.counters().bytes_in, 10);
}

#[test]
fn a_connection_gets_one_buffer_per_turn_and_all_get_their_turn() {
    let mut world = with_scratch(1000);
    let (mut busy, busy_id) = world.connect();
    let (mut quiet, quiet_id) = world.connect();
    let sent = pattern(25_000);
    busy.write_all(&sent).unwrap();
    quiet.write_all(b"me too").unwrap();
    let mut calls = 0;
    world.until("all received", |world| {
        let now = world.heard.chunks.len();
        assert!(now - calls <= 2, "one read per connection and turn");
        calls = now;
        world.heard.bytes_of(busy_id).len() == sent.len()
            && !world.heard.bytes_of(quiet_id).is_empty()
    });
    assert_eq!(world.heard.bytes_of(busy_id), sent);
    assert_eq!(world.heard.bytes_of(quiet_id), b"me too");
    let of_quiet = world
        .heard
        .chunks
        .iter()
        .position(|(id, _)| *id == quiet_id);
    assert!(of_quiet.unwrap() < 25, "the quiet one waited for the end");
    assert!(world.heard.chunks.iter().all(|(_, size)| *size <= 1000));
}

#[test]
fn a_slow_reader_blocks_its_writer_until_it_reads() {
    let mut world = World::default();
    let (client, id) = world.connect();
    let sent = pattern(16 * 1024 * 1024);
    let expected = sent.clone();

    let first = world.write(id, &sent);
    assert_eq!(first.state, WriteState::Blocked);
    assert!(first.bytes < sent.len());
    // Blocked costs nothing: no system call, no event.
    let writes = world.reactor.counters().writes;
    assert_eq!(world.write(id, b"more").bytes, 0);
    assert_eq!(world.reactor.counters().writes, writes);
    world.settle();
    assert!(world.heard.writable.is_empty());

    let reader = thread::spawn(move || read_exactly(&client, expected.len()) == expected);
    let mut done = first.bytes;
    let mut told = 0;
    world.until("all written", |world| {
        if world.heard.writable.len() > told {
            told = world.heard.writable.len();
            done += world.write(id, &sent[done..]).bytes;
        }
        done == sent.len()
    });
    assert!(reader.join().unwrap(), "the bytes arrived changed");
    world.settle();
    assert_eq!(world.heard.writable.len(), told, "writable without a block");
}

#[test]
fn a_block_is_reported_again_after_the_first_one() {
    let mut world = World::default();
    let (client, id) = world.connect();
    let much = pattern(16 * 1024 * 1024);
    for round in 1..=3 {
        let written = world.write(id, &much);
        assert_eq!(written.state, WriteState::Blocked);
        assert_eq!(read_exactly(&client, written.bytes).len(), written.bytes);
        world.until("writable", |world| world.heard.writable.len() == round);
    }
}

#[test]
fn many_slices_arrive_in_order() {
    let mut world = World::default();
    let (client, id) = world.connect();
    let sent = pattern(9000);
    let slices: Vec<_> = sent.chunks(3).map(IoSlice::new).collect();
    let written = world.reactor.write(id, &slices);
    assert_eq!((written.bytes, written.state), (9000, WriteState::Complete));
    assert_eq!(world.reactor.counters().writes, 3, "1024 slices in a call");
    assert_eq!(read_exactly(&client, 9000), sent);
}

#[test]
fn nothing_to_write_is_no_system_call() {
    let mut world = World::default();
    let (_client, id) = world.connect();
    assert_eq!(world.reactor.write(id, &[]).state, WriteState::Complete);
    assert_eq!(world.write(id, b"").state, WriteState::Complete);
    assert_eq!(world.reactor.counters().writes, 0);
}

#[test]
fn a_paused_connection_is_left_alone_and_resumes_with_what_waited() {
    let mut world = with_scratch(100);
    let (mut client, id) = world.connect();
    world.reactor.pause(id);
    client.write_all(&pattern(250)).unwrap();
    world.settle();
    world.turn();
    assert_eq!(world.heard.bytes_of(id), b"");
    world.reactor.resume(id);
    world.until_received(id, &pattern(250));
}

#[test]
fn pausing_in_the_middle_of_a_long_read_loses_nothing() {
    let mut world = with_scratch(100);
    let (mut client, id) = world.connect();
    client.write_all(&pattern(950)).unwrap();
    world.until("the first bytes", |world| !world.heard.chunks.is_empty());
    world.reactor.pause(id);
    world.settle();
    let so_far = world.heard.bytes_of(id).len();
    assert!(so_far < 950);
    world.turn();
    assert_eq!(world.heard.bytes_of(id).len(), so_far);
    world.reactor.resume(id);
    world.until_received(id, &pattern(950));
}

#[test]
fn pausing_slows_the_peer_down() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    world.reactor.pause(id);
    client.set_nonblocking(true).unwrap();
    let much = pattern(1024 * 1024);
    let mut sent = Vec::new();
    loop {
        match client.write(&much) {
            Ok(count) => sent.extend_from_slice(&much[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent.len() < 256 * 1024 * 1024, "nobody stops the peer");
    }
    world.reactor.resume(id);
    world.until_received(id, &sent);
}

#[test]
fn the_end_of_a_paused_connection_is_told_after_resuming() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    world.reactor.pause(id);
    client.write_all(b"last words").unwrap();
    drop(client);
    world.settle();
    world.turn();
    assert!(world.heard.closed.is_empty());
    world.reactor.resume(id);
    assert_eq!(world.until_closed(id), "ByPeer");
    assert_eq!(world.heard.bytes_of(id), b"last words");
}

#[test]
fn a_client_that_closes_its_sending_side_still_gets_the_answer() {
    let mut world = World::default();
    let (mut client, id) = world.connect();
    client.write_all(b"question").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    world.until_received(id, b"question");
    assert_eq!(world.write(id, b"answer").state, WriteState::Complete);
    assert_eq!(world.until_closed(id), "ByPeer");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"answer");
}
