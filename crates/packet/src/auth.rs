//! AUTH: a step of extended authentication, 5.0 only (section 3.15).

use crate::property::Place;
use crate::read::Reader;
use crate::{Frame, Malformed, PacketType, Properties, ProtocolVersion, ReasonCode, write};

/// A step of extended authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `Success`, `ContinueAuthentication` or `ReAuthenticate`.
    pub reason: ReasonCode,
    /// With an Authentication Method, unless empty and the reason is `Success`.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// Reads the body of an AUTH; an empty one is a `Success` without properties.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself; 3.x has no AUTH.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        if !version.has_properties() {
            return Err(Malformed::PacketTypeNotInVersion(PacketType::Auth));
        }
        let mut reader = Reader::new(frame.body);
        if reader.is_empty() {
            return Ok(Self {
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            });
        }
        let reason = reader.reason_code(PacketType::Auth)?;
        let properties = reader.properties(version, Place::Auth)?;
        reader.finish()?;
        Ok(Self { reason, properties })
    }

    /// Appends the whole packet, in its shortest form; nothing in 3.x, which has no AUTH.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        if !version.has_properties() {
            return;
        }
        write::packet(PacketType::Auth, out, |out| {
            if self.reason != ReasonCode::Success || !self.properties.is_empty() {
                write::byte(self.reason as u8, out);
                write::properties(version, self.properties, out);
            }
        });
    }
}
