//! The relay between two brokers that a test plays.

use super::*;
use crate::settings::{LocalClient, Notifications, RemoteClient, Restart, Start};
use crate::{AddressOrder, Rule};
use dunlin_packet::ProtocolVersion;
use std::time::Duration;

fn settings(version: ProtocolVersion) -> BridgeSettings {
    let rule = |direction| Rule::new("#", direction, QoS::ExactlyOnce, "here/", "there/").unwrap();
    BridgeSettings {
        name: "b".into(),
        addresses: vec!["h:1".into()],
        order: AddressOrder::RoundRobin,
        bind_address: None,
        tls: None,
        start: Start::Automatic,
        restart: Restart {
            base: Duration::ZERO,
            cap: Duration::ZERO,
        },
        remote: RemoteClient {
            version,
            privacy: Privacy::Tried,
            client_id: "b".into(),
            user_name: None,
            password: None,
            clean_start: false,
            keep_alive: 60,
        },
        local: LocalClient {
            client_id: "local.b".into(),
            user_name: None,
            clean_start: false,
            topic_levels: 4,
        },
        notifications: None::<Notifications>,
        topics: vec![rule(crate::Direction::Both)],
        attempt_unsubscribe: false,
        outgoing_retain: true,
        maximum_packet_size: None,
    }
}

/// A relay that passes messages; what each broker has said of its Session, and takes.
fn passing(present: [bool; 2], limits: &[Property<'_>], version: ProtocolVersion) -> Relay {
    let settings = Arc::new(settings(version));
    let mut relay = Relay::new(settings, Arc::default());
    relay.connect_there(Privacy::Tried);
    relay.connect_here();
    for (side, present) in [(Side::Remote, present[1]), (Side::Local, present[0])] {
        let mut properties = PropertiesBuf::new();
        if side == Side::Remote {
            limits.iter().for_each(|limit| properties.push(*limit));
        }
        let connack = Packet::ConnAck(ConnAck {
            session_present: present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        });
        say(&mut relay, side, &connack);
    }
    assert!(relay.is_passing());
    relay.leg(Side::Local).output.clear();
    relay.leg(Side::Remote).output.clear();
    relay
}

fn say(relay: &mut Relay, side: Side, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(relay.leg(side).version, &mut bytes);
    relay.receive(side, &bytes).unwrap();
}

/// What the relay sends to a side, in words.
fn heard(relay: &mut Relay, side: Side) -> Vec<String> {
    let version = relay.leg(side).version;
    let bytes = std::mem::take(&mut relay.leg(side).output);
    let mut rest = &bytes[..];
    let mut words = Vec::new();
    while let Ok(Framing::Complete { frame, length }) = split_frame(rest, LARGEST_PACKET) {
        words.push(match Packet::decode(version, frame).unwrap() {
            Packet::Publish(it) => {
                let id = it.packet_id.map_or(0, PacketId::get);
                format!("PUBLISH {} {} {id}", it.topic, it.qos as u8)
            }
            Packet::PubAck(it) => format!("PUBACK {} {:#x}", it.packet_id.get(), it.reason as u8),
            Packet::PubRec(it) => format!("PUBREC {} {:#x}", it.packet_id.get(), it.reason as u8),
            Packet::PubRel(it) => format!("PUBREL {}", it.packet_id.get()),
            Packet::PubComp(it) => format!("PUBCOMP {}", it.packet_id.get()),
            other => format!("{:?}", other.packet_type()),
        });
        rest = &rest[length..];
    }
    words
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn publish(topic: &str, qos: QoS, number: u16) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        retain: false,
        qos,
        topic,
        packet_id: PacketId::new(number),
        properties: Properties::EMPTY,
        payload: b"x",
    })
}

const OK: ReasonCode = ReasonCode::Success;
const V3: ProtocolVersion = ProtocolVersion::V3_1_1;
const V5: ProtocolVersion = ProtocolVersion::V5;

#[test]
fn every_acknowledgement_passes() {
    let mut relay = passing([true, true], &[], V3);
    for (from, topic, there) in [
        (Side::Local, "here/a", "there/a"),
        (Side::Remote, "there/a", "here/a"),
    ] {
        let to = from.other();
        say(&mut relay, from, &publish(topic, QoS::ExactlyOnce, 7));
        assert_eq!(heard(&mut relay, to), [format!("PUBLISH {there} 2 7")]);
        assert!(heard(&mut relay, from).is_empty());
        say(&mut relay, to, &Packet::PubRec(PubRec::new(id(7), OK)));
        assert_eq!(heard(&mut relay, from), ["PUBREC 7 0x0"]);
        say(&mut relay, from, &Packet::PubRel(PubRel::new(id(7), OK)));
        assert_eq!(heard(&mut relay, to), ["PUBREL 7"]);
        say(&mut relay, to, &Packet::PubComp(PubComp::new(id(7), OK)));
        assert_eq!(heard(&mut relay, from), ["PUBCOMP 7"]);
        assert!(relay.is_idle());
    }
}

#[test]
fn a_handshake_goes_on_where_an_earlier_connection_left_it() {
    let mut relay = passing([true, true], &[], V3);
    say(
        &mut relay,
        Side::Local,
        &Packet::PubRel(PubRel::new(id(3), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Remote), ["PUBREL 3"]);
    say(
        &mut relay,
        Side::Remote,
        &Packet::PubComp(PubComp::new(id(3), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Local), ["PUBCOMP 3"]);
}

#[test]
fn what_a_forgotten_session_has_left_is_released_first() {
    // The Session here is new, that there may remember a message 1 of the former one.
    let mut relay = passing([false, true], &[], V3);
    for number in [1, 1] {
        say(
            &mut relay,
            Side::Local,
            &publish("here/a", QoS::ExactlyOnce, number),
        );
    }
    let seen = heard(&mut relay, Side::Remote);
    assert_eq!(
        seen,
        ["PUBREL 1", "PUBLISH there/a 2 1", "PUBLISH there/a 2 1"]
    );
    say(
        &mut relay,
        Side::Remote,
        &Packet::PubComp(PubComp::new(id(1), OK)),
    );
    assert!(heard(&mut relay, Side::Local).is_empty());
    say(
        &mut relay,
        Side::Remote,
        &Packet::PubRec(PubRec::new(id(1), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Local), ["PUBREC 1 0x0"]);
}

#[test]
fn no_more_is_in_flight_than_the_other_side_takes() {
    let mut relay = passing([true, true], &[Property::ReceiveMaximum(2)], V5);
    for number in 1..=4 {
        say(
            &mut relay,
            Side::Local,
            &publish("here/a", QoS::AtLeastOnce, number),
        );
    }
    let seen = heard(&mut relay, Side::Remote);
    assert_eq!(seen, ["PUBLISH there/a 1 1", "PUBLISH there/a 1 2"]);
    say(
        &mut relay,
        Side::Remote,
        &Packet::PubAck(PubAck::new(id(1), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Local), ["PUBACK 1 0x0"]);
    assert_eq!(heard(&mut relay, Side::Remote), ["PUBLISH there/a 1 3"]);
    assert!(!relay.is_idle());
}

#[test]
fn what_the_other_side_never_takes_is_acknowledged_and_counted() {
    let mut relay = passing([true, true], &[Property::MaximumPacketSize(20)], V5);
    let long = "here/a-name-that-is-too-long-for-that";
    say(&mut relay, Side::Local, &publish(long, QoS::AtLeastOnce, 1));
    say(&mut relay, Side::Local, &publish(long, QoS::ExactlyOnce, 2));
    assert_eq!(
        heard(&mut relay, Side::Local),
        ["PUBACK 1 0x83", "PUBREC 2 0x83"]
    );
    say(
        &mut relay,
        Side::Remote,
        &publish("there/1/2/3/4/5", QoS::AtLeastOnce, 3),
    );
    assert_eq!(heard(&mut relay, Side::Remote), ["PUBACK 3 0x90"]);
    assert_eq!(relay.counters.get(Counted::Dropped), 3);
    assert!(relay.is_idle());
}

#[test]
fn a_lower_maximum_qos_is_kept_to() {
    let mut relay = passing([true, true], &[Property::MaximumQoS(1)], V5);
    say(
        &mut relay,
        Side::Local,
        &publish("here/a", QoS::ExactlyOnce, 5),
    );
    assert_eq!(heard(&mut relay, Side::Remote), ["PUBLISH there/a 1 5"]);
    say(
        &mut relay,
        Side::Remote,
        &Packet::PubAck(PubAck::new(id(5), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Local), ["PUBREC 5 0x0"]);
    say(
        &mut relay,
        Side::Local,
        &Packet::PubRel(PubRel::new(id(5), OK)),
    );
    assert_eq!(heard(&mut relay, Side::Local), ["PUBCOMP 5"]);
    assert!(heard(&mut relay, Side::Remote).is_empty());
}

#[test]
fn a_broker_that_breaks_the_protocol_is_named() {
    let mut relay = passing([true, true], &[], V3);
    let fault = relay.receive(Side::Remote, &[0xF0, 0]);
    assert!(matches!(
        fault,
        Err(Fault::Malformed(_) | Fault::Unexpected(_))
    ));
    let mut relay = passing([true, true], &[], V5);
    let fault = relay.receive(Side::Remote, &[0xE0, 1, 0x8B]);
    assert_eq!(
        fault,
        Err(Fault::Disconnected(ReasonCode::ServerShuttingDown))
    );
}
