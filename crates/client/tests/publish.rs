//! Messages to the server: QoS 1 and 2, the send quota, retransmission, Topic Aliases.

mod script;

use dunlin_client::{ConnectOptions, Event, OutboundTopicAliases, RequestError, ServerFault};
use dunlin_packet::{PacketId, PacketType, ProtocolVersion, QoS, ReasonCode};
use script::{CONNACK_3, Script, message};

const SESSION_PRESENT_3: &str = "20 02 01 00";

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}

/// A connected 3.1.1 client whose session outlives the connection.
fn persistent() -> Script {
    let mut options = ConnectOptions::new(ProtocolVersion::V3_1_1, "c");
    options.clean_start = false;
    Script::connected_with(options, CONNACK_3)
}

#[track_caller]
fn published(script: &mut Script, packet_id: u16, expected: ReasonCode) {
    match script.event() {
        Some(Event::Published {
            packet_id: actual,
            reason,
            ..
        }) => {
            assert_eq!((actual, reason), (id(packet_id), expected));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn at_most_once_is_done_at_once() {
    let mut script = Script::connected(ProtocolVersion::V5);
    assert_eq!(
        script.client.publish(message("t", "x", QoS::AtMostOnce)),
        Ok(None)
    );
    script.sent("30 05 00 01 74 00 78");
    assert!(script.client.is_idle());
}

#[test]
fn at_least_once_ends_with_puback() {
    let mut script = Script::connected(ProtocolVersion::V5);
    assert_eq!(
        script.client.publish(message("t", "x", QoS::AtLeastOnce)),
        Ok(Some(id(1)))
    );
    script.sent("32 07 00 01 74 00 01 00 78");
    script.server("40 03 00 01 10");
    published(&mut script, 1, ReasonCode::NoMatchingSubscribers);
    assert!(script.client.is_idle());
}

#[test]
fn exactly_once_ends_with_pubcomp_or_a_refusing_pubrec() {
    let mut script = Script::connected(ProtocolVersion::V5);
    script
        .client
        .publish(message("t", "x", QoS::ExactlyOnce))
        .unwrap();
    script
        .client
        .publish(message("t", "y", QoS::ExactlyOnce))
        .unwrap();
    script.sent("34 07 00 01 74 00 01 00 78 34 07 00 01 74 00 02 00 79");
    script.server("50 02 00 01 50 03 00 02 97");
    script.sent("62 02 00 01");
    published(&mut script, 2, ReasonCode::QuotaExceeded);
    script.server("70 02 00 01");
    published(&mut script, 1, ReasonCode::Success);
}

#[test]
fn answers_have_to_fit() {
    for (qos, answer, fault) in [
        (QoS::AtLeastOnce, "50 02 00 01", PacketType::PubRec),
        (QoS::AtLeastOnce, "70 02 00 01", PacketType::PubComp),
        (QoS::ExactlyOnce, "40 02 00 01", PacketType::PubAck),
        (QoS::ExactlyOnce, "70 02 00 01", PacketType::PubComp),
    ] {
        let mut script = Script::connected(ProtocolVersion::V3_1_1);
        script.client.publish(message("t", "x", qos)).unwrap();
        script.server(answer);
        script.faulted(ServerFault::AnswerOutOfTurn {
            answer: fault,
            packet_id: id(1),
        });
    }
}

#[test]
fn answers_to_unknown_messages_change_nothing() {
    let mut script = Script::connected(ProtocolVersion::V5);
    script.server("40 02 00 07 70 02 00 07");
    script.quiet();
    script.sent("");
    script.server("50 02 00 07");
    script.sent("62 03 00 07 92");
}

#[test]
fn the_send_quota_is_the_smaller_of_both_limits() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.maximum_in_flight = 10;
    let mut script = Script::connected_with(options, "20 06 00 00 03 21 00 02");
    assert_eq!(script.client.send_quota(), 2);
    script
        .client
        .publish(message("t", "", QoS::AtLeastOnce))
        .unwrap();
    script
        .client
        .publish(message("t", "", QoS::ExactlyOnce))
        .unwrap();
    let refused = script.client.publish(message("t", "", QoS::AtLeastOnce));
    assert_eq!(refused, Err(RequestError::SendQuotaExhausted));
    assert_eq!(
        script.client.publish(message("t", "", QoS::AtMostOnce)),
        Ok(None)
    );
    script.server("50 02 00 02");
    assert_eq!(script.client.send_quota(), 0);
    script.server("40 02 00 01");
    assert_eq!(script.client.send_quota(), 1);
}

#[test]
fn nothing_is_sent_before_connack_or_to_bad_topics() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    script.sent_bytes();
    let early = script.client.publish(message("t", "", QoS::AtMostOnce));
    assert_eq!(early, Err(RequestError::NotConnected));
    script.server(CONNACK_3);
    for topic in ["", "a/+", "#"] {
        let refused = script.client.publish(message(topic, "", QoS::AtMostOnce));
        assert_eq!(
            refused,
            Err(RequestError::InvalidTopicName(topic.to_owned()))
        );
    }
    script.sent("");
}

#[test]
fn a_resumed_session_sends_again_in_order() {
    let mut script = persistent();
    script
        .client
        .publish(message("t", "1", QoS::ExactlyOnce))
        .unwrap();
    script
        .client
        .publish(message("t", "2", QoS::AtLeastOnce))
        .unwrap();
    script
        .client
        .publish(message("t", "3", QoS::ExactlyOnce))
        .unwrap();
    script.server("50 02 00 01");
    script.sent_bytes();
    script.reconnect(SESSION_PRESENT_3);
    script.sent("62 02 00 01 3a 06 00 01 74 00 02 32 3c 06 00 01 74 00 03 33");
    script.server("70 02 00 01 40 02 00 02");
    published(&mut script, 1, ReasonCode::Success);
    published(&mut script, 2, ReasonCode::Success);
}

#[test]
fn retransmission_keeps_to_the_new_send_quota() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.clean_start = false;
    let mut script = Script::connected_with(options, "20 03 00 00 00");
    for payload in ["1", "2"] {
        script
            .client
            .publish(message("t", payload, QoS::AtLeastOnce))
            .unwrap();
    }
    script.sent_bytes();
    script.reconnect("20 06 01 00 03 21 00 01");
    script.sent("3a 07 00 01 74 00 01 00 31");
    assert_eq!(script.client.send_quota(), 0);
    // Not sent yet on this connection, so this answers nothing.
    script.server("40 02 00 02");
    script.quiet();
    script.server("40 02 00 01");
    published(&mut script, 1, ReasonCode::Success);
    script.sent("3a 07 00 01 74 00 02 00 32");
}

#[test]
fn a_lost_session_hands_its_messages_back() {
    let mut script = persistent();
    script
        .client
        .publish(message("t", "1", QoS::AtLeastOnce))
        .unwrap();
    script
        .client
        .publish(message("t", "2", QoS::ExactlyOnce))
        .unwrap();
    script.server("50 02 00 02");
    script.sent_bytes();
    script.reconnect(CONNACK_3);
    script.sent("");
    match script.event() {
        Some(Event::Abandoned {
            packet_id,
            message: Some(message),
        }) => {
            assert_eq!((packet_id, message.payload.as_slice()), (id(1), &b"1"[..]));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        script.event(),
        Some(Event::Abandoned { message: None, .. })
    ));
    assert!(script.client.is_idle());
}

#[test]
fn repeated_topics_become_aliases() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.clean_start = false;
    options.topic_aliases = OutboundTopicAliases::Automatic;
    let mut script = Script::connected_with(options, "20 06 00 00 03 22 00 01");
    for topic in ["t", "t", "u"] {
        script
            .client
            .publish(message(topic, "", QoS::AtMostOnce))
            .unwrap();
    }
    script.sent("30 07 00 01 74 03 23 00 01 30 06 00 00 03 23 00 01 30 04 00 01 75 00");
    // The aliases end with the connection.
    script
        .client
        .publish(message("t", "", QoS::AtLeastOnce))
        .unwrap();
    script.sent_bytes();
    script.reconnect("20 03 01 00 00");
    script.sent("3a 06 00 01 74 00 01 00");
}

#[test]
fn a_message_too_large_to_send_takes_no_alias() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.topic_aliases = OutboundTopicAliases::Automatic;
    // Topic Alias Maximum 1, Maximum Packet Size 16.
    let mut script = Script::connected_with(options, "20 0b 00 00 08 22 00 01 27 00 00 00 10");
    let large = message("t", "a large payload", QoS::AtMostOnce);
    assert!(matches!(
        script.client.publish(large),
        Err(RequestError::PacketTooLarge { .. })
    ));
    script
        .client
        .publish(message("t", "", QoS::AtMostOnce))
        .unwrap();
    script.sent("30 07 00 01 74 03 23 00 01");
}
