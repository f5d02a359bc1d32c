//! PUBLISH: an Application Message on its way (section 3.3).

use crate::property::{Place, Property};
use crate::read::Reader;
use crate::topic::{InvalidTopic, TopicName};
use crate::{Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, QoS, write};

/// An Application Message, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The sender may have sent it before; only at QoS > 0 `[MQTT-3.3.1-2]`.
    pub dup: bool,
    /// Server: keep it for later subscribers. Client: it was kept, or Retain As Published.
    pub retain: bool,
    /// How surely it is delivered.
    pub qos: QoS,
    /// A valid Topic Name; empty only in 5.0 with a Topic Alias among the properties.
    pub topic: &'a str,
    /// There at QoS > 0 and only then `[MQTT-2.2.1-2]`.
    pub packet_id: Option<PacketId>,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
    /// The message's content.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads the body of a PUBLISH.
    ///
    /// A Subscription Identifier is accepted, as it may come from a Server; from a Client it is a Protocol Error
    /// `[MQTT-3.3.4-6]` that the Server has to see.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself.
    #[inline]
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let qos = QoS::from_publish_flags(frame.flags).ok_or(Malformed::PublishQoS)?;
        let mut reader = Reader::new(frame.body);
        let topic = reader.unchecked_string()?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            _ => Some(reader.packet_id()?),
        };
        let properties = reader.properties(version, Place::Publish)?;
        match TopicName::parse(topic) {
            Ok(_) => {}
            Err(InvalidTopic::Empty) if version.has_properties() => {
                properties
                    .topic_alias()
                    .ok_or(Malformed::TopicNameMissing)?;
            }
            Err(invalid) => return Err(invalid.into()),
        }
        Ok(Self {
            dup: frame.flags & 0b1000 != 0,
            retain: frame.flags & 0b0001 != 0,
            qos,
            topic,
            packet_id,
            properties,
            payload: reader.take_rest(),
        })
    }

    /// Appends the whole packet.
    ///
    /// # Panics
    ///
    /// Where the topic has more than 65,535 bytes, or the packet more than 256 MiB.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        PublishHead {
            dup: self.dup,
            retain: self.retain,
            qos: self.qos,
            topic: self.topic.as_bytes(),
            packet_id: self.packet_id,
            message_expiry_interval: None,
            topic_alias: None,
            subscription_identifiers: &[],
            forwarded: self.properties,
            payload_len: self.payload.len(),
        }
        .encode(version, out);
        out.extend_from_slice(self.payload);
    }
}

/// All of a PUBLISH that stands before the payload, from the parts that a sender has: what differs between receivers
/// beside the properties that are passed on as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// Sent before; only at QoS > 0.
    pub dup: bool,
    /// The RETAIN flag.
    pub retain: bool,
    /// How surely it is delivered.
    pub qos: QoS,
    /// A valid Topic Name as its bytes, so that whoever keeps bytes need not check them again; empty only in 5.0 with
    /// a Topic Alias.
    pub topic: &'a [u8],
    /// There at QoS > 0 and only then.
    pub packet_id: Option<PacketId>,
    /// What is left of the lifetime, in seconds; not written in 3.x.
    pub message_expiry_interval: Option<u32>,
    /// Not written in 3.x.
    pub topic_alias: Option<u16>,
    /// One per matching Subscription that has one; not written in 3.x.
    pub subscription_identifiers: &'a [u32],
    /// The rest of the properties; not written in 3.x.
    pub forwarded: Properties<'a>,
    /// Size of the payload that the sender appends, in bytes.
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// Appends fixed header, topic, Packet Identifier and properties; `payload_len` bytes must follow.
    ///
    /// # Panics
    ///
    /// Where the topic has more than 65,535 bytes, or the packet more than 256 MiB.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        debug_assert_eq!(self.packet_id.is_some(), self.qos != QoS::AtMostOnce);
        let properties_len = self.properties_len();
        let remaining_length = self.remaining_length(version, properties_len);
        out.reserve(5 + remaining_length);

        let flags = u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain);
        out.push(PacketType::Publish.first_byte() | flags);
        write::length(remaining_length, out);
        write::binary_data(self.topic, out);
        if let Some(packet_id) = self.packet_id {
            write::two_byte_integer(packet_id.get(), out);
        }
        if version.has_properties() {
            write::length(properties_len, out);
            self.encode_properties(out);
        }
    }

    /// Size of the whole packet in bytes, with the payload: what a receiver's Maximum Packet Size limits.
    #[inline]
    pub fn encoded_len(&self, version: ProtocolVersion) -> usize {
        let remaining_length = self.remaining_length(version, self.properties_len());
        1 + write::variable_byte_integer_len(remaining_length) + remaining_length
    }

    #[inline]
    fn remaining_length(&self, version: ProtocolVersion, properties_len: usize) -> usize {
        let packet_id_len = if self.packet_id.is_some() { 2 } else { 0 };
        let properties_len = if version.has_properties() {
            write::variable_byte_integer_len(properties_len) + properties_len
        } else {
            0
        };
        2 + self.topic.len() + packet_id_len + properties_len + self.payload_len
    }

    #[inline]
    fn properties_len(&self) -> usize {
        let identifiers = self.subscription_identifiers.iter();
        self.message_expiry_interval.map_or(0, |_| 5)
            + self.topic_alias.map_or(0, |_| 3)
            + identifiers
                .map(|&identifier| 1 + write::variable_byte_integer_len(identifier as usize))
                .sum::<usize>()
            + self.forwarded.as_bytes().len()
    }

    #[inline]
    fn encode_properties(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.message_expiry_interval {
            Property::MessageExpiryInterval(seconds).encode(out);
        }
        if let Some(alias) = self.topic_alias {
            Property::TopicAlias(alias).encode(out);
        }
        for &identifier in self.subscription_identifiers {
            Property::SubscriptionIdentifier(identifier).encode(out);
        }
        out.extend_from_slice(self.forwarded.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, PropertiesBuf, split_frame};

    #[test]
    fn a_head_and_a_payload_are_a_packet() {
        let mut forwarded = PropertiesBuf::new();
        forwarded.push(Property::UserProperty("k", "v"));
        let mut head = PublishHead {
            dup: true,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: b"a/b",
            packet_id: PacketId::new(7),
            message_expiry_interval: Some(60),
            topic_alias: Some(3),
            subscription_identifiers: &[1, 200],
            forwarded: forwarded.as_properties(),
            payload_len: 0,
        };
        for version in [
            ProtocolVersion::V3_1,
            ProtocolVersion::V3_1_1,
            ProtocolVersion::V5,
        ] {
            for payload_len in [0, 1, 88, 127, 128, 16_383, 16_384, 70_000, 2_097_152] {
                let payload = vec![b'x'; payload_len];
                head.payload_len = payload_len;
                let mut bytes = Vec::new();
                head.encode(version, &mut bytes);
                bytes.extend_from_slice(&payload);
                assert_eq!(bytes.len(), head.encoded_len(version));

                let Ok(Framing::Complete { frame, length }) = split_frame(&bytes, u32::MAX) else {
                    panic!("{payload_len}");
                };
                assert_eq!(length, bytes.len());
                let publish = Publish::decode(version, frame).unwrap();
                assert_eq!(publish.payload, payload);
                assert_eq!(
                    (publish.topic, publish.packet_id),
                    ("a/b", PacketId::new(7))
                );
                let properties = publish.properties;
                if version.has_properties() {
                    assert_eq!(properties.message_expiry_interval(), Some(60));
                    assert_eq!(properties.topic_alias(), Some(3));
                    assert_eq!(
                        properties.subscription_identifiers().collect::<Vec<_>>(),
                        [1, 200]
                    );
                    assert_eq!(
                        properties.user_properties().collect::<Vec<_>>(),
                        [("k", "v")]
                    );
                } else {
                    assert!(properties.is_empty());
                }
            }
        }
    }

    #[test]
    fn only_the_content_of_a_message_is_forwarded() {
        let mut properties = PropertiesBuf::new();
        for property in [
            Property::MessageExpiryInterval(1),
            Property::ContentType("text"),
            Property::TopicAlias(1),
            Property::UserProperty("k", "v"),
        ] {
            properties.push(property);
        }
        let forwarded: Vec<_> = properties
            .as_properties()
            .iter()
            .filter(Property::is_forwarded)
            .collect();
        let expected = [
            Property::ContentType("text"),
            Property::UserProperty("k", "v"),
        ];
        assert_eq!(forwarded, expected);
    }
}
