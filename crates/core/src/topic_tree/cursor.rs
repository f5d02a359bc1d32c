//! Keys as Topic Names: which of them a Topic Filter matches, a few at a time.

use super::level::level_at;
use super::{NodeId, TopicTree};

/// How far [`TopicTree::next_matching_topic`] has come; the default is the beginning.
///
/// 32 bytes for each level at which the filter has a choice: one per `+`, and below a `#` as many
/// as the keys there have levels.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    begun: bool,
    /// The innermost last.
    choices: Vec<Choice>,
}

/// A node of which more than one child may match, and the children that are still to be seen.
///
/// Children are listed from the newest to the oldest and new ones join in front, behind the
/// cursor, so the remaining ones are always those whose serial is at most `upto`. `next` is where
/// in the list to look for them. It may have been removed meanwhile, and then still points
/// towards older siblings; or its slot has been given to another node, a newer sibling, or none.
#[derive(Clone, Debug)]
struct Choice {
    parent: NodeId,
    parent_serial: u64,
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
    /// The next key that, as a Topic Name, is matched by the Topic Filter `filter`: the same one
    /// in every call with the same `cursor`.
    ///
    /// The tree may change between calls. A key that is there from the first call to the last is
    /// given exactly once; one that is added or removed meanwhile, at most once. The order is
    /// unspecified.
    ///
    /// `budget` is the number of nodes that may be looked at, and is counted down. Between two
    /// wildcards the filter is followed without a pause, one probe for each of its levels.
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
            let parent = self.node(choice.parent);
            let Some(id) = choice
                .next
                .filter(|_| parent.serial == choice.parent_serial)
            else {
                cursor.choices.pop();
                continue;
            };
            let node = self.node(id);
            if node.parent != choice.parent {
                choice.next = parent.first_child;
                continue;
            }
            choice.next = node.older;
            if node.serial > choice.upto {
                continue;
            }
            choice.upto = node.serial - 1;
            if choice.parent == NodeId::ROOT && node.level.as_bytes().starts_with(b"$") {
                continue;
            }
            let rest = match level_at(filter, choice.at) {
                (b"#", _) => choice.at,
                (_, next) => next,
            };
            if let Some((id, value)) = self.follow(filter, id, rest, cursor, budget) {
                return Step::Match(id, value);
            }
        }
        Step::Done
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
            let is_wildcard = matches!(text, b"+" | b"#");
            if is_wildcard {
                let node = self.node(id);
                if let Some(first) = node.first_child {
                    cursor.choices.push(Choice {
                        parent: id,
                        parent_serial: node.serial,
                        next: Some(first),
                        upto: self.node(first).serial,
                        at,
                    });
                }
                if text == b"+" {
                    return None;
                }
                break;
            }
            *budget = budget.saturating_sub(1);
            id = self.named_child(id, text)?;
            at = next;
        }
        Some((id, self.get(id)?))
    }
}
