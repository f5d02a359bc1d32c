//! The way down: from a node and the text of a level to the child that has it.

use std::hash::Hasher;

use foldhash::{SharedSeed, fast::FoldHasher};
use hashbrown::HashTable;

use super::NodeId;

/// How many buckets an insertion moves to the larger table, when there is one.
const MOVED: usize = 16;

/// The hash function of [`Edges`]: first of a text, which may be long, then of a parent with it.
pub(super) struct EdgeHasher {
    /// Secret, as topics are chosen by clients: [`FoldHasher`] withstands chosen keys only as
    /// long as its seeds are unknown.
    seed: u64,
    seeds: SharedSeed,
}

/// The hash of the text of a level.
#[derive(Clone, Copy)]
pub(super) struct TextHash(u64);

/// The hash of an edge: of the parent and the text of the child.
#[derive(Clone, Copy)]
pub(super) struct EdgeHash(u64);

impl EdgeHasher {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            seeds: SharedSeed::from_u64(seed),
        }
    }

    #[inline]
    pub(super) fn text(&self, text: &[u8]) -> TextHash {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.seeds);
        hasher.write(text);
        TextHash(hasher.finish())
    }

    #[inline]
    pub(super) fn edge(&self, parent: NodeId, text: TextHash) -> EdgeHash {
        let mut hasher = FoldHasher::with_seed(text.0, &self.seeds);
        hasher.write_u32(parent.number());
        EdgeHash(hasher.finish())
    }
}

/// The children of all nodes, to be found by their parent and text.
///
/// When the table is full, a larger one takes its place, and the edges move over a few at a time:
/// to move them at once would hold up the whole shard, the longer the larger the tree is.
pub(super) struct Edges {
    table: HashTable<NodeId>,
    /// The former table, of which the buckets before `moved` have been moved.
    old: HashTable<NodeId>,
    moved: usize,
}

impl Edges {
    pub(super) fn new() -> Self {
        Self {
            table: HashTable::new(),
            old: HashTable::new(),
            moved: 0,
        }
    }

    #[inline]
    pub(super) fn find(&self, hash: EdgeHash, is_it: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let mut found = self.table.find(hash.0, |&child| is_it(child));
        if found.is_none() && !self.old.is_empty() {
            found = self.old.find(hash.0, |&child| is_it(child));
        }
        found.copied()
    }

    /// Adds a child that is not there yet. `hash_of` knows the hashes of those that are.
    pub(super) fn insert(
        &mut self,
        hash: EdgeHash,
        child: NodeId,
        hash_of: impl Fn(NodeId) -> EdgeHash,
    ) {
        if !self.old.is_empty() {
            self.move_some(&hash_of);
        } else if self.table.len() == self.table.capacity() {
            self.replace();
        }
        self.table
            .insert_unique(hash.0, child, |&child| hash_of(child).0);
    }

    pub(super) fn remove(&mut self, hash: EdgeHash, child: NodeId) {
        let is_it = |&other: &NodeId| other == child;
        let edge = self
            .table
            .find_entry(hash.0, is_it)
            .or_else(|_| self.old.find_entry(hash.0, is_it));
        edge.expect("every child is in a table").remove();
    }

    /// Begins a table with room for as many more edges as will be added before all have moved.
    fn replace(&mut self) {
        let edges = self.table.len();
        let room = edges.max(self.table.num_buckets() / MOVED + 1);
        self.old = std::mem::replace(&mut self.table, HashTable::with_capacity(edges + room));
        self.moved = 0;
    }

    fn move_some(&mut self, hash_of: &impl Fn(NodeId) -> EdgeHash) {
        let end = self.old.num_buckets().min(self.moved + MOVED);
        for bucket in self.moved..end {
            if let Ok(edge) = self.old.get_bucket_entry(bucket) {
                let (child, _) = edge.remove();
                self.table
                    .insert_unique(hash_of(child).0, child, |&child| hash_of(child).0);
            }
        }
        self.moved = end;
        if self.old.is_empty() {
            self.old = HashTable::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(child: NodeId) -> EdgeHash {
        EdgeHash(u64::from(child.number()).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn find(edges: &Edges, child: NodeId) -> Option<NodeId> {
        edges.find(hash_of(child), |other| other == child)
    }

    #[test]
    fn edges_can_be_found_and_removed_while_they_move() {
        let children: Vec<_> = (0..3_000).map(NodeId::from_index).collect();
        let mut edges = Edges::new();
        let mut moves = 0;
        for (i, &child) in children.iter().enumerate() {
            edges.insert(hash_of(child), child, hash_of);
            if !edges.old.is_empty() {
                moves += 1;
                assert!(
                    children[..=i]
                        .iter()
                        .all(|&child| find(&edges, child).is_some())
                );
                edges.remove(hash_of(children[i / 2]), children[i / 2]);
                assert_eq!(find(&edges, children[i / 2]), None);
                edges.insert(hash_of(children[i / 2]), children[i / 2], hash_of);
            }
        }
        assert!(moves > 100, "moved during {moves} insertions");
        for &child in &children {
            edges.remove(hash_of(child), child);
        }
        assert!(edges.table.is_empty() && edges.old.is_empty());
    }

    #[test]
    fn coming_and_going_does_not_grow_the_table() {
        let mut edges = Edges::new();
        for i in 0..100_000 {
            let child = NodeId::from_index(i);
            edges.insert(hash_of(child), child, hash_of);
            if let Some(first) = i.checked_sub(100) {
                edges.remove(
                    hash_of(NodeId::from_index(first)),
                    NodeId::from_index(first),
                );
            }
        }
        assert!(edges.table.num_buckets() <= 512);
        assert_eq!(edges.table.len() + edges.old.len(), 100);
    }
}
