//! What an entry is read back by, and where things lie.

use std::fmt;

/// The name of an entry that can be read back. Entries with the same key are taken for the same.
///
/// The lower 6 bits are its *lane*. Within a lane, keys are appended in growing order, as a rule:
/// that is what lets a sparse index find them. Each exception costs some 20 bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    /// How many lanes there are.
    pub const LANES: usize = 64;

    /// The key with this number.
    pub const fn new(number: u64) -> Self {
        Key(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Its lane, below [`Key::LANES`].
    pub const fn lane(self) -> usize {
        (self.0 % Self::LANES as u64) as usize
    }
}

/// A place in the log: a segment, and an offset in its file. Later is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which segment.
    pub segment: u32,
    /// How many bytes from the beginning of its file.
    pub offset: u32,
}

impl Position {
    pub(crate) const fn new(segment: u32, offset: u32) -> Self {
        Position { segment, offset }
    }

    /// As one number, which grows with the position.
    pub const fn get(self) -> u64 {
        (self.segment as u64) << 32 | self.offset as u64
    }

    /// The position from one number.
    pub const fn from_number(number: u64) -> Self {
        Position::new((number >> 32) as u32, number as u32)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}.log:{}", self.segment, self.offset)
    }
}
