//! Fixed headers: where one packet ends and the next begins (section 2.1).

use crate::read::variable_byte_integer;
use crate::{Malformed, PacketType};

/// One packet with its fixed header taken apart; the body is not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body is.
    pub packet_type: PacketType,
    /// The lower four bits of the first byte; valid for the packet type.
    pub flags: u8,
    /// Variable header and payload: as many bytes as Remaining Length says.
    pub body: &'a [u8],
}

/// What a buffer starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing<'a> {
    /// A whole packet.
    Complete {
        /// The packet.
        frame: Frame<'a>,
        /// Its size in bytes with the fixed header, by which the buffer advances.
        length: usize,
    },
    /// The beginning of a packet, or nothing.
    Incomplete {
        /// How many bytes the buffer must have before another try makes sense: the size of the whole packet where
        /// it is known, else one more than now.
        needed: usize,
    },
}

/// Finds the packet that `bytes` start with.
///
/// Type, flags and size are judged as soon as the fixed header shows them, before the body is there, so a packet that is
/// going to be refused is never waited for. `maximum_packet_size` is in bytes of the whole packet.
///
/// # Errors
///
/// A reserved type, flags that no version allows for the type, a Remaining Length that is not minimal or over four bytes
/// (3.x does not ask for the shortest form, but no known Client uses another), a packet over `maximum_packet_size`.
#[inline]
pub fn split_frame(bytes: &[u8], maximum_packet_size: u32) -> Result<Framing<'_>, Malformed> {
    let Some((&first, after_first)) = bytes.split_first() else {
        return Ok(Framing::Incomplete { needed: 1 });
    };
    let packet_type = PacketType::from_first_byte(first).ok_or(Malformed::PacketTypeReserved)?;
    let flags = first & 0x0F;
    check_flags(packet_type, flags)?;

    let Some((remaining_length, length_len)) = variable_byte_integer(after_first)? else {
        return Ok(Framing::Incomplete {
            needed: bytes.len() + 1,
        });
    };
    let header_len = 1 + length_len;
    let length = header_len + remaining_length as usize;
    if length > maximum_packet_size as usize {
        return Err(Malformed::PacketTooLarge {
            length: length as u32,
            maximum: maximum_packet_size,
        });
    }
    match bytes.get(header_len..length) {
        Some(body) => Ok(Framing::Complete {
            frame: Frame {
                packet_type,
                flags,
                body,
            },
            length,
        }),
        None => Ok(Framing::Incomplete { needed: length }),
    }
}

/// Flags that some protocol version allows; [`check_flags_of_version`] knows more.
#[inline]
fn check_flags(packet_type: PacketType, flags: u8) -> Result<(), Malformed> {
    const DUP: u8 = 0b1000;
    const QOS: u8 = 0b0110;
    if packet_type == PacketType::Publish {
        return match flags & QOS {
            QOS => Err(Malformed::PublishQoS),
            0 if flags & DUP != 0 => Err(Malformed::DupAtQoS0),
            _ => Ok(()),
        };
    }
    let fixed = packet_type.fixed_flags();
    if flags == fixed || (fixed != 0 && flags == fixed | DUP) {
        Ok(())
    } else {
        Err(Malformed::FixedHeaderFlags { packet_type, flags })
    }
}
