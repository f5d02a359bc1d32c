//! Which filters a Session has subscribed to. The options lie with the filter.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::topic_tree::NodeId;

/// The set of filters of one Session: a few in place, many in a hash set.
#[expect(
    clippy::box_collection,
    reason = "the rare kind does not make the usual one larger"
)]
pub(crate) enum Subscriptions {
    Few(SmallVec<[NodeId; 4]>),
    Many(Box<HashSet<NodeId, FixedState>>),
}

impl Default for Subscriptions {
    fn default() -> Self {
        Subscriptions::Few(SmallVec::new())
    }
}

impl Subscriptions {
    const FEW: usize = 32;

    pub(crate) fn len(&self) -> usize {
        match self {
            Subscriptions::Few(few) => few.len(),
            Subscriptions::Many(many) => many.len(),
        }
    }

    pub(crate) fn insert(&mut self, filter: NodeId) {
        match self {
            Subscriptions::Few(few) if few.contains(&filter) => {}
            Subscriptions::Few(few) if few.len() < Self::FEW => few.push(filter),
            Subscriptions::Few(few) => {
                let many = few.drain(..).chain([filter]).collect();
                *self = Subscriptions::Many(Box::new(many));
            }
            Subscriptions::Many(many) => {
                many.insert(filter);
            }
        }
    }

    pub(crate) fn remove(&mut self, filter: NodeId) {
        match self {
            Subscriptions::Few(few) => {
                if let Some(at) = few.iter().position(|&id| id == filter) {
                    few.swap_remove(at);
                }
            }
            Subscriptions::Many(many) => {
                many.remove(&filter);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = NodeId> {
        let (few, many) = match self {
            Subscriptions::Few(few) => (Some(few.iter()), None),
            Subscriptions::Many(many) => (None, Some(many.iter())),
        };
        few.into_iter()
            .flatten()
            .chain(many.into_iter().flatten())
            .copied()
    }
}
