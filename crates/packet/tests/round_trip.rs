//! Any packet that can be built is read back as it was written, whatever its fields are.

use dunlin_packet::{
    Auth, ConnAck, Connect, Disconnect, Framing, Packet, PacketId, PacketType, Properties,
    PropertiesBuf, Property, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, QoS,
    ReasonCode, SubAck, SubscriptionOptions, TopicFilter, UnsubAck, Will, encode_subscribe,
    encode_unsubscribe, split_frame,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;

/// The same packets in every run.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        rng_seed: RngSeed::Fixed(0x4D51_5454),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The properties that 5.0 allows, by what they stand in (table 2-4). User Property, which is allowed everywhere,
/// comes by itself.
const CONNECT: &[u8] = &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27];
const WILL: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18];
const CONNACK: &[u8] = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x27, 0x28, 0x29, 0x2A,
];
const PUBLISH: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23];
const SUBSCRIBE: &[u8] = &[0x0B];
const ACKNOWLEDGEMENT: &[u8] = &[0x1F];
const DISCONNECT: &[u8] = &[0x11, 0x1C, 0x1F];
const AUTH: &[u8] = &[0x15, 0x16, 0x1F];

/// What the values of one property are made of.
type Values = (u32, String, String, Vec<u8>);

fn property<'a>(identifier: u8, (number, text, more, bytes): &'a Values) -> Property<'a> {
    let bit = (number & 1) as u8;
    let short = *number as u16;
    match identifier {
        0x01 => Property::PayloadFormatIndicator(bit),
        0x02 => Property::MessageExpiryInterval(*number),
        0x03 => Property::ContentType(text),
        0x08 => Property::ResponseTopic(text),
        0x09 => Property::CorrelationData(bytes),
        0x0B => Property::SubscriptionIdentifier((number >> 4).max(1)),
        0x11 => Property::SessionExpiryInterval(*number),
        0x12 => Property::AssignedClientIdentifier(text),
        0x13 => Property::ServerKeepAlive(short),
        0x15 => Property::AuthenticationMethod(text),
        0x16 => Property::AuthenticationData(bytes),
        0x17 => Property::RequestProblemInformation(bit),
        0x18 => Property::WillDelayInterval(*number),
        0x19 => Property::RequestResponseInformation(bit),
        0x1A => Property::ResponseInformation(text),
        0x1C => Property::ServerReference(text),
        0x1F => Property::ReasonString(text),
        0x21 => Property::ReceiveMaximum(short.max(1)),
        0x22 => Property::TopicAliasMaximum(short),
        0x23 => Property::TopicAlias(short.max(1)),
        0x24 => Property::MaximumQoS(bit),
        0x25 => Property::RetainAvailable(bit),
        0x26 => Property::UserProperty(text, more),
        0x27 => Property::MaximumPacketSize((*number).max(1)),
        0x28 => Property::WildcardSubscriptionAvailable(bit),
        0x29 => Property::SubscriptionIdentifierAvailable(bit),
        0x2A => Property::SharedSubscriptionAvailable(bit),
        other => panic!("no property {other:#04x}"),
    }
}

/// Some of `allowed` and User Properties, in any order; an Authentication Method where there is data for it.
fn properties(allowed: &'static [u8]) -> impl Strategy<Value = PropertiesBuf> {
    let identifiers = (subsequence(allowed, 0..=allowed.len()), 0..3_usize)
        .prop_map(|(mut identifiers, user_properties)| {
            if identifiers.contains(&0x16) && !identifiers.contains(&0x15) {
                identifiers.push(0x15);
            }
            identifiers.extend(std::iter::repeat_n(0x26, user_properties));
            identifiers
        })
        .prop_shuffle();
    (identifiers, vec(values(), allowed.len() + 4)).prop_map(|(identifiers, values)| {
        let mut properties = PropertiesBuf::new();
        for (identifier, values) in identifiers.iter().zip(&values) {
            properties.push(property(*identifier, values));
        }
        properties
    })
}

fn values() -> impl Strategy<Value = Values> {
    (any::<u32>(), topic(), text(), bytes())
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,40}"
}

fn topic() -> impl Strategy<Value = String> {
    "[^\0+#]{1,40}"
}

fn filter() -> impl Strategy<Value = String> {
    "(\\$share/[a-z]{1,5}/)?([^\0+#]{0,5}|\\+)(/([^\0+#]{0,5}|\\+)){1,3}(/#)?"
        .prop_filter("is a Topic Filter", |text| TopicFilter::parse(text).is_ok())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn version() -> impl Strategy<Value = ProtocolVersion> {
    select(vec![
        ProtocolVersion::V3_1,
        ProtocolVersion::V3_1_1,
        ProtocolVersion::V5,
    ])
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_filter_map("is not zero", PacketId::new)
}

/// A Reason Code that 5.0 allows in this packet.
fn reason(packet_type: PacketType) -> impl Strategy<Value = ReasonCode> {
    let allowed = (0..=u8::MAX)
        .filter_map(|value| ReasonCode::try_from(value).ok())
        .filter(|code| code.is_allowed_in(packet_type));
    select(allowed.collect::<Vec<_>>())
}

/// In 3.x there are no properties.
fn of_version(version: ProtocolVersion, properties: &PropertiesBuf) -> Properties<'_> {
    if version.has_properties() {
        properties.as_properties()
    } else {
        Properties::EMPTY
    }
}

/// Reads what `written` is, and compares.
fn check(version: ProtocolVersion, packet: Packet<'_>) -> Result<(), TestCaseError> {
    let mut written = Vec::new();
    packet.encode(version, &mut written);
    prop_assert_eq!(read(version, &written), packet);
    Ok(())
}

fn read(version: ProtocolVersion, bytes: &[u8]) -> Packet<'_> {
    match split_frame(bytes, u32::MAX) {
        Ok(Framing::Complete { frame, length }) if length == bytes.len() => {
            Packet::decode(version, frame).expect("a packet of our own is well-formed")
        }
        other => panic!("{other:?} of {} bytes", bytes.len()),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn connect(
        version in version(),
        clean_start: bool,
        keep_alive: u16,
        client_id in text(),
        will in proptest::option::of((topic(), bytes(), qos(), any::<bool>(), properties(WILL))),
        user_name in proptest::option::of(text()),
        password in proptest::option::of(bytes()),
        properties in properties(CONNECT),
    ) {
        let will = will.as_ref().map(|(topic, payload, qos, retain, properties)| Will {
            topic,
            payload,
            qos: *qos,
            retain: *retain,
            properties: of_version(version, properties),
        });
        let password = password.as_deref().filter(|_| user_name.is_some() || version.has_properties());
        let properties = of_version(version, &properties);
        let user_name = user_name.as_deref();
        let client_id = &client_id;
        let connect = Connect {
            version, clean_start, keep_alive, client_id, will, user_name, password, properties,
        };
        check(version, Packet::Connect(connect))?;
    }

    #[test]
    fn connack(
        session_present: bool,
        reason in reason(PacketType::ConnAck),
        properties in properties(CONNACK),
    ) {
        let session_present = session_present && !reason.is_error();
        let properties = properties.as_properties();
        check(ProtocolVersion::V5, Packet::ConnAck(ConnAck { session_present, reason, properties }))?;
    }

    #[test]
    fn publish(
        version in version(),
        dup: bool,
        retain: bool,
        qos in qos(),
        topic in topic(),
        packet_id in packet_id(),
        properties in properties(PUBLISH),
        payload in bytes(),
    ) {
        let publish = Publish {
            dup: dup && qos != QoS::AtMostOnce,
            retain,
            qos,
            topic: &topic,
            packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
            properties: of_version(version, &properties),
            payload: &payload,
        };
        check(version, Packet::Publish(publish))?;
    }

    #[test]
    fn acknowledgements(
        packet_id in packet_id(),
        publish_reason in reason(PacketType::PubAck),
        release_reason in reason(PacketType::PubRel),
        properties in properties(ACKNOWLEDGEMENT),
    ) {
        let properties = properties.as_properties();
        for packet in [
            Packet::PubAck(PubAck { packet_id, reason: publish_reason, properties }),
            Packet::PubRec(PubRec { packet_id, reason: publish_reason, properties }),
            Packet::PubRel(PubRel { packet_id, reason: release_reason, properties }),
            Packet::PubComp(PubComp { packet_id, reason: release_reason, properties }),
        ] {
            check(ProtocolVersion::V5, packet)?;
        }
    }

    #[test]
    fn subscribe(
        version in version(),
        packet_id in packet_id(),
        properties in properties(SUBSCRIBE),
        filters in vec((filter(), qos(), 0..12_u8), 1..8),
    ) {
        let filters: Vec<_> = filters
            .iter()
            .map(|(filter, qos, rest)| {
                let filter = TopicFilter::parse(filter).expect("checked by its strategy");
                let mut options = SubscriptionOptions::from_byte(rest << 2)?;
                options.qos = *qos;
                options.no_local &= filter.share().is_none();
                Ok((filter, if version.has_properties() { options } else { SubscriptionOptions::new(*qos) }))
            })
            .collect::<Result<_, dunlin_packet::Malformed>>()
            .expect("Retain Handling 0 to 2");
        let mut written = Vec::new();
        let properties = of_version(version, &properties);
        encode_subscribe(version, packet_id, properties, &filters, &mut written);

        let Packet::Subscribe(subscribe) = read(version, &written) else { panic!() };
        prop_assert_eq!((subscribe.packet_id, subscribe.properties), (packet_id, properties));
        prop_assert_eq!(subscribe.filters.len(), filters.len());
        for (entry, (filter, options)) in subscribe.filters.iter().zip(&filters) {
            prop_assert_eq!((entry.filter, entry.options), (filter.as_str(), *options));
        }
        check(version, Packet::Subscribe(subscribe))?;
    }

    #[test]
    fn unsubscribe(
        version in version(),
        packet_id in packet_id(),
        properties in properties(&[]),
        filters in vec(filter(), 1..8),
    ) {
        let filters: Vec<_> = filters.iter().filter_map(|text| TopicFilter::parse(text).ok()).collect();
        let mut written = Vec::new();
        let properties = of_version(version, &properties);
        encode_unsubscribe(version, packet_id, properties, &filters, &mut written);

        let Packet::Unsubscribe(unsubscribe) = read(version, &written) else { panic!() };
        prop_assert_eq!((unsubscribe.packet_id, unsubscribe.properties), (packet_id, properties));
        let expected: Vec<_> = filters.iter().map(|filter| filter.as_str()).collect();
        prop_assert_eq!(unsubscribe.filters.iter().collect::<Vec<_>>(), expected);
        check(version, Packet::Unsubscribe(unsubscribe))?;
    }

    #[test]
    fn suback_and_unsuback(
        packet_id in packet_id(),
        properties in properties(ACKNOWLEDGEMENT),
        granted in vec(reason(PacketType::SubAck), 1..9),
        removed in vec(reason(PacketType::UnsubAck), 1..9),
    ) {
        let granted: Vec<u8> = granted.into_iter().map(|code| code as u8).collect();
        let removed: Vec<u8> = removed.into_iter().map(|code| code as u8).collect();
        let properties = properties.as_properties();
        check(ProtocolVersion::V5, Packet::SubAck(SubAck { packet_id, properties, reasons: &granted }))?;
        check(ProtocolVersion::V5, Packet::UnsubAck(UnsubAck { packet_id, properties, reasons: &removed }))?;
    }

    #[test]
    fn disconnect_and_auth(
        disconnect_reason in reason(PacketType::Disconnect),
        disconnect_properties in properties(DISCONNECT),
        auth_reason in reason(PacketType::Auth),
        auth_properties in properties(AUTH),
    ) {
        let properties = disconnect_properties.as_properties();
        check(ProtocolVersion::V5, Packet::Disconnect(Disconnect { reason: disconnect_reason, properties }))?;
        let properties = auth_properties.as_properties();
        if properties.authentication_method().is_some() {
            check(ProtocolVersion::V5, Packet::Auth(Auth { reason: auth_reason, properties }))?;
        }
    }

    /// What one version has to leave out does not make the packet unreadable.
    #[test]
    fn a_packet_of_5_0_can_be_written_for_3_1_1(
        reason in reason(PacketType::SubAck),
        packet_id in packet_id(),
        properties in properties(ACKNOWLEDGEMENT),
    ) {
        let mut written = Vec::new();
        let properties = properties.as_properties();
        let reasons = [reason as u8];
        SubAck { packet_id, properties, reasons: &reasons }.encode(ProtocolVersion::V3_1_1, &mut written);
        let Packet::SubAck(read) = read(ProtocolVersion::V3_1_1, &written) else { panic!() };
        prop_assert_eq!(read.packet_id, packet_id);
        prop_assert_eq!(read.reasons, [reasons[0].min(0x80)]);
    }
}
