//! Subscriptions by the hundred thousand, and by the million.

use dunlin_packet::{Packet, PacketId, Properties, ProtocolVersion, QoS, ReasonCode, TopicFilter};

use crate::broker::Broker;
use crate::client::{Client, WellBehaved, subscribe};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// As many as fit into a packet of 1 MiB.
const IN_ONE_PACKET: usize = 50_000;

fn filters(kind: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{kind}/{n}")).collect()
}

fn unsubscribe(filters: &[String]) -> Vec<u8> {
    let parse = |filter| TopicFilter::parse(filter).expect("a Topic Filter");
    let filters: Vec<_> = filters.iter().map(|filter| parse(filter)).collect();
    let mut bytes = Vec::new();
    let (id, properties) = (PacketId::FIRST, Properties::EMPTY);
    dunlin_packet::encode_unsubscribe(V5, id, properties, &filters, &mut bytes);
    bytes
}

#[test]
fn a_session_has_as_many_subscriptions_as_its_limit_says() {
    const LIMIT: usize = 120_000;
    let broker = Broker::start_quiet("shards = 1\n[limits]\nsubscriptions = 120000\n");
    let mut others = WellBehaved::start(&broker);
    let mut greedy = Client::connect(&broker, "greedy");
    let mut granted = 0;
    for begin in (0..4 * IN_ONE_PACKET).step_by(IN_ONE_PACKET) {
        let filters = filters("s", begin..begin + IN_ONE_PACKET);
        greedy.send(&subscribe(V5, &filters, QoS::AtMostOnce));
        others.exchange();
        let codes = greedy.expect_suback();
        let expected = |n| {
            if n < LIMIT {
                0
            } else {
                ReasonCode::QuotaExceeded as u8
            }
        };
        let expected: Vec<u8> = (begin..begin + IN_ONE_PACKET).map(expected).collect();
        assert!(codes == expected, "the codes of the filters from {begin}");
        granted += codes.iter().filter(|code| **code == 0).count();
    }
    assert_eq!(granted, LIMIT);
    // One that is there is replaced, even now.
    greedy.subscribe("s/7", QoS::AtLeastOnce);
    assert_eq!(broker.counter("subscriptions"), LIMIT as u64 + 1);
    broker.assert_memory_below(200 << 20);

    greedy.send(&unsubscribe(&filters("s", 0..IN_ONE_PACKET)));
    others.exchange();
    greedy.expect(|packet| match packet {
        Packet::UnsubAck(unsuback) => assert!(unsuback.reasons.iter().all(|code| *code == 0)),
        other => panic!("{other:?} instead of UNSUBACK"),
    });
    greedy.send(&[0xE0, 0]);
    greedy.expect_close();
    others.exchange();
    assert_eq!(
        broker.counter("subscriptions"),
        1,
        "only that of the well-behaved"
    );
}

#[test]
fn a_million_subscriptions_are_as_many_as_the_limits_say() {
    // One of them is that of the well-behaved.
    const ALL: usize = 1_000_000;
    const OF_ONE: usize = 500_000;
    let broker = Broker::start_quiet(
        "shards = 1\n[limits]\nall_subscriptions = 1000000\nsubscriptions = 500000\n",
    );
    let mut others = WellBehaved::start(&broker);
    let quota = ReasonCode::QuotaExceeded as u8;

    let mut greedy = Client::connect(&broker, "greedy");
    for begin in (0..OF_ONE + IN_ONE_PACKET).step_by(IN_ONE_PACKET) {
        let filters = filters("one", begin..begin + IN_ONE_PACKET);
        greedy.send(&subscribe(V5, &filters, QoS::AtMostOnce));
        others.exchange();
        let expected = if begin < OF_ONE { 0 } else { quota };
        assert!(greedy.expect_suback().iter().all(|code| *code == expected));
    }

    let mut crowd = Vec::new();
    let mut granted = OF_ONE + 1;
    while granted < ALL {
        let mut member = Client::connect(&broker, &format!("crowd-{}", crowd.len()));
        let filters = filters(&format!("many/{}", crowd.len()), 0..IN_ONE_PACKET);
        member.send(&subscribe(V5, &filters, QoS::AtMostOnce));
        others.exchange();
        let expected = IN_ONE_PACKET.min(ALL - granted);
        let codes = member.expect_suback();
        assert!(codes[..expected].iter().all(|code| *code == 0));
        assert!(codes[expected..].iter().all(|code| *code == quota));
        granted += expected;
        crowd.push(member);
    }
    let mut late = Client::connect(&broker, "late");
    late.send(&subscribe(V5, &["late"], QoS::AtMostOnce));
    assert_eq!(late.expect_suback(), [quota]);
    assert_eq!(broker.counter("subscriptions"), ALL as u64);
    broker.assert_memory_below(700 << 20);

    drop((greedy, crowd));
    others.exchange();
}

#[test]
fn shared_subscriptions_by_the_ten_thousand_hold_nobody_up() {
    const COUNT: usize = 30_000;
    let broker = Broker::start_quiet("shards = 1\n");
    let mut others = WellBehaved::start(&broker);
    let mut greedy = Client::connect(&broker, "greedy");
    let filters = filters("$share/g", 0..COUNT);
    greedy.send(&subscribe(V5, &filters, QoS::AtMostOnce));
    others.exchange();
    assert_eq!(greedy.expect_suback(), vec![0; COUNT]);
    greedy.send(&unsubscribe(&filters[..COUNT / 2]));
    others.exchange();
    greedy.expect(|packet| assert_eq!(packet.packet_type(), dunlin_packet::PacketType::UnsubAck));
    greedy.send(&[0xE0, 0]);
    greedy.expect_close();
    others.exchange();
    assert_eq!(broker.counter("subscriptions"), 1);
}

#[test]
fn the_same_filter_over_and_over_is_one_subscription() {
    let broker = Broker::start_quiet("shards = 1\n");
    let mut others = WellBehaved::start(&broker);
    let mut publisher = Client::connect(&broker, "publisher");
    for n in 0..100 {
        let topic = format!("kept/{n}");
        publisher.send(&retained(&topic));
    }
    publisher.expect_pong();
    let mut greedy = Client::connect(&broker, "greedy");
    let filters = vec!["kept/#"; IN_ONE_PACKET];
    greedy.send(&subscribe(V5, &filters, QoS::AtMostOnce));
    others.exchange();
    others.exchange();
    broker.assert_memory_below(200 << 20);
    assert_eq!(broker.counter("subscriptions"), 2);
}

fn retained(topic: &str) -> Vec<u8> {
    let mut bytes = crate::client::publish(V5, topic, b"kept", QoS::AtMostOnce);
    bytes[0] |= 1;
    bytes
}

#[test]
fn one_message_that_matches_a_hundred_thousand_filters_holds_nobody_up() {
    let broker = Broker::start_quiet("shards = 1\n");
    let mut others = WellBehaved::start(&broker);
    let mut greedy = Client::connect(&broker, "greedy");
    // All ways to write `a` or `+` on 16 levels, each with a Subscription Identifier.
    const LEVELS: u32 = 16;
    let all: Vec<String> = (0..1_u32 << LEVELS)
        .map(|n| {
            let level = |bit: u32| if n & 1 << bit == 0 { "a" } else { "+" };
            (0..LEVELS).map(level).collect::<Vec<_>>().join("/")
        })
        .collect();
    for (n, filters) in all.chunks(IN_ONE_PACKET / 4).enumerate() {
        greedy.send(&subscribe_with_id(filters, n as u32 + 1));
        others.exchange();
        greedy.expect_suback();
    }
    let topic = ["a"; LEVELS as usize].join("/");
    greedy.send(&crate::client::publish(V5, &topic, b"", QoS::AtMostOnce));
    others.exchange();
    greedy.expect(|packet| match packet {
        Packet::Publish(publish) => {
            let ids = publish.properties.subscription_identifiers().count();
            assert_eq!(ids, all.len());
        }
        other => panic!("{other:?} instead of PUBLISH"),
    });
}

fn subscribe_with_id(filters: &[String], id: u32) -> Vec<u8> {
    let mut properties = dunlin_packet::PropertiesBuf::new();
    properties.push(dunlin_packet::Property::SubscriptionIdentifier(id));
    let options = dunlin_packet::SubscriptionOptions::new(QoS::AtMostOnce);
    let parse = |filter| TopicFilter::parse(filter).expect("a Topic Filter");
    let entries: Vec<_> = filters
        .iter()
        .map(|filter| (parse(filter), options))
        .collect();
    let mut bytes = Vec::new();
    let properties = properties.as_properties();
    dunlin_packet::encode_subscribe(V5, PacketId::FIRST, properties, &entries, &mut bytes);
    bytes
}
