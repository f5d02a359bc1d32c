//! Packets of Clients, built from an input.

use dunlin_packet::{
    Auth, Connect, Disconnect, Packet, PacketId, PropertiesBuf, Property, ProtocolVersion, PubAck,
    PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, Will,
};

use super::input::Input;

const VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::V5,
    ProtocolVersion::V3_1_1,
    ProtocolVersion::V3_1,
    ProtocolVersion::V5,
];
const CLIENT_IDS: [&str; 5] = ["alice", "bob", "carol", "dave", ""];
const TOPICS: [&str; 7] = ["a", "a/b", "b", "$x", "a/b/c", "a/b/c/d/e", "/"];
const FILTERS: [&str; 14] = [
    "a",
    "a/b",
    "#",
    "+",
    "a/#",
    "+/b",
    "$x",
    "$share/g/a",
    "$share/g/#",
    "$share/h/a/b",
    "$share/h/+",
    "a/+/c/#",
    "a/#/b",
    "$share/g",
];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const PAYLOADS: [&[u8]; 5] = [b"", b"x", b"hello", &[0xFF; 30], &[7; 80]];

/// A CONNECT; it says its own version.
pub(super) fn connect(input: &mut Input<'_>) -> Vec<u8> {
    let version = input.one_of(&VERSIONS);
    let client_id = input.one_of(&CLIENT_IDS);
    let flags = input.byte();
    let (mut properties, mut will_properties) = (PropertiesBuf::new(), PropertiesBuf::new());
    if version.has_properties() {
        let wanted = input.byte();
        let mut when = |bit: u8, property: Property<'_>| {
            if wanted & 1 << bit != 0 {
                properties.push(property);
            }
        };
        when(0, Property::SessionExpiryInterval(5));
        when(1, Property::ReceiveMaximum(1));
        when(2, Property::MaximumPacketSize(60));
        when(3, Property::TopicAliasMaximum(1));
        when(4, Property::RequestProblemInformation(0));
        when(5, Property::RequestResponseInformation(1));
        if wanted & 0xC0 == 0xC0 {
            properties.push(Property::AuthenticationMethod("m"));
        }
        if wanted & 0x40 != 0 {
            will_properties.push(Property::WillDelayInterval(2));
        }
        if wanted & 0x80 != 0 {
            will_properties.push(Property::MessageExpiryInterval(3));
        }
    }
    let will = (flags & 2 != 0).then(|| Will {
        topic: TOPICS[usize::from(flags >> 4) % TOPICS.len()],
        payload: b"will",
        qos: QOS[usize::from(flags >> 2) % 3],
        retain: flags & 4 != 0,
        properties: will_properties.as_properties(),
    });
    let keep_alive = if flags & 8 == 0 { 0 } else { 2 };
    let connect = Connect {
        version,
        clean_start: flags & 1 != 0,
        keep_alive,
        client_id,
        will,
        user_name: None,
        password: None,
        properties: properties.as_properties(),
    };
    encode(version, &Packet::Connect(connect))
}

/// Any other packet.
pub(super) fn after_connect(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    match input.below(24) {
        0..=11 => publish(version, input),
        12..=17 => subscribe(version, input),
        18 => unsubscribe(version, input),
        19 | 20 => acknowledgement(version, input),
        21 => encode(version, &Packet::PingReq),
        22 => disconnect(version, input),
        _ if input.once_in(4) => auth(version, input),
        _ => publish(version, input),
    }
}

fn publish(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    let qos = input.one_of(&QOS);
    let flags = input.byte();
    let mut topic = input.one_of(&TOPICS);
    let payload = input.one_of(&PAYLOADS);
    let mut properties = PropertiesBuf::new();
    if version.has_properties() && flags & 2 != 0 {
        let wanted = input.byte();
        if wanted & 1 != 0 {
            properties.push(Property::MessageExpiryInterval(1));
        }
        if wanted & 2 != 0 {
            properties.push(Property::TopicAlias(u16::from(wanted >> 6)));
            if wanted & 4 != 0 {
                topic = "";
            }
        }
        if wanted & 0x18 == 0x18 {
            properties.push(Property::PayloadFormatIndicator(1));
        }
        if wanted & 0x20 != 0 {
            properties.push(Property::UserProperty("k", "v"));
        }
    }
    let publish = Publish {
        dup: qos > QoS::AtMostOnce && flags & 4 != 0,
        retain: flags & 1 != 0,
        qos,
        topic,
        packet_id: (qos > QoS::AtMostOnce).then(|| packet_id(flags >> 4)),
        properties: properties.as_properties(),
        payload,
    };
    encode(version, &Packet::Publish(publish))
}

fn packet_id(byte: u8) -> PacketId {
    PacketId::new(u16::from(byte % 4) + 1).expect("it is not 0")
}

/// Written by hand: the filters need not be right.
fn subscribe(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version.has_properties() {
        match input.below(4) {
            0 => body.push(0),
            id => body.extend_from_slice(&[2, 0x0B, id as u8]),
        }
    }
    for _ in 0..=input.below(3) {
        filter(input, &mut body);
        let options = input.byte();
        let options = if version.has_properties() {
            options & 0b0010_1110 | [0, 1, 2, 1][usize::from(options >> 6)]
        } else {
            options % 3
        };
        body.push(options & !(u8::from(options & 3 == 3)));
    }
    frame(0x82, &body)
}

fn unsubscribe(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    let mut body = vec![0, 2];
    if version.has_properties() {
        body.push(0);
    }
    for _ in 0..=input.below(3) {
        filter(input, &mut body);
    }
    frame(0xA2, &body)
}

fn filter(input: &mut Input<'_>, body: &mut Vec<u8>) {
    let filter = input.one_of(&FILTERS);
    body.extend_from_slice(&[0, filter.len() as u8]);
    body.extend_from_slice(filter.as_bytes());
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("a short packet");
    assert!(length < 128, "one byte of Remaining Length");
    [&[first, length], body].concat()
}

/// Also those that answer nothing.
fn acknowledgement(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    let byte = input.byte();
    let packet_id = packet_id(byte);
    let reason = if byte & 0x80 != 0 && version.has_properties() {
        ReasonCode::UnspecifiedError
    } else {
        ReasonCode::Success
    };
    let packet = match byte >> 4 & 3 {
        0 => Packet::PubAck(PubAck::new(packet_id, reason)),
        1 => Packet::PubRec(PubRec::new(packet_id, reason)),
        2 => Packet::PubRel(PubRel::new(packet_id, ReasonCode::Success)),
        _ => Packet::PubComp(PubComp::new(packet_id, ReasonCode::Success)),
    };
    encode(version, &packet)
}

/// The right answer to a message that came, or to its PUBREL.
pub(super) fn answer(
    version: ProtocolVersion,
    packet_id: u16,
    qos: QoS,
    released: bool,
) -> Vec<u8> {
    let packet_id = PacketId::new(packet_id).expect("the broker gave it");
    let reason = ReasonCode::Success;
    let packet = match (qos, released) {
        (QoS::ExactlyOnce, false) => Packet::PubRec(PubRec::new(packet_id, reason)),
        (QoS::ExactlyOnce, true) => Packet::PubComp(PubComp::new(packet_id, reason)),
        _ => Packet::PubAck(PubAck::new(packet_id, reason)),
    };
    encode(version, &packet)
}

fn disconnect(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    let mut reason = ReasonCode::Success;
    if version.has_properties() {
        let wanted = input.byte();
        if wanted & 1 != 0 {
            reason = ReasonCode::DisconnectWithWill;
        }
        if wanted & 2 != 0 {
            properties.push(Property::SessionExpiryInterval(u32::from(wanted >> 4)));
        }
    }
    let properties = properties.as_properties();
    encode(
        version,
        &Packet::Disconnect(Disconnect { reason, properties }),
    )
}

fn auth(version: ProtocolVersion, input: &mut Input<'_>) -> Vec<u8> {
    if !version.has_properties() {
        return frame(0xF0, &[]);
    }
    let mut properties = PropertiesBuf::new();
    properties.push(Property::AuthenticationMethod("m"));
    let reason = input.one_of(&[
        ReasonCode::ReAuthenticate,
        ReasonCode::ContinueAuthentication,
    ]);
    let properties = properties.as_properties();
    encode(version, &Packet::Auth(Auth { reason, properties }))
}

fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes);
    bytes
}
