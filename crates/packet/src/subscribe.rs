//! SUBSCRIBE: a Client asks for messages (section 3.8).

use std::fmt;

use crate::property::Place;
use crate::read::Reader;
use crate::{
    Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, QoS, TopicFilter, write,
};

/// A Client asks for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Returned in the SUBACK `[MQTT-2.2.1-6]`.
    pub packet_id: PacketId,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
    /// At least one `[MQTT-3.8.3-2]`.
    pub filters: SubscribeFilters<'a>,
}

/// The validated payload of a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubscribeFilters<'a>(&'a [u8]);

/// One Subscription asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeEntry<'a> {
    /// In 3.x a valid Topic Filter. In 5.0 any UTF-8 without U+0000: the Server parses it, and refuses it alone.
    pub filter: &'a str,
    /// How the Client wants the messages.
    pub options: SubscriptionOptions,
}

/// How a Client wants the messages of one Subscription: one byte on the wire (5.0, section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS at which messages are sent.
    pub qos: QoS,
    /// Do not send what the same Client published; not with Shared Subscriptions `[MQTT-3.8.3-4]`. `false` in 3.x.
    pub no_local: bool,
    /// Keep the RETAIN flag that the message was published with. `false` in 3.x.
    pub retain_as_published: bool,
    /// Whether Retained Messages are sent now. `SendAtSubscribe` in 3.x.
    pub retain_handling: RetainHandling,
}

/// Whether a SUBSCRIBE brings the Retained Messages that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// Always.
    #[default]
    SendAtSubscribe = 0,
    /// Only where the Subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl SubscriptionOptions {
    /// With this QoS, and all else as in 3.x.
    pub fn new(qos: QoS) -> Self {
        Self {
            qos,
            ..Self::default()
        }
    }

    /// Reads the byte of 5.0; 3.x has only its two lowest bits, the QoS.
    ///
    /// # Errors
    ///
    /// Reserved bits, QoS 3, Retain Handling 3.
    pub fn from_byte(byte: u8) -> Result<Self, Malformed> {
        if byte & 0b1100_0000 != 0 {
            return Err(Malformed::SubscriptionOptionsReserved);
        }
        Ok(Self {
            qos: QoS::try_from(byte & 0b11).map_err(|_| Malformed::SubscriptionQoS)?,
            no_local: byte & 0b100 != 0,
            retain_as_published: byte & 0b1000 != 0,
            retain_handling: match byte >> 4 {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(Malformed::RetainHandling),
            },
        })
    }

    /// The byte of 5.0.
    pub fn to_byte(self) -> u8 {
        self.qos as u8
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }

    fn encode(self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let byte = if version.has_properties() {
            self.to_byte()
        } else {
            self.qos as u8
        };
        write::byte(byte, out);
    }
}

impl<'a> Subscribe<'a> {
    /// Reads the body of a SUBSCRIBE.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself. In 5.0 that does not include a bad Topic Filter, see
    /// [`SubscribeEntry::filter`].
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(version, Place::Subscribe)?;
        let filters = SubscribeFilters::validate(version, reader.take_rest())?;
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        encode_entries(
            version,
            self.packet_id,
            self.properties,
            self.filters.iter(),
            out,
        );
    }
}

impl<'a> SubscribeFilters<'a> {
    fn validate(version: ProtocolVersion, bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Err(Malformed::SubscribeEmpty);
        }
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let entry = SubscribeEntry::decode(&mut reader)?;
            if version.has_properties() {
                if entry.options.no_local && entry.filter.starts_with("$share/") {
                    return Err(Malformed::NoLocalOnSharedSubscription);
                }
            } else {
                TopicFilter::parse(entry.filter)?;
                if entry.options.to_byte() > 0b11 {
                    return Err(Malformed::SubscriptionOptionsReserved);
                }
            }
        }
        Ok(Self(bytes))
    }

    /// Every entry, in the order of the packet, which is that of the codes in the SUBACK.
    pub fn iter(self) -> impl Iterator<Item = SubscribeEntry<'a>> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || SubscribeEntry::decode(&mut reader).ok())
    }

    /// How many entries there are, at least one; costs a walk.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(self) -> usize {
        self.iter().count()
    }
}

/// The entries themselves, not their bytes.
impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> SubscribeEntry<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let filter = reader.utf8_string()?;
        let options = SubscriptionOptions::from_byte(reader.byte()?)?;
        Ok(Self { filter, options })
    }
}

/// Appends a SUBSCRIBE for these filters, at least one. 3.x gets of the options only the QoS.
///
/// # Panics
///
/// Where a filter has more than 65,535 bytes, or the packet more than 256 MiB.
pub fn encode_subscribe(
    version: ProtocolVersion,
    packet_id: PacketId,
    properties: Properties<'_>,
    filters: &[(TopicFilter<'_>, SubscriptionOptions)],
    out: &mut Vec<u8>,
) {
    let entries = filters.iter().map(|&(filter, options)| SubscribeEntry {
        filter: filter.as_str(),
        options,
    });
    encode_entries(version, packet_id, properties, entries, out);
}

fn encode_entries<'a>(
    version: ProtocolVersion,
    packet_id: PacketId,
    properties: Properties<'_>,
    entries: impl Iterator<Item = SubscribeEntry<'a>>,
    out: &mut Vec<u8>,
) {
    write::packet(PacketType::Subscribe, out, |out| {
        write::two_byte_integer(packet_id.get(), out);
        write::properties(version, properties, out);
        for entry in entries {
            write::utf8_string(entry.filter, out);
            entry.options.encode(version, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, split_frame};

    #[test]
    fn options_survive_their_byte() {
        for byte in 0..=u8::MAX {
            if let Ok(options) = SubscriptionOptions::from_byte(byte) {
                assert_eq!(options.to_byte(), byte);
            }
        }
        assert_eq!(SubscriptionOptions::new(QoS::ExactlyOnce).to_byte(), 2);
    }

    #[test]
    fn what_3x_has_no_room_for_is_left_out() {
        let options = SubscriptionOptions::from_byte(0x2D).unwrap();
        let filters = [(TopicFilter::parse("a/+").unwrap(), options)];
        let mut bytes = Vec::new();
        let version = ProtocolVersion::V3_1_1;
        encode_subscribe(
            version,
            PacketId::FIRST,
            Properties::EMPTY,
            &filters,
            &mut bytes,
        );

        let Ok(Framing::Complete { frame, .. }) = split_frame(&bytes, 100) else {
            panic!()
        };
        let subscribe = Subscribe::decode(version, frame).unwrap();
        assert_eq!(subscribe.filters.len(), 1);
        let entry = subscribe.filters.iter().next().unwrap();
        assert_eq!(entry.filter, "a/+");
        assert_eq!(entry.options, SubscriptionOptions::new(QoS::AtLeastOnce));
    }
}
