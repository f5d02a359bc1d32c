//! Clients that send more than others read, and Clients that do not read.

use std::cell::Cell;
use std::collections::HashSet;

use dunlin_packet::{Packet, Property, ProtocolVersion, PubAck, QoS, ReasonCode};

use crate::broker::Broker;
use crate::client::{Client, Options, WellBehaved, publish, subscribe};

const MEBIBYTE: u64 = 1 << 20;
const V5: ProtocolVersion = ProtocolVersion::V5;

#[test]
fn a_subscriber_that_does_not_read_loses_the_oldest_messages_of_qos_0() {
    const MESSAGES: u32 = 100_000;
    let broker = Broker::start("[limits]\nqueued_messages = 2000\n");
    let mut others = WellBehaved::start(&broker);
    let mut slow = Client::connect(&broker, "slow");
    slow.subscribe("flood", QoS::AtMostOnce);
    let mut fast = Client::connect(&broker, "fast");
    let mut payload = [0; 1000];
    for n in 0..MESSAGES {
        payload[..4].copy_from_slice(&n.to_be_bytes());
        fast.publish("flood", &payload, QoS::AtMostOnce);
        if n % 10_000 == 0 {
            others.exchange();
        }
    }
    fast.expect_pong();
    others.exchange();
    broker.assert_memory_below(200 * MEBIBYTE);
    // It reads again: what is left comes in order, up to the very last, without a further event.
    let (mut received, mut last) = (0, None);
    while last != Some(MESSAGES - 1) {
        let number = slow.expect(|packet| match packet {
            Packet::Publish(publish) => first_number(publish.payload),
            other => panic!("{other:?} instead of PUBLISH"),
        });
        assert!(last < Some(number), "{number} after {last:?}");
        (received, last) = (received + 1, Some(number));
    }
    assert!(received >= 2000, "{received} received");
    let dropped = broker.counter("dropped (queue_full)");
    assert!(dropped > u64::from(MESSAGES) / 2, "{dropped} dropped");
    assert_eq!(received + dropped, u64::from(MESSAGES));
}

fn first_number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))
}

#[test]
fn a_session_without_connection_keeps_as_much_as_its_limit_says() {
    const LIMIT: u32 = 100;
    let broker = Broker::start("[limits]\nqueued_messages = 100\n");
    let properties = [Property::SessionExpiryInterval(3600)];
    let options = Options {
        clean_start: false,
        properties: &properties,
        ..Options::new("away")
    };
    let mut away = Client::connect_with(&broker, &options);
    away.subscribe("flood", QoS::AtLeastOnce);
    drop(away);
    broker.ending_of("away");
    let mut others = WellBehaved::start(&broker);
    let mut publisher = Client::connect(&broker, "publisher");
    for n in 0..1000_u32 {
        publisher.publish("flood", &n.to_be_bytes(), QoS::AtLeastOnce);
    }
    others.exchange();
    assert_eq!(broker.counter("dropped (queue_full)"), 900);
    let mut back = Client::connect_with(&broker, &options);
    for n in 0..LIMIT {
        back.expect_message("flood", &n.to_be_bytes());
    }
    back.expect_pong();
}

#[test]
fn a_client_that_asks_and_does_not_read_the_answers_is_disconnected() {
    let broker = Broker::start("");
    let mut others = WellBehaved::start(&broker);
    let mut deaf = Client::connect(&broker, "deaf");
    let why = "client_id=\"deaf\" ending=the Client does not read what is sent to it";
    let pings = [0xC0, 0].repeat(32 * 1024);
    deaf.flood(&pings, || broker.count(&[why]) > 0);
    broker.wait_for(&[why]);
    others.exchange();
    broker.assert_memory_below(100 * MEBIBYTE);
}

#[test]
fn large_messages_that_were_not_acknowledged_come_again_to_a_client_that_reads() {
    const SIZE: usize = 500_000;
    let broker = Broker::start("");
    let properties = [Property::SessionExpiryInterval(3600)];
    let options = Options {
        clean_start: false,
        properties: &properties,
        ..Options::new("patient")
    };
    let mut patient = Client::connect_with(&broker, &options);
    patient.subscribe("large", QoS::AtLeastOnce);
    let mut publisher = Client::connect(&broker, "publisher");
    for n in 0..20 {
        publisher.publish("large", &[n; SIZE], QoS::AtLeastOnce);
    }
    for n in 0..20 {
        // All of them are read, and none acknowledged.
        patient.expect(|packet| match packet {
            Packet::Publish(publish) => assert_eq!(publish.payload[0], n),
            other => panic!("{other:?} instead of PUBLISH"),
        });
    }
    drop(patient);
    broker.ending_of("patient");
    let mut patient = Client::connect_with(&broker, &options);
    for n in 0..20 {
        patient.expect_message("large", &[n; SIZE]);
    }
    patient.expect_pong();
}

#[test]
fn floods_of_every_type_by_clients_that_do_not_read_hurt_only_them() {
    let broker = Broker::start("");
    let mut others = WellBehaved::start(&broker);
    let version = V5;
    let floods = [
        // To oneself, at every QoS.
        publish(version, "echo", &[0; 100], QoS::AtMostOnce),
        publish(version, "echo", &[0; 100], QoS::AtLeastOnce),
        publish(version, "echo", &[0; 100], QoS::ExactlyOnce),
        b"\x82\x0a\x00\x01\x00\x00\x04echo\x00".to_vec(),
        b"\xa2\x09\x00\x01\x00\x00\x04none".to_vec(),
        b"\x62\x02\x00\x07".to_vec(),
        b"\x50\x02\x00\x07".to_vec(),
    ];
    for (n, packet) in floods.iter().enumerate() {
        let client_id = format!("deaf {n}");
        let mut deaf = Client::connect(&broker, &client_id);
        deaf.subscribe("echo", QoS::AtLeastOnce);
        let ended = format!("client_id=\"{client_id}\" ending=");
        let packets = packet.repeat(65_536 / packet.len());
        let left = Cell::new(12 * MEBIBYTE as usize / packets.len());
        deaf.flood(&packets, || {
            left.set(left.get() - 1);
            left.get() == 0 || broker.count(&[&ended]) > 0
        });
        others.exchange();
        broker.assert_memory_below(200 * MEBIBYTE);
    }
}

/// Retained Messages wait at their topics, not in the queue of the subscriber that fetches them: however
/// many acknowledgements come at once, no more are asked for than it can hold.
#[test]
fn more_retained_messages_than_a_queue_holds_arrive_all() {
    const TOPICS: usize = 20_000;
    let broker = Broker::start_quiet("[limits]\nqueued_messages = 1000\n");
    let mut publisher = Client::connect(&broker, "publisher");
    for n in 0..TOPICS {
        let mut bytes = publish(V5, &format!("kept/{n}"), b"kept", QoS::AtLeastOnce);
        bytes[0] |= 1;
        publisher.send(&bytes);
        publisher.expect(|packet| assert!(matches!(packet, Packet::PubAck(_)), "{packet:?}"));
    }
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.send(&subscribe(V5, &["kept/#"], QoS::AtLeastOnce));
    assert_eq!(subscriber.expect_suback(), [1]);
    let mut topics = HashSet::new();
    let mut acknowledgements = Vec::new();
    while topics.len() < TOPICS {
        let (topic, id) = subscriber.expect(|packet| match packet {
            Packet::Publish(publish) => (publish.topic.to_owned(), publish.packet_id),
            other => panic!("{other:?} instead of PUBLISH"),
        });
        let puback = PubAck::new(id.expect("QoS 1"), ReasonCode::Success);
        puback.encode(V5, &mut acknowledgements);
        assert!(topics.insert(topic), "once");
        // As many at once as are in flight.
        if topics.len().is_multiple_of(256) || topics.len() == TOPICS {
            subscriber.send(&acknowledgements);
            acknowledgements.clear();
        }
    }
    assert_eq!(broker.counter("dropped (queue_full)"), 0);
}
