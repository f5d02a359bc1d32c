//! UNSUBACK: the Server's answer to an UNSUBSCRIBE (section 3.11).

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, write};

/// The Server's answer to an UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// Of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
    /// One Reason Code per Topic Filter, in their order `[MQTT-3.11.3-1]`; each is valid for an UNSUBACK. Empty in 3.x.
    pub reasons: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    /// Reads the body of an UNSUBACK.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(version, Place::UnsubAck)?;
        let reasons = reader.rest();
        if version.has_properties() {
            while !reader.is_empty() {
                reader.reason_code(PacketType::UnsubAck)?;
            }
        }
        reader.finish()?;
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the whole packet. 3.x gets no Reason Codes.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        write::packet(PacketType::UnsubAck, out, |out| {
            write::two_byte_integer(self.packet_id.get(), out);
            write::properties(version, self.properties, out);
            if version.has_properties() {
                out.extend_from_slice(self.reasons);
            }
        });
    }
}
