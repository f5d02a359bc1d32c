//! Takes fields off the front of a packet's body.

use super::Property;
use super::parse::WireError;

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A byte that may only be 0 or 1.
    pub(super) fn flag(&mut self) -> Result<u8, WireError> {
        match self.u8()? {
            value @ 0..=1 => Ok(value),
            value => Err(WireError::NotAFlag(value)),
        }
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, WireError> {
        match self.u16()? {
            0 => Err(WireError::PacketIdZero),
            id => Ok(id),
        }
    }

    /// A Variable Byte Integer, refused unless in its shortest form [MQTT-1.5.5-1].
    pub(super) fn var(&mut self) -> Result<u32, WireError> {
        let mut value = 0;
        for position in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                let shortest = position == 0 || byte != 0;
                return if shortest {
                    Ok(value)
                } else {
                    Err(WireError::LongVariableInteger)
                };
            }
        }
        Err(WireError::LongVariableInteger)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    pub(super) fn text(&mut self) -> Result<String, WireError> {
        let bytes = self.binary()?;
        let text = std::str::from_utf8(bytes).map_err(|_| WireError::NotUtf8)?;
        if text.contains('\0') {
            return Err(WireError::NullCharacter);
        }
        Ok(text.to_owned())
    }

    /// Property Length and properties, all among `allowed`, repeated only where that is permitted.
    pub(super) fn properties(&mut self, allowed: &[u8]) -> Result<Vec<Property>, WireError> {
        const REPEATABLE: [u8; 2] = [0x0b, 0x26];
        let length = self.var()? as usize;
        let mut block = Reader::new(self.take(length)?);
        let mut properties: Vec<Property> = Vec::new();
        while !block.is_empty() {
            let property = Property::read(&mut block)?;
            let id = property.identifier();
            if !allowed.contains(&id) {
                return Err(WireError::PropertyNotAllowed(id));
            }
            let repeated = properties.iter().any(|p| p.identifier() == id);
            if repeated && !REPEATABLE.contains(&id) {
                return Err(WireError::RepeatedProperty(id));
            }
            properties.push(property);
        }
        Ok(properties)
    }
}
