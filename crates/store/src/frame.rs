//! Frames and their entries: what is appended as a whole, and how it looks in a file.
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
//! An entry:
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 1 | kind: 1 without a key, 2 with a key, 3 kept; 0: no more entries |
//! | 1 | 4 | length of its content |
//! | 5 | 8 | kinds 2 and 3: the key |
//! | 13 | 4 | kinds 2 and 3: CRC-32 of the 13 bytes before and of the content |
//! | | … | the content |
//!
//! A *kept* entry is the copy of one with a key that cleaning has made. It is there to be read
//! back, and not replayed.

use crate::key::{Key, Position};

/// Entries that get into the log together or not at all.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The header, which is filled in when the frame is written, and the entries.
    bytes: Vec<u8>,
    refers: Vec<Key>,
}

/// One entry of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    /// Where it begins, from the beginning of what was read.
    pub(crate) at: usize,
    pub(crate) content: &'a [u8],
}

/// How an entry can be found and whether it is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Keyed(Key),
    Kept(Key),
}

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the body.
    pub(crate) length: u32,
    /// The checksum of the header of the frame before.
    pub(crate) previous: u32,
    /// In milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) stable: Position,
    pub(crate) body_crc: u32,
    /// That of the header.
    pub(crate) crc: u32,
}

/// The length of a frame's header.
pub(crate) const HEAD: usize = 32;
/// What the lengths and positions of frames are multiples of.
pub(crate) const ALIGNMENT: usize = 8;

const PLAIN: u8 = 1;
const KEYED: u8 = 2;
const KEPT: u8 = 3;

impl Default for Frame {
    fn default() -> Self {
        Frame::new()
    }
}

impl Frame {
    /// The greatest length, in bytes, that can be appended.
    pub const MAXIMUM: usize = 1 << 30;

    /// A frame without entries.
    pub fn new() -> Self {
        Frame {
            bytes: vec![0; HEAD],
            refers: Vec::new(),
        }
    }

    /// Adds an entry whose content is what `write` appends to the vector that it is given (which
    /// holds other bytes already: append only). With a key, it can be read back.
    pub fn push(&mut self, key: Option<Key>, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_as(key.map_or(Kind::Plain, Kind::Keyed), write);
    }

    /// Adds a copy that is to be read back only.
    pub(crate) fn keep(&mut self, key: Key, content: &[u8]) {
        self.push_as(Kind::Kept(key), |bytes| bytes.extend_from_slice(content));
    }

    fn push_as(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        let (tag, key) = match kind {
            Kind::Plain => (PLAIN, None),
            Kind::Keyed(key) => (KEYED, Some(key)),
            Kind::Kept(key) => (KEPT, Some(key)),
        };
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&[0; 4]);
        if let Some(key) = key {
            self.bytes.extend_from_slice(&key.get().to_le_bytes());
            self.bytes.extend_from_slice(&[0; 4]);
        }
        let content = self.bytes.len();
        write(&mut self.bytes);
        let length = (self.bytes.len() - content) as u32;
        self.bytes[at + 1..at + 5].copy_from_slice(&length.to_le_bytes());
        if key.is_some() {
            let crc = entry_crc(&self.bytes[at..at + 13], &self.bytes[content..]);
            self.bytes[at + 13..at + 17].copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// Says that an entry of this frame refers to the entry with this key. While a checkpoint is
    /// made, that keeps the other one alive; at other times it costs eight bytes of memory.
    pub fn refer(&mut self, key: Key) {
        self.refers.push(key);
    }

    /// What was said with [`Frame::refer`].
    pub(crate) fn refers(&self) -> &[Key] {
        &self.refers
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEAD
    }

    /// How many bytes it takes in the log.
    pub fn len(&self) -> usize {
        // At least one zero byte ends the entries.
        (self.bytes.len() + 1).next_multiple_of(ALIGNMENT)
    }
}

/// The checksum of an entry with a key: of what comes before the checksum, and of the content.
fn entry_crc(before: &[u8], content: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(before);
    crc.update(content);
    crc.finalize()
}
