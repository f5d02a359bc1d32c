//! Where the nodes live.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use super::level::Level;

/// Where a key is kept: a short stand-in for the key itself, which
/// [`write_key`](super::TopicTree::write_key) gives back.
///
/// Valid from [`entry`](super::TopicTree::entry) until [`remove`](super::TopicTree::remove);
/// after that it may come to stand for another key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node above all first levels, never given out: it holds no value.
    pub(super) const ROOT: Self = Self(NonZeroU32::MIN);

    pub(super) fn from_index(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 nodes fit into memory"))
    }

    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    #[inline]
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A level of one or more keys.
pub(super) struct Node<V> {
    pub(super) level: Level,
    pub(super) value: Option<V>,
    pub(super) parent: NodeId,
    /// The child whose text is `+`.
    pub(super) plus: Option<NodeId>,
    /// The child whose text is `#`.
    pub(super) hash: Option<NodeId>,
    /// The newest child. Siblings are listed from the newest to the oldest.
    pub(super) first_child: Option<NodeId>,
    /// The next older sibling. Kept in a removed node: cursors that are there go on from it.
    pub(super) older: Option<NodeId>,
    /// The next newer sibling; in a removed node, the next one of those.
    pub(super) newer: Option<NodeId>,
    /// Grows with every node made, so that no two nodes ever have the same.
    pub(super) serial: u64,
}

impl<V> Node<V> {
    pub(super) fn new(level: Level, parent: NodeId, serial: u64) -> Self {
        Self {
            level,
            value: None,
            parent,
            plus: None,
            hash: None,
            first_child: None,
            older: None,
            newer: None,
            serial,
        }
    }

    /// Whether nothing needs the node: it has neither a value nor a child.
    pub(super) fn is_bare(&self) -> bool {
        self.value.is_none() && self.first_child.is_none()
    }
}

/// Nodes per chunk.
const CHUNK: usize = 1 << 10;

/// All nodes, in chunks, so that a new one never makes all the others move. Slots of removed
/// nodes are used again.
pub(super) struct Nodes<V> {
    chunks: Vec<Vec<Node<V>>>,
    /// The node removed last.
    free: Option<NodeId>,
}

impl<V> Nodes<V> {
    /// Nothing but the root.
    pub(super) fn new() -> Self {
        let root = Node::new(Level::EMPTY, NodeId::ROOT, 0);
        Self {
            chunks: vec![vec![root]],
            free: None,
        }
    }

    #[inline]
    pub(super) fn get(&self, id: NodeId) -> Option<&Node<V>> {
        self.chunks.get(id.index() / CHUNK)?.get(id.index() % CHUNK)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node<V>> {
        self.chunks
            .get_mut(id.index() / CHUNK)?
            .get_mut(id.index() % CHUNK)
    }

    /// All slots, in order; the removed nodes in them are bare.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Node<V>> {
        self.chunks.iter().flatten()
    }

    /// Up to `count` slots from a place on; none if there is no such place.
    pub(super) fn range(
        &self,
        from: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = &Node<V>>> {
        let chunk = self.chunks.get(from / CHUNK)?.get(from % CHUNK..)?;
        (!chunk.is_empty()).then(|| {
            let further = self.chunks.iter().skip(from / CHUNK + 1).flatten();
            chunk.iter().chain(further).take(count)
        })
    }

    pub(super) fn insert(&mut self, node: Node<V>) -> NodeId {
        if let Some(id) = self.free {
            self.free = self[id].newer;
            self[id] = node;
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("there is a chunk with room");
        chunk.push(node);
        NodeId::from_index(full + chunk.len() - 1)
    }

    /// Removes a bare node that is no longer in the list of its siblings, and returns its text.
    pub(super) fn remove(&mut self, id: NodeId) -> Level {
        let free = self.free.replace(id);
        let node = &mut self[id];
        node.newer = free;
        std::mem::replace(&mut node.level, Level::EMPTY)
    }
}

impl<V> Index<NodeId> for Nodes<V> {
    type Output = Node<V>;

    #[inline]
    fn index(&self, id: NodeId) -> &Node<V> {
        &self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }
}

impl<V> IndexMut<NodeId> for Nodes<V> {
    #[inline]
    fn index_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }
}
