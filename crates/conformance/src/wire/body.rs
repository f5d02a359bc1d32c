//! Builds the bytes of one packet, well-formed or not.

use super::{Property, Version};

/// The bytes after the fixed header, under construction.
#[derive(Clone, Debug, Default)]
pub struct Body(Vec<u8>);

impl Body {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one byte.
    #[must_use]
    pub fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    /// Appends a Two Byte Integer.
    #[must_use]
    pub fn u16(self, value: u16) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends a Four Byte Integer.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Appends a Variable Byte Integer in its shortest form.
    #[must_use]
    pub fn var(self, value: usize) -> Self {
        self.raw(&variable(value))
    }

    /// Appends a length-prefixed string.
    #[must_use]
    pub fn text(self, value: &str) -> Self {
        self.binary(value.as_bytes())
    }

    /// Appends length-prefixed bytes.
    ///
    /// # Panics
    /// Over 65,535 bytes: the format has no such field.
    #[must_use]
    pub fn binary(self, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("a length-prefixed field fits in 65,535");
        self.u16(length).raw(value)
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends Property Length and properties, where the version has them.
    #[must_use]
    pub fn properties(self, version: Version, properties: &[Property]) -> Self {
        if !version.has_properties() {
            return self;
        }
        let block = properties
            .iter()
            .fold(Self::new(), |block, property| property.append_to(block));
        self.var(block.0.len()).raw(&block.0)
    }

    /// The bytes so far, without a fixed header.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// The whole packet: fixed header with this first byte, Remaining Length, body.
    #[must_use]
    pub fn packet(self, first: u8) -> Vec<u8> {
        let mut packet = vec![first];
        packet.extend(variable(self.0.len()));
        packet.extend(self.0);
        packet
    }
}

fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4);
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
