//! SUBACK: the Server's answer to a SUBSCRIBE (section 3.9).

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, write};

/// What 3.x says for every failure.
const FAILURE: u8 = 0x80;

/// The Server's answer to a SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// Of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
    /// One Reason Code per Topic Filter, in their order `[MQTT-3.9.3-1]`; each is valid for a SUBACK.
    pub reasons: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// Reads the body of a SUBACK.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(version, Place::SubAck)?;
        let reasons = reader.rest();
        while !reader.is_empty() {
            let reason = reader.reason_code(PacketType::SubAck)? as u8;
            if reason > FAILURE && !version.has_properties() {
                let packet_type = PacketType::SubAck;
                return Err(Malformed::ReasonCodeNotAllowed {
                    packet_type,
                    code: reason,
                });
            }
        }
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the whole packet. 3.x knows one failure only, 0x80.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        write::packet(PacketType::SubAck, out, |out| {
            write::two_byte_integer(self.packet_id.get(), out);
            write::properties(version, self.properties, out);
            if version.has_properties() {
                out.extend_from_slice(self.reasons);
            } else {
                out.extend(self.reasons.iter().map(|&reason| reason.min(FAILURE)));
            }
        });
    }
}
