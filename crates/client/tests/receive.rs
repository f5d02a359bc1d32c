//! Messages from the server, and subscriptions.

mod script;

use dunlin_client::{Acknowledgement, ConnectOptions, Event, RequestError, ServerFault};
use dunlin_packet::{
    PacketId, PacketType, PropertiesBuf, Property, ProtocolVersion, QoS, ReasonCode,
    RetainHandling, SubscriptionOptions,
};
use script::{CONNACK_3, CONNACK_5, Script, properties};

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}

fn at(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    }
}

fn manual(version: ProtocolVersion, connack: &str) -> Script {
    let mut options = ConnectOptions::new(version, "c");
    options.clean_start = false;
    options.acknowledgement = Acknowledgement::Manual;
    options.properties = properties(&[Property::ReceiveMaximum(2)]);
    Script::connected_with(options, connack)
}

#[test]
fn messages_are_delivered_and_acknowledged() {
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("30 04 00 01 74 30 32 06 00 01 74 00 07 31 34 06 00 01 74 00 08 32");
    script.delivered("t", "0");
    script.delivered("t", "1");
    script.delivered("t", "2");
    script.sent("40 02 00 07 50 02 00 08");
    script.server("62 02 00 08");
    script.sent("70 02 00 08");
}

#[test]
fn exactly_once_means_once() {
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("34 06 00 01 74 00 08 32 3c 06 00 01 74 00 08 32");
    script.delivered("t", "2");
    script.quiet();
    script.sent("50 02 00 08 50 02 00 08");
    script.server("62 02 00 08 34 06 00 01 74 00 08 33");
    script.delivered("t", "3");
}

#[test]
fn exactly_once_survives_a_reconnect_of_the_session() {
    let mut script = manual(ProtocolVersion::V3_1_1, CONNACK_3);
    script.server("34 06 00 01 74 00 08 32");
    script.delivered("t", "2");
    script.client.acknowledge(id(8));
    script.reconnect("20 02 01 00");
    script.server("3c 06 00 01 74 00 08 32");
    script.quiet();
    script.sent("50 02 00 08");
    // A new session knows nothing of it.
    script.reconnect(CONNACK_3);
    script.server("34 06 00 01 74 00 08 34");
    script.delivered("t", "4");
}

#[test]
fn a_release_of_nothing_is_answered() {
    let mut script = Script::connected(ProtocolVersion::V5);
    script.server("62 02 00 08");
    script.sent("70 03 00 08 92");
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("62 02 00 08");
    script.sent("70 02 00 08");
}

#[test]
fn the_application_may_acknowledge_when_it_is_ready() {
    let mut script = manual(ProtocolVersion::V5, CONNACK_5);
    script.server("32 07 00 01 74 00 01 00 31 34 07 00 01 74 00 02 00 32");
    script.delivered("t", "1");
    script.delivered("t", "2");
    script.sent("");
    script.client.acknowledge(id(2));
    script.client.acknowledge(id(1));
    script.client.acknowledge(id(1));
    script.sent("50 02 00 02 40 02 00 01");
}

#[test]
fn unacknowledged_messages_come_again() {
    let mut script = manual(ProtocolVersion::V5, CONNACK_5);
    script.server("34 07 00 01 74 00 02 00 32");
    script.delivered("t", "2");
    script.reconnect("20 03 01 00 00");
    script.client.acknowledge(id(2));
    script.sent("");
    script.server("3c 07 00 01 74 00 02 00 32");
    script.delivered("t", "2");
}

#[test]
fn the_receive_maximum_is_enforced() {
    let mut script = manual(ProtocolVersion::V5, CONNACK_5);
    script.server("32 06 00 01 74 00 01 00 34 06 00 01 74 00 02 00");
    script.delivered("t", "");
    script.delivered("t", "");
    script.client.acknowledge(id(2));
    script.sent_bytes();
    script.server("32 06 00 01 74 00 03 00");
    script.faulted(ServerFault::ReceiveMaximumExceeded(2));
    script.sent("e0 01 93");
}

#[test]
fn topic_aliases_are_resolved() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.properties = properties(&[Property::TopicAliasMaximum(1)]);
    let mut script = Script::connected_with(options, CONNACK_5);
    script.server("30 08 00 01 74 03 23 00 01 31 30 07 00 00 03 23 00 01 32");
    script.delivered("t", "1");
    script.delivered("t", "2");
    script.server("30 07 00 01 74 03 23 00 02");
    script.faulted(ServerFault::TopicAliasAboveMaximum {
        alias: 2,
        maximum: 1,
    });
    script.sent("e0 01 94");
}

#[test]
fn subscriptions_are_granted_one_by_one() {
    let mut script = Script::connected(ProtocolVersion::V5);
    let identifier = properties(&[Property::SubscriptionIdentifier(5)]);
    let filters = [("a/+", at(QoS::AtLeastOnce)), ("#", at(QoS::ExactlyOnce))];
    assert_eq!(script.client.subscribe(&filters, &identifier), Ok(id(1)));
    script.sent("82 0f 00 01 02 0b 05 00 03 61 2f 2b 01 00 01 23 02");
    script.server("90 05 00 01 00 01 87");
    match script.event() {
        Some(Event::Subscribed {
            packet_id, reasons, ..
        }) => {
            assert_eq!(packet_id, id(1));
            assert_eq!(
                reasons,
                [ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized]
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn unsubscribing_has_reasons_in_every_version() {
    for (version, answer) in [
        (ProtocolVersion::V3_1_1, "b0 02 00 01"),
        (ProtocolVersion::V5, "b0 05 00 01 00 00 00"),
    ] {
        let mut script = Script::connected(version);
        let none = PropertiesBuf::default();
        script.client.unsubscribe(&["a", "b"], &none).unwrap();
        script.server(answer);
        match script.event() {
            Some(Event::Unsubscribed { reasons, .. }) => {
                assert_eq!(reasons, [ReasonCode::Success; 2]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn answers_need_a_request_and_the_right_length() {
    let none = PropertiesBuf::default();
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("90 03 00 01 00");
    let (answer, packet_id) = (PacketType::SubAck, id(1));
    script.faulted(ServerFault::AnswerWithoutRequest { answer, packet_id });

    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script
        .client
        .subscribe(&[("a", at(QoS::AtMostOnce))], &none)
        .unwrap();
    script.server("90 04 00 01 00 00");
    script.faulted(ServerFault::ReasonCodeCount {
        requested: 1,
        received: 2,
    });
}

#[test]
fn bad_filters_are_refused_before_they_are_sent() {
    let none = PropertiesBuf::default();
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    let bad = script
        .client
        .subscribe(&[("a/#/b", at(QoS::AtMostOnce))], &none);
    assert_eq!(
        bad,
        Err(RequestError::InvalidTopicFilter("a/#/b".to_owned()))
    );
    assert_eq!(
        script.client.subscribe(&[], &none),
        Err(RequestError::NoTopicFilter)
    );
    assert_eq!(
        script.client.unsubscribe(&[], &none),
        Err(RequestError::NoTopicFilter)
    );
    script.sent("");
}
