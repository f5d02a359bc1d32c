//! Names of what a reactor holds.

use std::fmt;

/// A connection of one reactor.
///
/// `index` is dense (below maximum connections + maximum lingering), so that callers can keep
/// parallel `Vec`s; a freed index is used again with the next `generation`, so that an id which
/// outlived its connection is recognised instead of hitting its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    index: u32,
    generation: u32,
}

impl ConnectionId {
    /// The id of the `generation`-th connection at `index`. Reactors allocate ids; this is for
    /// callers without a reactor (a simulator, a test).
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The dense position of this connection.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which user of that position this is, from 0, wrapping.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// `index.generation`, for logs.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A listener, as the caller of [`Reactor::listen`](crate::Reactor::listen) numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u32);
