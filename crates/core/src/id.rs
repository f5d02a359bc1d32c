//! Names of the things that a shard keeps apart.

use std::fmt;

/// A Network Connection within one shard.
///
/// The driver gives it out: `index` is small and dense and is used again after the connection has
/// ended, then with another `generation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    index: u32,
    generation: u32,
}

impl ConnectionId {
    /// The connection in place `index`, the `generation`th that is there.
    pub const fn new(index: u32, generation: u32) -> Self {
        ConnectionId { index, generation }
    }

    /// Its place in tables that have one entry per connection.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// Tells connections apart that have had the same index.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// One of the shards of this process, 0 to [`ShardId::MAXIMUM`] - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(u8);

impl ShardId {
    /// How many shards there can be: a set of shards is one machine word.
    pub const MAXIMUM: usize = 64;

    /// The shard with this number.
    ///
    /// # Panics
    /// From [`ShardId::MAXIMUM`] on.
    pub fn new(number: usize) -> Self {
        assert!(number < Self::MAXIMUM, "at most {} shards", Self::MAXIMUM);
        ShardId(number as u8)
    }

    /// Its place in tables that have one entry per shard.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: ShardSet = ShardSet(0);

    /// Adds one.
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

    /// Takes one out.
    pub fn remove(&mut self, shard: ShardId) {
        self.0 &= !(1 << shard.0);
    }

    /// Whether one is in it.
    pub const fn contains(self, shard: ShardId) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// Whether none is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in this set or in the other.
    #[must_use]
    pub const fn union(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 | other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 & !other.0)
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let lowest = rest.trailing_zeros() as u8;
                rest &= rest - 1;
                ShardId(lowest)
            })
        })
    }
}

/// A Session within one shard; used again after the Session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u32);

impl SessionId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_its_members_in_order() {
        let mut set = ShardSet::EMPTY;
        for n in [63, 0, 5] {
            set.insert(ShardId::new(n));
        }
        set.remove(ShardId::new(5));
        set.insert(ShardId::new(7));
        let members: Vec<_> = set.iter().map(ShardId::index).collect();
        assert_eq!(members, [0, 7, 63]);
    }
}
