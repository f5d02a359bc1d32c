//! CONNACK: the Server's answer to a CONNECT (section 3.2).

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketType, Properties, ProtocolVersion, ReasonCode, write};

/// The Server's answer to a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The Server goes on with a Session that it had; never in 3.1, and never with an error `[MQTT-3.2.2-6]`.
    pub session_present: bool,
    /// Accepted or why not. On the wire of 3.x: [`ReasonCode::connect_return_code`].
    pub reason: ReasonCode,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// Reads the body of a CONNACK. 3.1 has a reserved byte in place of the flags, which is ignored.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let session_present = match (version, reader.byte()?) {
            (ProtocolVersion::V3_1, _) | (_, 0) => false,
            (_, 1) => true,
            _ => return Err(Malformed::ConnAckFlagReserved),
        };
        let reason = if version.has_properties() {
            reader.reason_code(PacketType::ConnAck)?
        } else {
            let code = reader.byte()?;
            let packet_type = PacketType::ConnAck;
            ReasonCode::from_connect_return_code(code)
                .ok_or(Malformed::ReasonCodeNotAllowed { packet_type, code })?
        };
        if session_present && reason.is_error() {
            return Err(Malformed::SessionPresentWithError);
        }
        let properties = reader.properties(version, Place::ConnAck)?;
        reader.finish()?;
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// Appends the whole packet.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let has_flags = version >= ProtocolVersion::V3_1_1;
        write::packet(PacketType::ConnAck, out, |out| {
            write::byte(u8::from(self.session_present && has_flags), out);
            write::byte(
                if version.has_properties() {
                    self.reason as u8
                } else {
                    self.reason.connect_return_code()
                },
                out,
            );
            write::properties(version, self.properties, out);
        });
    }
}
