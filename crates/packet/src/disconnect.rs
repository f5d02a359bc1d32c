//! DISCONNECT: one side ends the Network Connection, and says why (section 3.14).

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketType, Properties, ProtocolVersion, ReasonCode, write};

/// The end of a Network Connection. In 3.x only the Client sends one, and without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; always [`ReasonCode::NormalDisconnection`] in 3.x.
    pub reason: ReasonCode,
    /// Empty in 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Without properties.
    pub fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::EMPTY,
        }
    }

    /// Reads the body of a DISCONNECT. In 5.0 the Reason Code may be left out for a normal disconnection, and the
    /// properties where there are none.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(frame.body);
        let mut disconnect = Self::new(ReasonCode::NormalDisconnection);
        if version.has_properties() && !reader.is_empty() {
            disconnect.reason = reader.reason_code(PacketType::Disconnect)?;
            if !reader.is_empty() {
                disconnect.properties = reader.properties(version, Place::Disconnect)?;
            }
        }
        reader.finish()?;
        Ok(disconnect)
    }

    /// Appends the whole packet, in its shortest form. 3.x gets no reason.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        write::packet(PacketType::Disconnect, out, |out| {
            if !version.has_properties() {
                return;
            }
            if self.reason != ReasonCode::NormalDisconnection || !self.properties.is_empty() {
                write::byte(self.reason as u8, out);
            }
            if !self.properties.is_empty() {
                write::properties(version, self.properties, out);
            }
        });
    }
}
