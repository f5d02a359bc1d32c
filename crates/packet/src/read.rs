//! Reads the data types of the specification (section 1.5) from a packet's body.

use crate::property::Place;
use crate::{Malformed, PacketId, PacketType, Properties, ProtocolVersion, ReasonCode};

/// What is left of a body. Every method takes its field off the front, or says why it cannot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes all that is left.
    #[inline]
    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The last field has been read: nothing may follow.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::TrailingBytes)
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Malformed::EndsInsideField)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed::EndsInsideField)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn two_byte_integer(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn four_byte_integer(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, Malformed> {
        match variable_byte_integer(self.rest)? {
            Some((value, count)) => {
                self.rest = &self.rest[count..];
                Ok(value)
            }
            None => Err(Malformed::EndsInsideField),
        }
    }

    #[inline]
    pub(crate) fn binary_data(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.two_byte_integer()?;
        self.bytes(length.into())
    }

    /// A UTF-8 Encoded String without U+0000.
    #[inline]
    pub(crate) fn utf8_string(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.binary_data()?;
        if bytes.contains(&0) {
            return Err(Malformed::NullCharacter);
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)
    }

    /// A UTF-8 Encoded String whose characters the caller checks.
    #[inline]
    pub(crate) fn unchecked_string(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.binary_data()?).map_err(|_| Malformed::NotUtf8)
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.two_byte_integer()?).ok_or(Malformed::PacketIdZero)
    }

    /// A Reason Code that 5.0 allows in this packet.
    #[inline]
    pub(crate) fn reason_code(&mut self, packet_type: PacketType) -> Result<ReasonCode, Malformed> {
        let code = self.byte()?;
        ReasonCode::try_from(code)
            .ok()
            .filter(|reason| reason.is_allowed_in(packet_type))
            .ok_or(Malformed::ReasonCodeNotAllowed { packet_type, code })
    }

    /// A Property Length and the properties; nothing in 3.x.
    #[inline]
    pub(crate) fn properties(
        &mut self,
        version: ProtocolVersion,
        place: Place,
    ) -> Result<Properties<'a>, Malformed> {
        if !version.has_properties() {
            return Ok(Properties::EMPTY);
        }
        let length = self.variable_byte_integer()?;
        let bytes = self.bytes(length as usize)?;
        Properties::validate(bytes, place)
    }
}

/// The Variable Byte Integer that `bytes` start with, and its size; `None` where it does not end within them.
#[inline]
pub(crate) fn variable_byte_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok(Some((byte.into(), 1))),
        Some(_) => long_variable_byte_integer(bytes),
        None => Ok(None),
    }
}

fn long_variable_byte_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return if byte == 0 {
                Err(Malformed::VariableByteIntegerNotMinimal)
            } else {
                Ok(Some((value, index + 1)))
            };
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(Malformed::VariableByteIntegerTooLong)
    }
}
