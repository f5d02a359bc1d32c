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
//! One hash table of all edges finds a child by its parent and text, so a step down costs one
//! probe whether a node has one child or a million; the children `+` and `#`, which every match
//! asks for, are linked from their parent. A node exists as long as it holds a value or has a
//! child. Nothing is recursive, and no operation takes longer in a larger tree, but for the clearing
//! of a larger hash table now and then.
//!
//! Nothing here checks that a key is a valid Topic Name or Topic Filter, knows of shared
//! subscriptions, or limits the number of keys and of their levels: that is for the owner.

mod cursor;
mod edges;
mod filters;
mod level;
mod nodes;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

pub use cursor::{Cursor, Step};
use edges::{EdgeHasher, Edges, TextHash};
use level::{Level, level_at};
pub use nodes::NodeId;
use nodes::{Node, Nodes};

/// A map from Topic Filters or Topic Names to `V`. See the [module](self).
///
/// 65 to 70 bytes and an `Option<V>` for each level of a key that it does not share with others,
/// and the text where it is longer than 22 bytes.
pub struct TopicTree<V> {
    nodes: Nodes<V>,
    /// All children but `+` and `#`, by their parent and text.
    edges: Edges,
    hasher: EdgeHasher,
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
        let value = &mut self.nodes[id].value;
        self.len += usize::from(value.is_none());
        (id, value.get_or_insert_default())
    }
}

impl<V> TopicTree<V> {
    /// An empty tree. Whoever knows `seed` can slow the tree down: draw it at random.
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: Nodes::new(),
            edges: Edges::new(),
            hasher: EdgeHasher::new(seed),
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
        self.nodes[id].value.is_some().then_some(id)
    }

    /// The value at `id`.
    pub fn get(&self, id: NodeId) -> Option<&V> {
        self.nodes.get(id)?.value.as_ref()
    }

    /// The value at `id`.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut V> {
        self.nodes.get_mut(id)?.value.as_mut()
    }

    /// Removes the key at `id` and gives its value back.
    pub fn remove(&mut self, id: NodeId) -> Option<V> {
        let value = self.nodes.get_mut(id)?.value.take()?;
        self.len -= 1;
        let mut id = id;
        while id != NodeId::ROOT && self.nodes[id].is_bare() {
            let parent = self.nodes[id].parent;
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
            let node = &self.nodes[id];
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

    /// The values at the places from `from` on, as far as `count` places; a key keeps its place for
    /// as long as it is there. Nothing once all places have been looked at.
    pub fn values_at(&self, from: usize, count: usize) -> Option<impl Iterator<Item = &V>> {
        let nodes = self.nodes.range(from, count)?;
        Some(nodes.filter_map(|node| node.value.as_ref()))
    }

    fn child(&self, parent: NodeId, text: &[u8]) -> Option<NodeId> {
        match text {
            b"+" => self.nodes[parent].plus,
            b"#" => self.nodes[parent].hash,
            _ => self.named_child(parent, text, self.hasher.text(text)),
        }
    }

    /// The child with a text that is not a wildcard, of which `hash` is the hash.
    #[inline]
    fn named_child(&self, parent: NodeId, text: &[u8], hash: TextHash) -> Option<NodeId> {
        self.edges.find(self.hasher.edge(parent, hash), |child| {
            let node = &self.nodes[child];
            node.parent == parent && node.level.as_bytes() == text
        })
    }

    fn add_child(&mut self, parent: NodeId, text: &[u8]) -> NodeId {
        self.last_serial += 1;
        let mut node = Node::new(Level::new(text), parent, self.last_serial);
        let older = self.nodes[parent].first_child;
        node.older = older;
        let id = self.nodes.insert(node);
        if let Some(older) = older {
            self.nodes[older].newer = Some(id);
        }
        self.nodes[parent].first_child = Some(id);
        match text {
            b"+" => self.nodes[parent].plus = Some(id),
            b"#" => self.nodes[parent].hash = Some(id),
            _ => self.add_edge(parent, text, id),
        }
        id
    }

    /// Removes a bare node.
    fn remove_child(&mut self, parent: NodeId, id: NodeId) {
        let Node { older, newer, .. } = self.nodes[id];
        match newer {
            Some(newer) => self.nodes[newer].older = older,
            None => self.nodes[parent].first_child = older,
        }
        if let Some(older) = older {
            self.nodes[older].newer = newer;
        }
        match self.nodes.remove(id).as_bytes() {
            b"+" => self.nodes[parent].plus = None,
            b"#" => self.nodes[parent].hash = None,
            text => self.remove_edge(parent, text, id),
        }
    }

    fn add_edge(&mut self, parent: NodeId, text: &[u8], id: NodeId) {
        let Self {
            edges,
            nodes,
            hasher,
            ..
        } = self;
        edges.insert(hasher.edge(parent, hasher.text(text)), id, |id| {
            let node = &nodes[id];
            hasher.edge(node.parent, hasher.text(node.level.as_bytes()))
        });
    }

    fn remove_edge(&mut self, parent: NodeId, text: &[u8], id: NodeId) {
        self.edges
            .remove(self.hasher.edge(parent, self.hasher.text(text)), id);
    }
}
