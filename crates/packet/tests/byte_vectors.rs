//! Packets as data: what is read from which bytes, what is refused and how. The vectors are in `vectors/*.txt`.

mod vectors;

use std::collections::BTreeSet;

use dunlin_packet::{
    Connect, Framing, Malformed, Packet, PacketType, Properties, ProtocolVersion, split_frame,
};

const MAXIMUM_PACKET_SIZE: u32 = 1000;
const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V3_1,
    ProtocolVersion::V3_1_1,
    ProtocolVersion::V5,
];

/// The packet that is all of `bytes`.
fn decode(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, Malformed> {
    match split_frame(bytes, MAXIMUM_PACKET_SIZE)? {
        Framing::Complete { frame, length } => {
            assert_eq!(length, bytes.len());
            Packet::decode(version, frame)
        }
        Framing::Incomplete { needed } => panic!("{needed} bytes needed"),
    }
}

fn encode(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out);
    out
}

#[test]
fn valid_packets_are_read_and_written_back_byte_for_byte() {
    for vector in vectors::valid() {
        for &version in &vector.versions {
            let packet = decode(version, &vector.bytes).expect(&vector.place);
            assert_eq!(format!("{packet:?}"), vector.columns[0], "{}", vector.place);
            assert_eq!(encode(version, &packet), vector.bytes, "{}", vector.place);
        }
    }
}

#[test]
fn tolerated_packets_are_read_and_written_in_the_usual_form() {
    for vector in vectors::tolerated() {
        for &version in &vector.versions {
            let packet = decode(version, &vector.bytes).expect(&vector.place);
            assert_eq!(format!("{packet:?}"), vector.columns[0], "{}", vector.place);
            let usual = encode(version, &packet);
            assert_ne!(
                usual, vector.bytes,
                "{} belongs into valid.txt",
                vector.place
            );
            assert_eq!(decode(version, &usual), Ok(packet), "{}", vector.place);
        }
    }
}

#[test]
fn malformed_packets_are_refused_with_their_fault() {
    for vector in vectors::malformed() {
        for &version in &vector.versions {
            let malformed = decode(version, &vector.bytes).expect_err(&vector.place);
            let said = [
                format!("{malformed:?}"),
                format!("{:#04X}", malformed.reason_code() as u8).replace("0X", "0x"),
                malformed.statement().to_owned(),
            ];
            assert_eq!(said[..], vector.columns[..], "{}", vector.place);
            assert!(!malformed.to_string().is_empty());
        }
    }
}

/// The names of all variants, and an exhaustive match on them: a new variant fails to compile here.
macro_rules! names {
    ($($name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        fn name(malformed: &Malformed) -> &'static str {
            match malformed { $(Malformed::$name { .. } => stringify!($name),)* }
        }
    };
}

names! {
    PacketTypeReserved, PacketTypeNotInVersion, FixedHeaderFlags, PublishQoS, DupAtQoS0, PacketTooLarge,
    EndsInsideField, TrailingBytes, VariableByteIntegerTooLong, VariableByteIntegerNotMinimal, NotUtf8,
    NullCharacter, PacketIdZero, ReasonCodeNotAllowed, PropertyUnknown, PropertyNotAllowed, PropertyDuplicate,
    PropertyNotBoolean, ReceiveMaximumZero, MaximumPacketSizeZero, TopicAliasZero, SubscriptionIdentifierZero,
    ResponseTopicWildcard, AuthenticationDataWithoutMethod, AuthenticationMethodMissing, ProtocolName,
    UnsupportedProtocolVersion, ConnectFlagReserved, WillQoSWithoutWill, WillRetainWithoutWill, WillQoS,
    PasswordWithoutUserName, ConnAckFlagReserved, SessionPresentWithError, TopicName, TopicNameMissing,
    TopicFilter, SubscribeEmpty, UnsubscribeEmpty, SubscriptionOptionsReserved, SubscriptionQoS,
    RetainHandling, NoLocalOnSharedSubscription,
}

#[test]
fn every_fault_has_a_vector() {
    let seen: BTreeSet<_> = vectors::malformed()
        .iter()
        .flat_map(|vector| {
            vector
                .versions
                .iter()
                .map(|&version| (version, &vector.bytes))
        })
        .map(|(version, bytes)| name(&decode(version, bytes).unwrap_err()))
        .collect();
    assert_eq!(seen, NAMES.iter().copied().collect());
}

#[test]
fn every_packet_type_has_a_vector_in_every_version() {
    for version in VERSIONS {
        let seen: BTreeSet<_> = vectors::valid()
            .iter()
            .filter(|vector| vector.versions.contains(&version))
            .map(|vector| decode(version, &vector.bytes).unwrap().packet_type() as u8)
            .collect();
        let last = if version.has_properties() {
            PacketType::Auth
        } else {
            PacketType::Disconnect
        };
        assert_eq!(seen, (1..=last as u8).collect(), "{version}");
    }
}

#[test]
fn every_property_has_a_vector() {
    let mut seen = BTreeSet::new();
    for vector in vectors::valid() {
        for properties in property_lists(&decode(vector.versions[0], &vector.bytes).unwrap()) {
            seen.extend(properties.iter().map(|property| property.identifier()));
        }
    }
    let all = [
        0x01..=0x03,
        0x08..=0x09,
        0x0B..=0x0B,
        0x11..=0x13,
        0x15..=0x1A,
        0x1C..=0x1C,
        0x1F..=0x1F,
        0x21..=0x2A,
    ];
    assert_eq!(seen, all.into_iter().flatten().collect());
}

fn property_lists<'a>(packet: &Packet<'a>) -> Vec<Properties<'a>> {
    match packet {
        Packet::Connect(packet) => packet
            .will
            .map(|will| will.properties)
            .into_iter()
            .chain([packet.properties])
            .collect(),
        Packet::ConnAck(packet) => vec![packet.properties],
        Packet::Publish(packet) => vec![packet.properties],
        Packet::PubAck(packet) => vec![packet.properties],
        Packet::PubRec(packet) => vec![packet.properties],
        Packet::PubRel(packet) => vec![packet.properties],
        Packet::PubComp(packet) => vec![packet.properties],
        Packet::Subscribe(packet) => vec![packet.properties],
        Packet::SubAck(packet) => vec![packet.properties],
        Packet::Unsubscribe(packet) => vec![packet.properties],
        Packet::UnsubAck(packet) => vec![packet.properties],
        Packet::PingReq | Packet::PingResp => vec![],
        Packet::Disconnect(packet) => vec![packet.properties],
        Packet::Auth(packet) => vec![packet.properties],
    }
}

#[test]
fn the_bytes_of_single_properties_make_up_the_list() {
    for vector in vectors::valid() {
        for properties in property_lists(&decode(vector.versions[0], &vector.bytes).unwrap()) {
            let joined: Vec<u8> = properties
                .raw()
                .flat_map(|(_, bytes)| bytes.to_vec())
                .collect();
            assert_eq!(joined, properties.as_bytes());
            let mut rebuilt = Vec::new();
            properties
                .iter()
                .for_each(|property| property.encode(&mut rebuilt));
            assert_eq!(rebuilt, properties.as_bytes());
        }
    }
}

#[test]
fn a_packet_cut_off_on_the_way_is_waited_for() {
    for vector in vectors::valid() {
        for length in 0..vector.bytes.len() {
            let framing = split_frame(&vector.bytes[..length], MAXIMUM_PACKET_SIZE);
            let Ok(Framing::Incomplete { needed }) = framing else {
                panic!("{}: {framing:?} of {length} bytes", vector.place);
            };
            assert!(
                length < needed && needed <= vector.bytes.len(),
                "{}",
                vector.place
            );
        }
    }
}

#[test]
fn a_packet_with_a_shortened_body_is_never_misread() {
    for vector in vectors::valid().into_iter().chain(vectors::tolerated()) {
        for &version in &vector.versions {
            let Ok(Framing::Complete { mut frame, .. }) =
                split_frame(&vector.bytes, MAXIMUM_PACKET_SIZE)
            else {
                panic!("{}", vector.place);
            };
            let body = frame.body;
            for length in 0..body.len() {
                frame.body = &body[..length];
                // Many packets are whole without their last fields. Then they must say so when written.
                if let Ok(packet) = Packet::decode(version, frame) {
                    let bytes = encode(version, &packet);
                    assert_eq!(decode(version, &bytes), Ok(packet), "{}", vector.place);
                }
            }
        }
    }
}

#[test]
fn a_changed_byte_never_makes_a_packet_that_cannot_be_written() {
    for vector in vectors::valid() {
        for &version in &vector.versions {
            let mut bytes = vector.bytes.clone();
            for index in 0..bytes.len() {
                let original = bytes[index];
                for changed in [
                    0x00,
                    0x01,
                    0x7F,
                    0x80,
                    0xFF,
                    original ^ 0x01,
                    original ^ 0x08,
                ] {
                    bytes[index] = changed;
                    if let Ok(Framing::Complete { frame, .. }) = split_frame(&bytes, u32::MAX)
                        && let Ok(packet) = Packet::decode(version, frame)
                    {
                        let version = match packet {
                            Packet::Connect(connect) => connect.version,
                            _ => version,
                        };
                        assert_eq!(decode(version, &encode(version, &packet)), Ok(packet));
                    }
                }
                bytes[index] = original;
            }
        }
    }
}

#[test]
fn a_refused_connect_still_shows_its_version() {
    let body = b"\0\x04MQTT\x05\x03\0\x0a\0\0\0";
    assert_eq!(Connect::protocol_version(body), Ok(ProtocolVersion::V5));
    assert_eq!(
        Connect::protocol_version(&body[..6]),
        Err(Malformed::EndsInsideField)
    );
}
