//! Keys as Topic Names: which of them a Topic Filter matches, a few at a time.

use super::level::level_at;
use super::{NodeId, TopicTree};

/// How many bytes of a filter take about as long to hash as a node to look at.
const BYTES_PER_NODE: usize = 64;

/// How far [`TopicTree::next_matching_topic`] has come; the default is the beginning.
///
/// 24 bytes for each level at which there is still a choice: at most one per `+`, and one for each
/// level that keys have below a `#`.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    begun: bool,
    /// The innermost last.
    choices: Vec<Choice>,
}

/// A node of which any child may match, and the children that are still to be looked at.
///
/// Children are listed from the newest to the oldest, and new ones join in front, behind the
/// cursor: the remaining ones are always those whose serial is at most `upto`. So it does not
/// matter if `parent` is removed and its slot used for another node: all children of that are
/// newer.
///
/// The list is followed from `next`, whatever that has become: a removed node still points to the
/// older siblings it had; a slot that is now a newer sibling leads to all that are older; and from
/// a child of another node, the list is followed from the front.
#[derive(Clone, Debug)]
struct Choice {
    parent: NodeId,
    next: Option<NodeId>,
    upto: u64,
    /// Where in the filter the wildcard is that the children are to match.
    at: usize,
}

/// What [`TopicTree::next_matching_topic`] came to.
#[derive(Debug)]
pub enum Step<'t, V> {
    /// The next matching key.
    Match(NodeId, &'t V),
    /// The budget is used up; there may be more.
    Paused,
    /// There are no more.
    Done,
}

impl<V> TopicTree<V> {
    /// The next key that, as a Topic Name, is matched by the Topic Filter `filter`. A cursor
    /// belongs to one tree and one filter.
    ///
    /// The tree may change between calls. A key that is there from the first call to the last is
    /// given exactly once; one that is added or removed meanwhile, at most once. The order is
    /// unspecified.
    ///
    /// `budget` is the number of nodes that may be looked at, and is counted down, so that several
    /// lookups can share it. Between two wildcards the filter is followed without a pause, and
    /// its longer levels count for more than one node.
    ///
    /// The wildcards mean the same as in [`matching_filters`](Self::matching_filters).
    pub fn next_matching_topic(
        &self,
        filter: &str,
        cursor: &mut Cursor,
        budget: &mut u32,
    ) -> Step<'_, V> {
        if !cursor.begun {
            cursor.begun = true;
            if let Some((id, value)) = self.follow(filter, NodeId::ROOT, 0, cursor, budget) {
                return Step::Match(id, value);
            }
        }
        while let Some(choice) = cursor.choices.last_mut() {
            if *budget == 0 {
                return Step::Paused;
            }
            *budget -= 1;
            let (at, child) = (choice.at, self.next_child(choice));
            if choice.next.is_none() {
                cursor.choices.pop();
            }
            let Some(id) = child else { continue };
            let rest = match level_at(filter, at) {
                (b"#", _) => at,
                (_, next) => next,
            };
            if let Some((id, value)) = self.follow(filter, id, rest, cursor, budget) {
                return Step::Match(id, value);
            }
        }
        Step::Done
    }

    /// Takes one step along the children of a choice: to the next one, or towards it.
    fn next_child(&self, choice: &mut Choice) -> Option<NodeId> {
        let id = choice.next.take()?;
        let node = &self.nodes[id];
        if node.parent != choice.parent {
            choice.next = self.nodes[choice.parent].first_child;
            return None;
        }
        choice.next = node.older;
        if node.serial > choice.upto {
            return None;
        }
        choice.upto = node.serial - 1;
        let hidden = choice.parent == NodeId::ROOT && node.level.as_bytes().starts_with(b"$");
        (!hidden).then_some(id)
    }

    /// Follows the literal levels of `filter` from `at` down from `id`, to the key where it ends,
    /// or to the next wildcard, which becomes a choice. `#` matches the level above it as well.
    fn follow(
        &self,
        filter: &str,
        mut id: NodeId,
        mut at: usize,
        cursor: &mut Cursor,
        budget: &mut u32,
    ) -> Option<(NodeId, &V)> {
        while at <= filter.len() {
            let (text, next) = level_at(filter, at);
            match text {
                b"+" => {
                    cursor.choices.extend(self.choice(id, at));
                    return None;
                }
                b"#" => {
                    cursor.choices.extend(self.choice(id, at));
                    break;
                }
                _ => {
                    let cost = 1 + text.len() / BYTES_PER_NODE;
                    *budget = budget.saturating_sub(cost as u32);
                    id = self.named_child(id, text, self.hasher.text(text))?;
                    at = next;
                }
            }
        }
        Some((id, self.get(id)?))
    }

    /// The choice between all children of `parent`, if there are any.
    fn choice(&self, parent: NodeId, at: usize) -> Option<Choice> {
        let next = self.nodes[parent].first_child;
        let upto = self.nodes[next?].serial;
        Some(Choice {
            parent,
            next,
            upto,
            at,
        })
    }
}
