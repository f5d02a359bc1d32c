//! A segment: one file, with a header page and frames behind it.
//!
//! The header is there twice, at offsets 0 and 2048; frames begin at 4096. All integers are little
//! endian. A later version of the format keeps the first 12 bytes, the length and the checksum.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `dunlin`, 0, 10 |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | number of the segment, which is also its name |
//! | 16 | 4 | `low`: entries of segments before this one are not replayed |
//! | 20 | 4 | 0 |
//! | 24 | 8 | where the log ended when this segment began: segment (upper half), offset (lower half) |
//! | 32 | 28 | 0 |
//! | 60 | 4 | CRC-32 of the 60 bytes before |

use std::sync::Arc;

use super::index::Index;
use crate::entry::{u32_at, u64_at};
use crate::key::Position;

/// The version of the format that this program reads and writes.
pub(crate) const VERSION: u32 = 1;
/// Where frames begin.
pub(crate) const FRAMES: u32 = 4096;

const MAGIC: [u8; 8] = *b"dunlin\0\n";
const LENGTH: usize = 64;
const COPY: usize = 2048;

/// One segment, as far as it is in memory.
pub(crate) struct Segment<File> {
    pub(crate) number: u32,
    pub(crate) file: Arc<File>,
    /// Where its frames end.
    pub(crate) end: u32,
    /// How long its file is.
    pub(crate) disk: u32,
    pub(crate) index: Index,
}

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u32,
    pub(crate) low: u32,
    /// Where the log ended before it; 0 in the first.
    pub(crate) before: Position,
}

/// What is where a header should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Header(Header),
    /// It is of another version of the format.
    Version(u32),
    Damaged,
}

impl<File> Segment<File> {
    /// Where it ends.
    pub(crate) fn end(&self) -> Position {
        Position::new(self.number, self.end)
    }

    /// Bytes in its frames.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.end - FRAMES)
    }
}

impl Header {
    /// The header page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; FRAMES as usize];
        page[0..8].copy_from_slice(&MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&self.number.to_le_bytes());
        page[16..20].copy_from_slice(&self.low.to_le_bytes());
        page[24..32].copy_from_slice(&self.before.get().to_le_bytes());
        let crc = crc32fast::hash(&page[..LENGTH - 4]);
        page[LENGTH - 4..LENGTH].copy_from_slice(&crc.to_le_bytes());
        page.copy_within(..LENGTH, COPY);
        page
    }

    /// The header in a page, or in what there is of it.
    pub(crate) fn decode(page: &[u8]) -> Reading {
        let copies = [0, COPY].into_iter();
        let copies = copies.filter_map(|at| page.get(at..at + LENGTH));
        for copy in copies {
            let is_intact = crc32fast::hash(&copy[..LENGTH - 4]) == u32_at(copy, LENGTH - 4);
            if !is_intact || copy[..8] != MAGIC {
                continue;
            }
            let version = u32_at(copy, 8);
            if version != VERSION {
                return Reading::Version(version);
            }
            return Reading::Header(Header {
                number: u32_at(copy, 12),
                low: u32_at(copy, 16),
                before: Position::from_number(u64_at(copy, 24)),
            });
        }
        Reading::Damaged
    }
}

/// The name of a segment's file.
pub(crate) fn name(number: u32) -> String {
    format!("{number:08}.log")
}

/// The number in the name of a segment's file.
pub(crate) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log")?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_a_flipped_bit_anywhere() {
        let header = Header {
            number: 7,
            low: 3,
            before: Position::new(6, 4711),
        };
        let page = header.encode();
        assert_eq!(Header::decode(&page), Reading::Header(header));
        for at in 0..page.len() {
            let mut page = page.clone();
            page[at] ^= 4;
            assert_eq!(Header::decode(&page), Reading::Header(header), "{at}");
        }
    }

    #[test]
    fn names_have_eight_digits_or_more() {
        assert_eq!(number(&name(12)), Some(12));
        assert_eq!(number(&name(u32::MAX)), Some(u32::MAX));
        assert_eq!(number("12.log"), None);
        assert_eq!(number("00000012.spare"), None);
    }
}
