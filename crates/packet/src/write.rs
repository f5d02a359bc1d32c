//! Writes the data types of the specification (section 1.5), named as the reader's methods are.

use crate::{PacketType, Properties, ProtocolVersion};

/// The largest Variable Byte Integer, and so the largest Remaining Length in bytes.
pub(crate) const VARIABLE_BYTE_INTEGER_MAX: usize = 268_435_455;

/// How many bytes a Variable Byte Integer takes.
#[inline]
pub(crate) const fn variable_byte_integer_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[inline]
pub(crate) fn byte(value: u8, out: &mut Vec<u8>) {
    out.push(value);
}

#[inline]
pub(crate) fn two_byte_integer(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn four_byte_integer(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub(crate) fn variable_byte_integer(value: u32, out: &mut Vec<u8>) {
    assert!(
        value as usize <= VARIABLE_BYTE_INTEGER_MAX,
        "a Variable Byte Integer has 28 bits"
    );
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A length in bytes, of a packet or of properties.
#[inline]
pub(crate) fn length(value: usize, out: &mut Vec<u8>) {
    variable_byte_integer(u32::try_from(value).unwrap_or(u32::MAX), out);
}

#[inline]
pub(crate) fn binary_data(value: &[u8], out: &mut Vec<u8>) {
    let length =
        u16::try_from(value.len()).expect("a string or binary field has at most 65,535 bytes");
    two_byte_integer(length, out);
    out.extend_from_slice(value);
}

#[inline]
pub(crate) fn utf8_string(value: &str, out: &mut Vec<u8>) {
    binary_data(value.as_bytes(), out);
}

/// Property Length and properties; nothing in 3.x.
#[inline]
pub(crate) fn properties(version: ProtocolVersion, value: Properties<'_>, out: &mut Vec<u8>) {
    if version.has_properties() {
        length(value.as_bytes().len(), out);
        out.extend_from_slice(value.as_bytes());
    }
}

/// A whole packet whose Remaining Length is known only when its body is written: the length is written last and then
/// rotated to the front. For packets off the hot path.
pub(crate) fn packet(packet_type: PacketType, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(packet_type.first_byte());
    let start = out.len();
    body(out);

    let end = out.len();
    length(end - start, out);
    let length_len = out.len() - end;
    out[start..].rotate_right(length_len);
}
