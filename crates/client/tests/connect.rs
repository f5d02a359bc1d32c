//! CONNECT, CONNACK, DISCONNECT, AUTH and Keep Alive.

mod script;

use dunlin_client::{
    Client, Closed, ConnectOptions, Event, InvalidOptions, Message, RequestError, ServerFault,
};
use dunlin_packet::{PacketType, Property, ProtocolVersion, QoS, ReasonCode};
use script::{CONNACK_3, CONNACK_5, Script, bytes, properties};

#[test]
fn connect_says_everything_in_each_version() {
    let mut options = ConnectOptions::new(ProtocolVersion::V3_1_1, "c");
    options.keep_alive = 10;
    options.user_name = Some("u".to_owned());
    options.password = Some(b"p".to_vec());
    let mut will = Message::new("w", "x");
    will.qos = QoS::AtLeastOnce;
    will.retain = true;
    options.will = Some(will);
    options.properties = properties(&[Property::ReceiveMaximum(5)]);
    Script::new(options.clone())
        .sent("10 19 00 04 4d 51 54 54 04 ee 00 0a 00 01 63 00 01 77 00 01 78 00 01 75 00 01 70");
    options.version = ProtocolVersion::V3_1;
    Script::new(options.clone()).sent(
        "10 1b 00 06 4d 51 49 73 64 70 03 ee 00 0a 00 01 63 00 01 77 00 01 78 00 01 75 00 01 70",
    );
    options.version = ProtocolVersion::V5;
    Script::new(options).sent(
        "10 1e 00 04 4d 51 54 54 05 ee 00 0a 03 21 00 05 00 01 63 00 00 01 77 00 01 78 00 01 75 00 01 70",
    );
}

#[test]
fn options_that_make_no_connect_are_refused() {
    let refused = |options| Client::new(options).map(drop).unwrap_err();
    let mut options = ConnectOptions::new(ProtocolVersion::V3_1_1, "c");
    options.password = Some(b"p".to_vec());
    assert_eq!(refused(options), InvalidOptions::PasswordWithoutUserName);
    let options = ConnectOptions::new(ProtocolVersion::V3_1, "");
    assert_eq!(refused(options), InvalidOptions::ClientIdMissing);
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "");
    options.will = Some(Message::new("a/#", ""));
    assert_eq!(
        refused(options),
        InvalidOptions::WillTopic("a/#".to_owned())
    );
    let options = ConnectOptions::new(ProtocolVersion::V5, "x".repeat(65_536));
    let too_long = InvalidOptions::TooLong {
        field: "client identifier",
        length: 65_536,
    };
    assert_eq!(refused(options), too_long);
}

#[test]
fn connack_brings_the_servers_limits_and_a_client_identifier() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V5, ""));
    script.sent_bytes();
    // Receive Maximum 2, Maximum QoS 1, Retain unavailable, Maximum Packet Size 100,
    // Topic Alias Maximum 3, Assigned Client Identifier "x".
    script.server("20 16 00 00 13 21 00 02 24 01 25 00 27 00 00 00 64 22 00 03 12 00 01 78");
    assert!(matches!(
        script.event(),
        Some(Event::Connected {
            session_present: false,
            ..
        })
    ));
    let limits = *script.client.server_limits();
    assert_eq!((limits.receive_maximum, limits.topic_alias_maximum), (2, 3));
    assert_eq!(
        (limits.maximum_qos, limits.maximum_packet_size),
        (QoS::AtLeastOnce, 100)
    );
    assert_eq!(script.client.client_id(), "x");

    let publish = |script: &mut Script, message| script.client.publish(message).unwrap_err();
    let mut message = Message::new("t", "");
    message.retain = true;
    assert_eq!(
        publish(&mut script, message.clone()),
        RequestError::RetainNotSupported
    );
    message.retain = false;
    message.qos = QoS::ExactlyOnce;
    let error = publish(&mut script, message);
    assert_eq!(
        error,
        RequestError::QoSNotSupported {
            maximum: QoS::AtLeastOnce
        }
    );
    let error = publish(&mut script, Message::new("t", [0; 95]));
    assert_eq!(
        error,
        RequestError::PacketTooLarge {
            length: 101,
            maximum: 100
        }
    );
    let mut message = Message::new("t", "");
    message.properties = properties(&[Property::TopicAlias(4)]);
    let error = publish(&mut script, message);
    assert_eq!(
        error,
        RequestError::TopicAliasInvalid {
            alias: 4,
            maximum: 3
        }
    );
    script.sent("");
}

#[test]
fn a_refusal_ends_the_connection() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    script.sent_bytes();
    script.server("20 02 00 05");
    match script.event() {
        Some(Event::Closed(Closed::Refused { reason, .. })) => {
            assert_eq!(reason, ReasonCode::NotAuthorized);
        }
        other => panic!("{other:?}"),
    }
    assert!(script.client.wants_close());
    script.client.handle_close();
    script.quiet();
}

#[test]
fn the_server_has_to_begin_with_one_connack() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    script.server("d0 00");
    script.faulted(ServerFault::FirstPacketNotConnAck(PacketType::PingResp));

    let mut script = Script::connected(ProtocolVersion::V5);
    script.server(CONNACK_5);
    script.faulted(ServerFault::SecondConnAck);
    script.sent("e0 01 82");
}

#[test]
fn a_clean_start_resumes_nothing() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    script.server("20 02 01 00");
    script.faulted(ServerFault::SessionPresentOnCleanStart);
}

#[test]
fn packets_that_only_clients_send_are_faults() {
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("c0 00");
    script.faulted(ServerFault::UnexpectedPacket(PacketType::PingReq));
}

#[test]
fn malformed_packets_are_answered_with_their_reason() {
    let mut script = Script::connected(ProtocolVersion::V5);
    // A Topic Name with a wildcard.
    script.server("30 04 00 01 23 00");
    match script.event() {
        Some(Event::Closed(Closed::Fault(ServerFault::Malformed(_)))) => {}
        other => panic!("{other:?}"),
    }
    script.sent("e0 01 90");
}

#[test]
fn packets_above_our_maximum_are_refused_by_their_header() {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.properties = properties(&[Property::MaximumPacketSize(20)]);
    let mut script = Script::connected_with(options, CONNACK_5);
    script.server("30 64");
    assert!(matches!(
        script.event(),
        Some(Event::Closed(Closed::Fault(_)))
    ));
    script.sent("e0 01 95");
}

#[test]
fn packets_may_arrive_byte_by_byte() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    let stream = bytes(&format!("{CONNACK_3} 30 04 00 01 74 78 30 03 00 01 75"));
    for byte in stream {
        script.client.handle_bytes(&[byte]);
    }
    assert!(matches!(script.event(), Some(Event::Connected { .. })));
    script.delivered("t", "x");
    script.delivered("u", "");
    script.quiet();
}

#[test]
fn disconnect_is_said_and_reported_once() {
    let mut script = Script::connected(ProtocolVersion::V5);
    let expiry = properties(&[Property::SessionExpiryInterval(1)]);
    script
        .client
        .disconnect(ReasonCode::DisconnectWithWill, &expiry);
    script.sent("e0 07 04 05 11 00 00 00 01");
    assert!(script.client.wants_close());
    script.server("30 04 00 01 74 00");
    script.client.handle_close();
    assert!(matches!(
        script.event(),
        Some(Event::Closed(Closed::ByClient))
    ));
    script.client.handle_close();
    script.quiet();
}

#[test]
fn the_server_may_end_a_connection_of_5_0_with_a_reason() {
    let mut script = Script::connected(ProtocolVersion::V5);
    script.server("e0 02 8b 00");
    match script.event() {
        Some(Event::Closed(Closed::ByServer { reason, .. })) => {
            assert_eq!(reason, ReasonCode::ServerShuttingDown);
        }
        other => panic!("{other:?}"),
    }
    let mut script = Script::connected(ProtocolVersion::V3_1_1);
    script.server("e0 00");
    script.faulted(ServerFault::UnexpectedPacket(PacketType::Disconnect));
}

#[test]
fn pings_when_idle_and_gives_up_without_an_answer() {
    let mut options = ConnectOptions::new(ProtocolVersion::V3_1_1, "c");
    options.keep_alive = 10;
    let mut script = Script::connected_with(options, CONNACK_3);
    script.pass(9);
    script.sent("");
    script.pass(1);
    script.sent("c0 00");
    script.server("d0 00");
    script.pass(10);
    script.sent("c0 00");
    script.pass(10);
    assert!(matches!(
        script.event(),
        Some(Event::Closed(Closed::KeepAliveTimeout))
    ));
}

#[test]
fn the_servers_keep_alive_wins() {
    let options = ConnectOptions::new(ProtocolVersion::V5, "c");
    let mut script = Script::connected_with(options, "20 06 00 00 03 13 00 05");
    script.pass(5);
    script.sent("c0 00");
}

#[test]
fn a_silent_server_is_given_up() {
    let mut script = Script::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    let deadline = script.client.next_deadline().unwrap();
    script.client.handle_time(deadline);
    assert!(matches!(
        script.event(),
        Some(Event::Closed(Closed::ConnAckTimeout))
    ));
    assert_eq!(script.client.next_deadline(), None);
}

#[test]
fn enhanced_authentication_passes_through() {
    let method = [
        Property::AuthenticationMethod("m"),
        Property::AuthenticationData(b"d"),
    ];
    let mut options = ConnectOptions::new(ProtocolVersion::V5, "c");
    options.properties = properties(&method);
    let mut script = Script::new(options);
    script.sent_bytes();
    script.server("f0 06 18 04 15 00 01 6d");
    match script.event() {
        Some(Event::Authentication { reason, .. }) => {
            assert_eq!(reason, ReasonCode::ContinueAuthentication);
        }
        other => panic!("{other:?}"),
    }
    let answer = properties(&method);
    script
        .client
        .authenticate(ReasonCode::ContinueAuthentication, &answer)
        .unwrap();
    script.sent("f0 0a 18 08 15 00 01 6d 16 00 01 64");

    let mut script = Script::connected(ProtocolVersion::V5);
    script.server("f0 06 18 04 15 00 01 6d");
    script.faulted(ServerFault::AuthenticationNotStarted);
}
