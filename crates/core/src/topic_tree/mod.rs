//! A tree of topic levels, for both directions of matching:
//!
//! | keys | looked up by | for |
//! |---|---|---|
//! | Topic Filters | a Topic Name: [`TopicTree::matching_filters`] | subscriptions |
//! | Topic Names | a Topic Filter: [`TopicTree::next_matching_topic`] | retained messages |
//!
//! A key is cut at its slashes, and each level is a node. `+` and `#` are levels as any other:
//!
//! ```text
//! root ─┬─ sport ─┬─ # ●             sport/#
//!       │         └─ tennis ●        sport/tennis
//!       └─ + ─────── tennis ●        +/tennis            ● holds a value
//! ```
//!
//! Nodes live in one slab, and one hash table of all edges finds a child by its parent and text,
//! so a step down costs one probe whether a node has one child or a million; the children `+` and
//! `#`, which every match asks for, are linked from their parent directly. A node exists as long
//! as it holds a value or has a child.
//!
//! Nothing here checks that a key is a valid Topic Name or Topic Filter, or knows of shared
//! subscriptions: that is done where packets are decoded.

mod cursor;
mod filters;
mod level;
#[cfg(test)]
mod tests;

use std::hash::Hasher;
use std::num::NonZeroU32;

use foldhash::{SharedSeed, fast::FoldHasher};
use hashbrown::HashTable;
use smallvec::SmallVec;

pub use cursor::{Cursor, Step};
use level::{Level, level_at};

/// Where a key is kept: a short stand-in for the key itself, which
/// [`write_key`](TopicTree::write_key) gives back.
///
/// Valid from [`entry`](TopicTree::entry) until [`remove`](TopicTree::remove); after that it may
/// come to stand for another key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node above all first levels, never given out: it holds no value.
    const ROOT: Self = Self(NonZeroU32::MIN);

    fn from_index(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 nodes fit into memory"))
    }

    #[inline]
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

struct Node<V> {
    level: Level,
    value: Option<V>,
    parent: NodeId,
    /// The child whose text is `+`.
    plus: Option<NodeId>,
    /// The child whose text is `#`.
    hash: Option<NodeId>,
    /// The newest child. Siblings are listed from the newest to the oldest.
    first_child: Option<NodeId>,
    /// The next older sibling. Kept when the node is removed: cursors still standing here go on.
    older: Option<NodeId>,
    /// The next newer sibling; in a removed node, the next of the free ones.
    newer: Option<NodeId>,
    /// Grows with every node made, so that no two nodes ever have the same.
    serial: u64,
}

impl<V> Node<V> {
    fn new(level: Level, parent: NodeId, serial: u64) -> Self {
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
}

/// A map from Topic Filters or Topic Names to `V`. See the [module](self).
///
/// 80 bytes and `V` for each distinct prefix of the keys, of which keys usually share most.
pub struct TopicTree<V> {
    nodes: Vec<Node<V>>,
    /// All children but `+` and `#`, by their parent and text.
    edges: HashTable<NodeId>,
    /// Secret, as topics are chosen by clients: [`FoldHasher`] withstands chosen keys only as
    /// long as its seeds are unknown.
    seed: u64,
    seeds: SharedSeed,
    free: Option<NodeId>,
    last_serial: u64,
    len: usize,
}

impl<V: Default> TopicTree<V> {
    /// The value of `key`, made by default if there is none yet.
    pub fn entry(&mut self, key: &str) -> (NodeId, &mut V) {
        let (mut id, mut at) = (NodeId::ROOT, 0);
        while at <= key.len() {
            let (text, next) = level_at(key, at);
            id = self
                .child(id, text)
                .unwrap_or_else(|| self.add_child(id, text));
            at = next;
        }
        let value = &mut self.nodes[id.index()].value;
        self.len += usize::from(value.is_none());
        (id, value.get_or_insert_default())
    }
}

impl<V> TopicTree<V> {
    /// An empty tree. Whoever knows `seed` can slow the tree down: draw it at random.
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: vec![Node::new(Level::EMPTY, NodeId::ROOT, 0)],
            edges: HashTable::new(),
            seed,
            seeds: SharedSeed::from_u64(seed),
            free: None,
            last_serial: 0,
            len: 0,
        }
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where `key` is, if it is a key and not only the beginning of one.
    pub fn find(&self, key: &str) -> Option<NodeId> {
        let (mut id, mut at) = (NodeId::ROOT, 0);
        while at <= key.len() {
            let (text, next) = level_at(key, at);
            id = self.child(id, text)?;
            at = next;
        }
        self.node(id).value.is_some().then_some(id)
    }

    /// The value at `id`.
    pub fn get(&self, id: NodeId) -> Option<&V> {
        self.nodes.get(id.index())?.value.as_ref()
    }

    /// The value at `id`.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut V> {
        self.nodes.get_mut(id.index())?.value.as_mut()
    }

    /// Removes the key at `id` and gives its value back.
    pub fn remove(&mut self, id: NodeId) -> Option<V> {
        let value = self.nodes.get_mut(id.index())?.value.take()?;
        self.len -= 1;
        let mut id = id;
        while id != NodeId::ROOT && self.is_bare(id) {
            let parent = self.node(id).parent;
            self.remove_child(parent, id);
            id = parent;
        }
        Some(value)
    }

    /// Appends the key at `id` to `out`; nothing if there is no key.
    pub fn write_key(&self, id: NodeId, out: &mut String) {
        if self.get(id).is_none() {
            return;
        }
        let mut levels = SmallVec::<[&Level; 16]>::new();
        let mut id = id;
        while id != NodeId::ROOT {
            let node = self.node(id);
            levels.push(&node.level);
            id = node.parent;
        }
        for (i, level) in levels.iter().rev().enumerate() {
            if i > 0 {
                out.push('/');
            }
            out.push_str(level.as_str());
        }
    }

    /// All keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &V)> {
        let numbered = self.nodes.iter().enumerate();
        numbered.filter_map(|(i, node)| Some((NodeId::from_index(i), node.value.as_ref()?)))
    }

    #[inline]
    fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id.index()]
    }

    /// Whether nothing needs the node: it has neither a value nor a child.
    fn is_bare(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.value.is_none() && node.first_child.is_none()
    }

    fn child(&self, parent: NodeId, text: &[u8]) -> Option<NodeId> {
        match text {
            b"+" => self.node(parent).plus,
            b"#" => self.node(parent).hash,
            _ => self.named_child(parent, text),
        }
    }

    /// The child with a text that is not a wildcard.
    #[inline]
    fn named_child(&self, parent: NodeId, text: &[u8]) -> Option<NodeId> {
        let is_it = |&child: &NodeId| {
            let node = self.node(child);
            node.parent == parent && node.level.as_bytes() == text
        };
        self.edges
            .find(edge_hash(self.seed, &self.seeds, parent, text), is_it)
            .copied()
    }

    fn add_child(&mut self, parent: NodeId, text: &[u8]) -> NodeId {
        self.last_serial += 1;
        let mut node = Node::new(Level::new(text), parent, self.last_serial);
        node.older = self.node(parent).first_child;
        let id = self.place(node);
        if let Some(older) = self.node(id).older {
            self.node_mut(older).newer = Some(id);
        }
        self.node_mut(parent).first_child = Some(id);
        match text {
            b"+" => self.node_mut(parent).plus = Some(id),
            b"#" => self.node_mut(parent).hash = Some(id),
            _ => self.add_edge(parent, text, id),
        }
        id
    }

    /// Takes a bare node out of its parent's children and frees its slot.
    fn remove_child(&mut self, parent: NodeId, id: NodeId) {
        let free = self.free.replace(id);
        let node = self.node_mut(id);
        let level = std::mem::replace(&mut node.level, Level::EMPTY);
        let (older, newer) = (node.older, std::mem::replace(&mut node.newer, free));
        match newer {
            Some(newer) => self.node_mut(newer).older = older,
            None => self.node_mut(parent).first_child = older,
        }
        if let Some(older) = older {
            self.node_mut(older).newer = newer;
        }
        match level.as_bytes() {
            b"+" => self.node_mut(parent).plus = None,
            b"#" => self.node_mut(parent).hash = None,
            text => self.remove_edge(parent, text, id),
        }
    }

    /// Puts a node into a free slot, or a new one.
    fn place(&mut self, node: Node<V>) -> NodeId {
        match self.free {
            Some(id) => {
                self.free = self.node(id).newer;
                *self.node_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId::from_index(self.nodes.len() - 1)
            }
        }
    }

    fn add_edge(&mut self, parent: NodeId, text: &[u8], id: NodeId) {
        let Self {
            edges,
            nodes,
            seed,
            seeds,
            ..
        } = self;
        let rehash = |id: &NodeId| {
            let node = &nodes[id.index()];
            edge_hash(*seed, seeds, node.parent, node.level.as_bytes())
        };
        edges.insert_unique(edge_hash(*seed, seeds, parent, text), id, rehash);
    }

    fn remove_edge(&mut self, parent: NodeId, text: &[u8], id: NodeId) {
        let hash = edge_hash(self.seed, &self.seeds, parent, text);
        let edge = self.edges.find_entry(hash, |&child| child == id);
        edge.expect("every child is in the table").remove();
    }
}

#[inline]
fn edge_hash(seed: u64, seeds: &SharedSeed, parent: NodeId, text: &[u8]) -> u64 {
    let mut hasher = FoldHasher::with_seed(seed, seeds);
    hasher.write_u32(parent.0.get());
    hasher.write(text);
    hasher.finish()
}
