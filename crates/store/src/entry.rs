//! Entries within the body of a frame. How they look is described with [`frame`](crate::frame).

use std::ops::Range;

use crate::key::Key;

/// How an entry can be found, and whether it is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has no key: it is replayed.
    Plain,
    /// It can be read back, and is replayed.
    Keyed(Key),
    /// It can be read back.
    Kept(Key),
}

/// An entry in some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Where it begins in the bytes.
    pub(crate) at: usize,
    /// Where its content lies.
    pub(crate) content: Range<usize>,
}

const PLAIN: u8 = 1;
const KEYED: u8 = 2;
const KEPT: u8 = 3;

/// Bytes of kind and length.
const PLAIN_HEAD: usize = 5;
/// Bytes of kind, length and key, before the checksum.
const CHECKED: usize = 13;
const KEYED_HEAD: usize = CHECKED + 4;

impl Kind {
    /// What it can be found by.
    pub(crate) fn key(self) -> Option<Key> {
        match self {
            Kind::Plain => None,
            Kind::Keyed(key) | Kind::Kept(key) => Some(key),
        }
    }

    fn tag(self) -> u8 {
        match self {
            Kind::Plain => PLAIN,
            Kind::Keyed(_) => KEYED,
            Kind::Kept(_) => KEPT,
        }
    }
}

impl Entry {
    /// Appends an entry, with the content that `write` appends.
    pub(crate) fn write(bytes: &mut Vec<u8>, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        let at = bytes.len();
        bytes.push(kind.tag());
        bytes.extend_from_slice(&[0; 4]);
        if let Some(key) = kind.key() {
            bytes.extend_from_slice(&key.get().to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        let content = bytes.len();
        write(bytes);
        let length = (bytes.len() - content) as u32;
        bytes[at + 1..at + PLAIN_HEAD].copy_from_slice(&length.to_le_bytes());
        if kind != Kind::Plain {
            let crc = checksum(&bytes[at..at + CHECKED], &bytes[content..]);
            bytes[at + CHECKED..content].copy_from_slice(&crc.to_le_bytes());
        }
    }

    /// The entry that begins at `at`. None: there are no more in this frame, or it is no entry.
    pub(crate) fn read(bytes: &[u8], at: usize) -> Option<Entry> {
        let tag = *bytes.get(at)?;
        let head = if tag == PLAIN { PLAIN_HEAD } else { KEYED_HEAD };
        let from = at + head;
        if bytes.len() < from {
            return None;
        }
        let key = || Key::new(u64_at(bytes, at + PLAIN_HEAD));
        let kind = match tag {
            PLAIN => Kind::Plain,
            KEYED => Kind::Keyed(key()),
            KEPT => Kind::Kept(key()),
            _ => return None,
        };
        let to = from.checked_add(u32_at(bytes, at + 1) as usize)?;
        (to <= bytes.len()).then_some(Entry {
            kind,
            at,
            content: from..to,
        })
    }

    /// Whether its own checksum matches; always true without a key.
    pub(crate) fn is_intact(&self, bytes: &[u8]) -> bool {
        if self.kind == Kind::Plain {
            return true;
        }
        let crc = checksum(
            &bytes[self.at..self.at + CHECKED],
            &bytes[self.content.clone()],
        );
        crc == u32_at(bytes, self.at + CHECKED)
    }
}

/// The entries of a body.
pub(crate) fn entries(body: &[u8]) -> impl Iterator<Item = Entry> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let entry = Entry::read(body, at)?;
        at = entry.content.end;
        Some(entry)
    })
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn checksum(before: &[u8], content: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(before);
    crc.update(content);
    crc.finalize()
}
