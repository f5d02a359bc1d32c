//! Any bytes at all, read as a stream of packets in each protocol version.

use dunlin_packet::{
    Framing, Malformed, Packet, Properties, ProtocolVersion, Publish, PublishHead, TopicFilter,
    TopicName, split_frame,
};

const MAXIMUM_PACKET_SIZE: u32 = 1 << 20;

/// Panics where the codec breaks a promise: what it reads it can write, and read again as the same.
pub fn check(bytes: &[u8]) {
    for version in [
        ProtocolVersion::V3_1,
        ProtocolVersion::V3_1_1,
        ProtocolVersion::V5,
    ] {
        check_stream(version, bytes);
    }
}

fn check_stream(version: ProtocolVersion, mut bytes: &[u8]) {
    loop {
        match split_frame(bytes, MAXIMUM_PACKET_SIZE) {
            Ok(Framing::Complete { frame, length }) => {
                match Packet::decode(version, frame) {
                    Ok(packet) => check_packet(version, packet),
                    Err(malformed) => check_malformed(malformed),
                }
                bytes = &bytes[length..];
            }
            Ok(Framing::Incomplete { needed }) => {
                assert!(needed > bytes.len() && needed <= MAXIMUM_PACKET_SIZE as usize);
                return;
            }
            Err(malformed) => return check_malformed(malformed),
        }
    }
}

fn check_malformed(malformed: Malformed) {
    assert!(malformed.reason_code().is_error());
    assert!(malformed.statement().starts_with("MQTT"));
}

fn check_packet(version: ProtocolVersion, packet: Packet<'_>) {
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let mut written = Vec::new();
    packet.encode(version, &mut written);
    match split_frame(&written, u32::MAX) {
        Ok(Framing::Complete { frame, length }) => {
            assert_eq!(length, written.len());
            assert_eq!(Packet::decode(version, frame), Ok(packet));
        }
        other => panic!("wrote {other:?} for {packet:?}"),
    }
    match packet {
        Packet::Connect(connect) => {
            check_properties(connect.properties);
            if let Some(will) = connect.will {
                assert!(TopicName::parse(will.topic).is_ok());
                check_properties(will.properties);
            }
        }
        Packet::Publish(publish) => check_publish(version, publish, &written),
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.filters.len() > 0);
            subscribe
                .filters
                .iter()
                .for_each(|entry| check_filter(entry.filter));
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(unsubscribe.filters.len() > 0);
            unsubscribe.filters.iter().for_each(check_filter);
        }
        _ => {}
    }
}

/// A PUBLISH put together from its parts is the PUBLISH.
fn check_publish(version: ProtocolVersion, publish: Publish<'_>, written: &[u8]) {
    check_properties(publish.properties);
    assert!(!publish.topic.contains(['+', '#', '\0']));
    assert!(!publish.topic.is_empty() || publish.properties.topic_alias().is_some());
    let head = PublishHead {
        dup: publish.dup,
        retain: publish.retain,
        qos: publish.qos,
        topic: publish.topic.as_bytes(),
        packet_id: publish.packet_id,
        message_expiry_interval: None,
        topic_alias: None,
        subscription_identifiers: &[],
        forwarded: publish.properties,
        payload_len: publish.payload.len(),
    };
    assert_eq!(head.encoded_len(version), written.len());
    let mut rebuilt = Vec::new();
    head.encode(version, &mut rebuilt);
    rebuilt.extend_from_slice(publish.payload);
    assert_eq!(rebuilt, written);
}

/// The list is the sum of its properties.
fn check_properties(properties: Properties<'_>) {
    let mut rest = properties.as_bytes();
    for (property, bytes) in properties.raw() {
        let mut encoded = Vec::new();
        property.encode(&mut encoded);
        assert_eq!(encoded, bytes);
        rest = rest.strip_prefix(bytes).expect("the properties in order");
    }
    assert!(rest.is_empty());
}

fn check_filter(text: &str) {
    assert!(!text.contains('\0'));
    let Ok(filter) = TopicFilter::parse(text) else {
        return;
    };
    if let Some((name, inner)) = filter.share() {
        assert_eq!(format!("$share/{}/{}", name.as_str(), inner.as_str()), text);
    }
    // A filter without wildcards is a Topic Name that it matches.
    if let Ok(topic) = TopicName::parse(text) {
        assert!(!filter.has_wildcard());
        assert_eq!(filter.matches(topic), filter.share().is_none());
    }
}
