//! Clients that send more than they may.

use std::time::{Duration, Instant};

use dunlin_packet::{ProtocolVersion, QoS, ReasonCode};

use crate::broker::Broker;
use crate::client::{Client, WellBehaved, publish};

#[test]
fn a_publisher_over_its_rate_is_slowed_and_loses_nothing_and_another_is_not() {
    const RATE: u32 = 100;
    const MESSAGES: u32 = 250;
    let broker = Broker::start(&format!("[limits]\nmessage_rate = {RATE}\n"));
    let mut others = WellBehaved::start(&broker);
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("fast", QoS::AtMostOnce);
    let mut culprit = Client::connect(&broker, "culprit");
    let begin = Instant::now();
    for n in 0..MESSAGES {
        let payload = n.to_be_bytes();
        culprit.send(&publish(
            ProtocolVersion::V5,
            "fast",
            &payload,
            QoS::AtMostOnce,
        ));
    }
    for n in 0..MESSAGES {
        if n % 50 == 0 {
            others.exchange();
        }
        subscriber.expect_message("fast", &n.to_be_bytes());
    }
    // A second's worth comes at once, the others no faster than they may.
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(1400), "{took:?}");
    // What came behind is answered in its turn.
    culprit.expect_pong();
    broker.wait_for(&["WARN", "client_id=\"culprit\"", "slowed down"]);
    assert_eq!(broker.counter("Clients slowed down"), 1);
}

#[test]
fn bytes_are_bounded_as_messages_are() {
    let broker = Broker::start("[limits]\nbyte_rate = '100KiB'\n");
    let mut subscriber = Client::connect(&broker, "subscriber");
    subscriber.subscribe("large", QoS::AtMostOnce);
    let mut culprit = Client::connect(&broker, "culprit");
    let begin = Instant::now();
    let payload = [7; 50 * 1024];
    for _ in 0..5 {
        culprit.send(&publish(
            ProtocolVersion::V5,
            "large",
            &payload,
            QoS::AtMostOnce,
        ));
    }
    for _ in 0..5 {
        subscriber.expect_message("large", &payload);
    }
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
}

#[test]
fn who_does_not_let_up_is_disconnected() {
    for (bound, reason, why) in [
        (
            "message_rate = 10",
            ReasonCode::MessageRateTooHigh,
            "messages come faster",
        ),
        (
            "byte_rate = 300",
            ReasonCode::QuotaExceeded,
            "bytes come faster",
        ),
    ] {
        let broker = Broker::start(&format!("[limits]\nrate_patience = 1\n{bound}\n"));
        let mut culprit = Client::connect(&broker, "culprit");
        let message = publish(
            ProtocolVersion::V5,
            "fast",
            b"twenty bytes of text",
            QoS::AtMostOnce,
        );
        culprit.send(&message.repeat(100));
        assert_eq!(culprit.expect_close_with_reason(), Some(reason));
        let ending = broker.ending_of("culprit");
        assert!(ending.contains(why), "{ending}");
        broker.wait_for(&["WARN", "client_id=\"culprit\"", "went on sending too fast"]);
        Client::connect(&broker, "innocent").expect_pong();
    }
}

#[test]
fn a_rate_that_a_reload_brings_holds_for_those_who_are_there() {
    let broker = Broker::start("");
    let mut client = Client::connect(&broker, "client");
    client.expect_pong();
    broker.reconfigure("[limits]\nmessage_rate = 10\nkeep_alive = 3\n");
    broker.wait_for(&["reloaded: limits.message_rate"]);
    // When all shards have answered they have heard of it.
    assert_eq!(broker.counter("Clients slowed down"), 0);
    let begin = Instant::now();
    let message = publish(ProtocolVersion::V5, "fast", b"", QoS::AtMostOnce);
    client.send(&message.repeat(30));
    client.expect_pong();
    let took = begin.elapsed();
    assert!(took > Duration::from_millis(1900), "{took:?}");
}
