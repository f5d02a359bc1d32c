//! MQTT over WebSocket, as a client on the other end of a socket sees it. The bytes here are any:
//! the reactor knows no MQTT.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dunlin_net::{
    Carrier, ListenerOptions, Origins, Protocol, Protocols, ReactorConfig, WriteState,
};

use crate::world::{LISTENER, World, pattern, read_exactly};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn any() -> World {
    World::serving(ReactorConfig::default(), ListenerOptions::new(LISTENER))
}

fn request(more: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// Bytes up to the empty line, while the world turns.
fn response(world: &mut World, client: &mut TcpStream) -> String {
    client
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let mut text = Vec::new();
    let mut byte = [0];
    world.until("a response", |_| {
        while client.read(&mut byte).is_ok_and(|n| n > 0) {
            text.push(byte[0]);
            if text.ends_with(b"\r\n\r\n") {
                return true;
            }
        }
        false
    });
    String::from_utf8(text).unwrap()
}

/// The payload of the next frame, which must begin with `first`.
fn next_frame(client: &TcpStream, first: u8) -> Vec<u8> {
    let head = read_exactly(client, 2);
    assert_eq!(head[0], first, "{head:02x?}");
    let length = match head[1] {
        126 => usize::from(u16::from_be_bytes(
            read_exactly(client, 2).try_into().unwrap(),
        )),
        127 => u64::from_be_bytes(read_exactly(client, 8).try_into().unwrap()) as usize,
        short => usize::from(short),
    };
    read_exactly(client, length)
}

fn open(world: &mut World) -> (TcpStream, dunlin_net::ConnectionId) {
    let (mut client, id) = world.connect();
    let request = request("Sec-WebSocket-Protocol: chat, mqtt, mqttv3.1\r\n");
    client.write_all(request.as_bytes()).unwrap();
    let response = response(world, &mut client);
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(response.contains("Sec-WebSocket-Protocol: mqtt\r\n"));
    (client, id)
}

#[test]
fn one_listener_tells_mqtt_and_websocket_apart() {
    let mut world = any();
    let (_websocket, first) = open(&mut world);
    let (mut plain, second) = world.connect();
    plain.write_all(&[0x10, 0x00]).unwrap();
    world.until_received(second, &[0x10, 0x00]);
    let carriers: Vec<_> = world
        .heard
        .introduced
        .iter()
        .map(|(id, peer)| (*id, peer.carrier))
        .collect();
    assert_eq!(
        carriers,
        [(first, Carrier::WebSocket), (second, Carrier::Stream)]
    );
    assert_eq!(
        world.heard.introduced[1].1.address,
        plain.local_addr().unwrap().into()
    );
}

#[test]
fn bytes_go_both_ways_in_frames() {
    let mut world = any();
    let (mut client, id) = open(&mut world);
    let sent = pattern(200_000);
    let (start, end) = sent.split_at(70_000);
    let mut bytes = frame(0x02, start);
    bytes.extend(frame(0x80, end));
    client.write_all(&bytes).unwrap();
    world.until_received(id, &sent);
    let written = world.write(id, b"hello");
    assert_eq!((written.bytes, written.state), (5, WriteState::Complete));
    assert_eq!(next_frame(&client, 0x82), b"hello");
}

#[test]
fn frames_arrive_in_any_pieces() {
    let mut world = any();
    let (mut client, id) = world.connect();
    let mut bytes = request("").into_bytes();
    for payload in [&b"abc"[..], &pattern(300)] {
        bytes.extend(frame(0x82, payload));
        bytes.extend(frame(0x89, b"are you there"));
    }
    for byte in bytes {
        client.write_all(&[byte]).unwrap();
        world.settle();
    }
    let expected = [&b"abc"[..], &pattern(300)].concat();
    world.until_received(id, &expected);
    let response = response(&mut world, &mut client);
    assert!(!response.contains("Sec-WebSocket-Protocol"), "{response}");
    for _ in 0..2 {
        assert_eq!(next_frame(&client, 0x8a), b"are you there");
    }
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    let mut world = any();
    let (client, id) = open(&mut world);
    let sent = pattern(8_000_000);
    let mut taken = 0;
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        while received.len() < 8_000_000 {
            received.extend(next_frame(&client, 0x82));
        }
        received
    });
    world.until("all taken", |world| {
        let written = world.write(id, &sent[taken..]);
        taken += written.bytes;
        written.state == WriteState::Complete
    });
    world.until("all read", |_| reader.is_finished());
    assert!(reader.join().unwrap() == sent);
}

#[test]
fn a_close_frame_is_answered_and_ends_the_connection() {
    let mut world = any();
    let (mut client, id) = open(&mut world);
    let mut bytes = frame(0x82, b"last");
    bytes.extend(frame(0x88, &[0x03, 0xe9, b'b', b'y', b'e']));
    client.write_all(&bytes).unwrap();
    assert_eq!(world.until_closed(id), "ByPeer");
    assert_eq!(world.heard.bytes_of(id), b"last");
    assert_eq!(next_frame(&client, 0x88), [0x03, 0xe9]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_was_written_arrives_before_the_close_frame() {
    let mut world = any();
    let (mut client, id) = open(&mut world);
    let sent = pattern(60_000);
    assert_eq!(world.write(id, &sent).state, WriteState::Complete);
    world.reactor.close(id);
    assert_eq!(next_frame(&client, 0x82), sent);
    assert_eq!(next_frame(&client, 0x88), [0x03, 0xe8]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    world.until("gone", |world| world.reactor.counters().lingering == 0);
}

#[test]
fn a_connection_moves_within_a_frame() {
    let mut here = any();
    let mut there = any();
    let (mut client, id) = open(&mut here);
    let bytes = frame(0x82, b"first second");
    let (start, end) = bytes.split_at(11);
    client.write_all(start).unwrap();
    here.until_received(id, b"first");
    let transport = here.reactor.detach(id).unwrap();
    client.write_all(end).unwrap();
    let moved = there.reactor.attach(transport).unwrap();
    there.until_received(moved, b" second");
    assert_eq!(there.write(moved, b"yes").state, WriteState::Complete);
    assert_eq!(next_frame(&client, 0x82), b"yes");
    assert!(there.heard.introduced.is_empty());
}

#[test]
fn a_flood_of_pings_that_nobody_reads_the_answers_of_is_bounded() {
    let mut world = any();
    let (mut client, id) = open(&mut world);
    client.set_nonblocking(true).unwrap();
    let pings = frame(0x89, &[0; 125]).repeat(500);
    let mut sent = 0;
    // Until neither side takes any more.
    let mut idle = 0;
    while idle < 20 {
        match client.write(&pings[sent % pings.len()..]) {
            Ok(count) => {
                sent += count;
                idle = 0;
            }
            Err(_) => idle += 1,
        }
        world.turn();
        assert!(sent < 100_000_000, "nothing stops the flood");
    }
    client.set_nonblocking(false).unwrap();
    let reader = std::thread::spawn(move || next_frame(&client, 0x8a));
    world.until("answers", |_| reader.is_finished());
    assert_eq!(reader.join().unwrap(), [0; 125]);
    assert!(world.heard.closing_of(id).is_none());
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let options = ListenerOptions {
        protocols: Protocols::of(&[Protocol::Ws]),
        origins: Origins::Only(vec!["https://example.org".into()]),
        ..ListenerOptions::new(LISTENER)
    };
    let mut world = World::serving(ReactorConfig::default(), options);
    for (origin, status) in [
        ("Origin: https://EXAMPLE.org\r\n", "101"),
        ("", "101"),
        ("Origin: https://example.org.evil\r\n", "403"),
        ("Origin: null\r\n", "403"),
    ] {
        let (mut client, _) = world.connect();
        client.write_all(request(origin).as_bytes()).unwrap();
        let response = response(&mut world, &mut client);
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{origin}: {response}"
        );
    }
    let (mut client, id) = world.connect();
    client.write_all(&[0x10]).unwrap();
    assert_eq!(world.until_closed(id), "Layer(NotServed(Mqtt))");
}
