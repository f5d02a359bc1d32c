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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_packet_is_found_before_others() {
        let framing = split_frame(&[0x40, 2, 0, 7, 0xC0, 0], 100);
        let frame = Frame {
            packet_type: PacketType::PubAck,
            flags: 0,
            body: &[0, 7],
        };
        assert_eq!(framing, Ok(Framing::Complete { frame, length: 4 }));
    }

    #[test]
    fn what_is_needed_is_known_with_the_remaining_length() {
        for (bytes, needed) in [
            (&[][..], 1),
            (&[0x30], 2),
            (&[0x30, 0x80], 3),
            (&[0x30, 0x80, 0x80], 4),
            (&[0x30, 0x80, 0x80, 0x80], 5),
            (&[0x30, 5], 7),
            (&[0x30, 5, 0, 1], 7),
            (&[0x30, 0x80, 0x01], 131),
            (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 268_435_460),
        ] {
            assert_eq!(
                split_frame(bytes, u32::MAX),
                Ok(Framing::Incomplete { needed }),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_packet_of_just_the_maximum_is_taken() {
        let bytes = [0x30, 5, 0, 1, b'a', 0, 0];
        assert!(matches!(
            split_frame(&bytes, 7),
            Ok(Framing::Complete { length: 7, .. })
        ));
        let refused = Err(Malformed::PacketTooLarge {
            length: 7,
            maximum: 6,
        });
        assert_eq!(split_frame(&bytes, 6), refused);
        assert_eq!(
            split_frame(&bytes[..2], 6),
            refused,
            "judged before the body is there"
        );
    }

    #[test]
    fn the_first_byte_alone_can_be_refused() {
        assert_eq!(
            split_frame(&[0x0F], 100),
            Err(Malformed::PacketTypeReserved)
        );
        assert_eq!(split_frame(&[0x36], 100), Err(Malformed::PublishQoS));
        assert!(matches!(
            split_frame(&[0x80], 100),
            Err(Malformed::FixedHeaderFlags { .. })
        ));
    }
}
