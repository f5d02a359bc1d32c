//! UNSUBSCRIBE: a Client wants no more messages (section 3.10).

use std::fmt;

use crate::property::Place;
use crate::read::Reader;
use crate::{
    Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, TopicFilter, write,
};

/// A Client wants no more messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Returned in the UNSUBACK `[MQTT-2.2.1-6]`.
    pub packet_id: PacketId,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
    /// At least one `[MQTT-3.10.3-2]`.
    pub filters: UnsubscribeFilters<'a>,
}

/// The validated payload of an UNSUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeFilters<'a>(&'a [u8]);

impl<'a> Unsubscribe<'a> {
    /// Reads the body of an UNSUBSCRIBE.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself. In 5.0 that does not include a bad Topic Filter, which gets a
    /// Reason Code of its own in the UNSUBACK.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(version, Place::Unsubscribe)?;
        let filters = UnsubscribeFilters::validate(version, reader.take_rest())?;
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        encode_filters(
            version,
            self.packet_id,
            self.properties,
            self.filters.iter(),
            out,
        );
    }
}

impl<'a> UnsubscribeFilters<'a> {
    fn validate(version: ProtocolVersion, bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Err(Malformed::UnsubscribeEmpty);
        }
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let filter = reader.utf8_string()?;
            if !version.has_properties() {
                TopicFilter::parse(filter)?;
            }
        }
        Ok(Self(bytes))
    }

    /// Every Topic Filter, in the order of the packet. In 5.0 it may be invalid: any UTF-8 without U+0000.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || reader.utf8_string().ok())
    }

    /// How many there are, at least one; costs a walk.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(self) -> usize {
        self.iter().count()
    }
}

/// The Topic Filters themselves, not their bytes.
impl fmt::Debug for UnsubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Appends an UNSUBSCRIBE for these filters, at least one.
///
/// # Panics
///
/// Where a filter has more than 65,535 bytes, or the packet more than 256 MiB.
pub fn encode_unsubscribe(
    version: ProtocolVersion,
    packet_id: PacketId,
    properties: Properties<'_>,
    filters: &[TopicFilter<'_>],
    out: &mut Vec<u8>,
) {
    let filters = filters.iter().map(|filter| filter.as_str());
    encode_filters(version, packet_id, properties, filters, out);
}

fn encode_filters<'a>(
    version: ProtocolVersion,
    packet_id: PacketId,
    properties: Properties<'_>,
    filters: impl Iterator<Item = &'a str>,
    out: &mut Vec<u8>,
) {
    write::packet(PacketType::Unsubscribe, out, |out| {
        write::two_byte_integer(packet_id.get(), out);
        write::properties(version, properties, out);
        for filter in filters {
            write::utf8_string(filter, out);
        }
    });
}
