//! Packets that are wrong by themselves, or at the wrong time.

use dunlin_packet::{Packet, ProtocolVersion, QoS, ReasonCode};

use crate::broker::Broker;
use crate::client::{Client, Options, WellBehaved, publish, subscribe};

#[path = "../../../packet/tests/vectors/mod.rs"]
#[expect(dead_code, reason = "the codec's own tests use the rest")]
mod vectors;

const ONE_SHARD: &str = "shards = 1\n[limits]\npacket_size = 1000\nconnect_timeout = 5\n";

const CONNECT: u8 = 0x10;

#[test]
fn every_malformed_packet_ends_its_connection_for_the_reason_it_deserves() {
    let broker = Broker::start(ONE_SHARD);
    let mut others = WellBehaved::start(&broker);
    let mut sent = 0;
    for vector in vectors::malformed() {
        let first = vector.bytes[0];
        for &version in &vector.versions {
            sent += 1;
            if first & 0xF0 == CONNECT {
                refuses_as_the_first_packet(&broker, &vector);
            } else {
                ends_an_open_connection(&broker, &vector, version, sent);
            }
        }
    }
    assert!(sent > 150, "{sent} packets");
    others.exchange();
}

#[track_caller]
fn refuses_as_the_first_packet(broker: &Broker, vector: &vectors::Vector) {
    let mut client = Client::open(broker);
    client.send(&vector.bytes);
    client.expect_close();
    let ending = broker.ending_of_peer(client.address());
    let statement = vector.columns[2];
    assert!(ending.contains(statement), "{}: {ending}", vector.place);
}

#[track_caller]
fn ends_an_open_connection(
    broker: &Broker,
    vector: &vectors::Vector,
    version: ProtocolVersion,
    number: u32,
) {
    let client_id = format!("malformed {number}");
    let options = Options {
        version,
        ..Options::new(&client_id)
    };
    let mut client = Client::connect_with(broker, &options);
    client.send(&vector.bytes);
    let reason = client.expect_close_with_reason();
    let ending = broker.ending_of(&client_id);
    let place = &vector.place;
    let [_, code, statement] = vector.columns[..] else {
        panic!("{place}: three columns");
    };
    // What only a Server sends is not looked at any further.
    if !ending.contains("not a Client's to send") {
        assert!(ending.contains(statement), "{place}: {ending}");
        if version == ProtocolVersion::V5 {
            let code = u8::from_str_radix(&code[2..], 16).expect("a Reason Code");
            assert_eq!(reason.map(|reason| reason as u8), Some(code), "{place}");
        }
    }
}

#[test]
fn whoever_begins_with_something_else_than_connect_is_not_answered() {
    let broker = Broker::start(ONE_SHARD);
    let version = ProtocolVersion::V3_1_1;
    let packets = [
        publish(version, "a", b"too soon", QoS::AtMostOnce),
        publish(version, "a", b"too soon", QoS::AtLeastOnce),
        subscribe(version, &["a"], QoS::AtMostOnce),
        vec![0xC0, 0],
        vec![0xE0, 0],
        vec![0x40, 2, 0, 1],
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
    ];
    for packet in packets {
        let mut client = Client::open(&broker);
        client.send(&packet);
        assert_eq!(client.expect_close_with_reason(), None, "{packet:02x?}");
        let ending = broker.ending_of_peer(client.address());
        assert!(ending.contains("MQTT-"), "{packet:02x?}: {ending}");
    }
    assert_eq!(broker.counter("messages: 0 accepted"), 0);
}

#[test]
fn a_second_connect_ends_the_connection() {
    let broker = Broker::start(ONE_SHARD);
    for version in [
        ProtocolVersion::V3_1,
        ProtocolVersion::V3_1_1,
        ProtocolVersion::V5,
    ] {
        let client_id = format!("twice {version:?}");
        let options = Options {
            version,
            ..Options::new(&client_id)
        };
        let mut client = Client::connect_with(&broker, &options);
        client.send_packet(&Packet::Connect(dunlin_packet::Connect {
            version,
            clean_start: true,
            keep_alive: 0,
            client_id: "another",
            will: None,
            user_name: None,
            password: None,
            properties: dunlin_packet::Properties::EMPTY,
        }));
        let reason = client.expect_close_with_reason();
        if version == ProtocolVersion::V5 {
            assert_eq!(reason, Some(ReasonCode::ProtocolError));
        }
        assert!(broker.ending_of(&client_id).contains("a second CONNECT"));
    }
}

#[test]
fn a_second_connect_is_no_better_for_being_malformed() {
    let broker = Broker::start(ONE_SHARD);
    let mut client = Client::connect(&broker, "twice");
    // CONNACK could say that there is no version 9; DISCONNECT has no Reason Code for that.
    client.send(b"\x10\x0d\x00\x04MQTT\x09\x02\x00\x0a\x00\x01c");
    let reason = client.expect_close_with_reason();
    assert_eq!(reason, Some(ReasonCode::ProtocolError));
    assert!(broker.ending_of("twice").contains("a second CONNECT"));
}

#[test]
fn a_packet_that_is_too_large_is_refused_before_it_has_come() {
    let broker = Broker::start(ONE_SHARD);
    let mut client = Client::connect(&broker, "large");
    client.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert_eq!(
        client.expect_close_with_reason(),
        Some(ReasonCode::PacketTooLarge)
    );
    let ending = broker.ending_of("large");
    assert!(
        ending.contains("packet of 268435460 bytes, 1000 allowed"),
        "{ending}"
    );
}

#[test]
fn what_is_allowed_but_wrong_in_one_entry_is_refused_alone() {
    let broker = Broker::start(ONE_SHARD);
    let mut client = Client::connect(&broker, "careless");
    // Filters `a/#/b` and `a`: only 5.0 has a Reason Code for each.
    client.send(b"\x82\x0f\x00\x01\x00\x00\x05a/#/b\x00\x00\x01a\x00");
    let codes = client.expect_suback();
    assert_eq!(codes, [ReasonCode::TopicFilterInvalid as u8, 0]);
    client.expect_pong();
}
