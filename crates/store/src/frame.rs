//! Frames: what is appended as a whole, and how it looks in a file.
//!
//! A frame lies at an offset that is a multiple of 8. All integers are little endian.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 4 | length of the body, a multiple of 8 |
//! | 4 | 4 | the last field of the frame before it in this segment; 0 in the first |
//! | 8 | 8 | wall time at which it was written, in milliseconds since 1970 |
//! | 16 | 8 | how far the log was stable then: segment (upper half), offset (lower half) |
//! | 24 | 4 | CRC-32 of the body |
//! | 28 | 4 | CRC-32 of the position of this frame (8 bytes, as above) and of the 28 bytes before |
//! | 32 | … | the body: entries, then 1 to 8 zero bytes |
//!
//! As the position is part of the checksum, what a file held before it was used again is no frame.
//!
//! An entry:
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 1 | kind: 1 without a key, 2 with a key, 3 kept; 0: no more entries |
//! | 1 | 4 | length of its content |
//! | 5 | 8 | kinds 2 and 3: the key |
//! | 13 | 4 | kinds 2 and 3: CRC-32 of the 13 bytes before and of the content |
//! | 5 or 17 | … | the content |
//!
//! A *kept* entry is the copy of one with a key that cleaning has made. It is there to be read
//! back, and not replayed.

use crate::entry::{Entry, Kind, entries, u32_at, u64_at};
use crate::key::{Key, Position};
use crate::mend;

/// Entries that get into the log together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Entries, as they look in the log.
    body: Vec<u8>,
    refers: Vec<Key>,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the body.
    pub(crate) length: u32,
    /// The checksum of the header of the frame before.
    pub(crate) previous: u32,
    /// In milliseconds since 1970.
    pub(crate) time: u64,
    /// How far the log was stable.
    pub(crate) stable: Position,
    /// That of the body.
    pub(crate) body_crc: u32,
}

/// The length of a frame's header.
pub(crate) const HEAD: usize = 32;
/// What the lengths and offsets of frames are multiples of.
pub(crate) const ALIGNMENT: usize = 8;

impl Frame {
    /// The greatest length, in bytes, that can be appended.
    pub const MAXIMUM: usize = 1 << 30;

    /// A frame without entries.
    pub fn new() -> Self {
        Frame::default()
    }

    /// Adds an entry whose content is what `write` appends to the vector that it is given (which
    /// holds other bytes already: append only). With a key, it can be read back.
    pub fn push(&mut self, key: Option<Key>, write: impl FnOnce(&mut Vec<u8>)) {
        Entry::write(&mut self.body, key.map_or(Kind::Plain, Kind::Keyed), write);
    }

    /// Adds a copy that is to be read back only.
    pub(crate) fn keep(&mut self, key: Key, content: &[u8]) {
        let write = |bytes: &mut Vec<u8>| bytes.extend_from_slice(content);
        Entry::write(&mut self.body, Kind::Kept(key), write);
    }

    /// Says that an entry of this frame refers to the entry with this key. While a checkpoint is
    /// made, that keeps the other one alive; at other times it has no effect.
    pub fn refer(&mut self, key: Key) {
        self.refers.push(key);
    }

    /// What was said with [`Frame::refer`].
    pub(crate) fn refers(&self) -> &[Key] {
        &self.refers
    }

    /// Its entries, as they look in the log.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// How many bytes it takes in the log.
    pub fn len(&self) -> usize {
        // At least one zero byte ends the entries.
        HEAD + (self.body.len() + 1).next_multiple_of(ALIGNMENT)
    }

    /// The content of the entry with this key.
    pub(crate) fn find(&self, key: Key) -> Option<&[u8]> {
        let entry = entries(&self.body).find(|entry| entry.kind.key() == Some(key))?;
        Some(&self.body[entry.content])
    }

    /// Writes it as it is to be at `position`; gives the checksum of its header.
    pub(crate) fn write(
        &self,
        into: &mut Vec<u8>,
        position: Position,
        previous: u32,
        time: u64,
        stable: Position,
    ) -> u32 {
        let at = into.len();
        into.extend_from_slice(&[0; HEAD]);
        into.extend_from_slice(&self.body);
        into.resize(at + self.len(), 0);
        let head = Head {
            length: (self.len() - HEAD) as u32,
            previous,
            time,
            stable,
            body_crc: crc32fast::hash(&into[at + HEAD..]),
        };
        let bytes = head.encode(position);
        into[at..at + HEAD].copy_from_slice(&bytes);
        u32_at(&bytes, HEAD - 4)
    }
}

impl Head {
    fn encode(&self, position: Position) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[0..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.previous.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.time.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.stable.get().to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = checksum(&bytes[..28], position);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header in `bytes`, and its checksum, if that is right for `position`.
    pub(crate) fn decode(bytes: &[u8], position: Position) -> Option<(Head, u32)> {
        let length = u32_at(bytes, 0);
        // The cheap question first: this is asked for every place of a damaged part.
        if length == 0 || !(length as usize).is_multiple_of(ALIGNMENT) {
            return None;
        }
        let crc = u32_at(bytes, 28);
        (checksum(&bytes[..28], position) == crc).then(|| {
            let head = Head {
                length,
                previous: u32_at(bytes, 4),
                time: u64_at(bytes, 8),
                stable: Position::from_number(u64_at(bytes, 16)),
                body_crc: u32_at(bytes, 24),
            };
            (head, crc)
        })
    }

    /// Puts right the header in `bytes`, the one of a frame at `position`, if one bit of it is wrong.
    pub(crate) fn mend(bytes: &mut [u8], position: Position) -> bool {
        let (head, crc) = bytes.split_at_mut(28);
        let right = checksum(head, position);
        let difference = right ^ u32_at(crc, 0);
        if difference.is_power_of_two() {
            crc[..4].copy_from_slice(&right.to_le_bytes());
            return true;
        }
        mend::flip(head, difference)
    }

    /// The length of the whole frame.
    pub(crate) fn frame_length(&self) -> u32 {
        self.length + HEAD as u32
    }
}

/// The checksum of a header, which is good for one place only.
fn checksum(head: &[u8], position: Position) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&position.get().to_le_bytes());
    crc.update(head);
    crc.finalize()
}
