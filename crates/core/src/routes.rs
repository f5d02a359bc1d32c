//! From a Topic Name to all who want its messages: Sessions, Shared Subscriptions and other shards.

use std::collections::HashMap;

use dunlin_packet::SubscriptionOptions;
use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::id::{SessionId, ShardId, ShardSet};
use crate::shared::GroupId;
use crate::topic_tree::{NodeId, TopicTree};

/// A Session's subscription, as it lies with its filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) session: SessionId,
    /// The Subscription Identifier; 0: none.
    pub(crate) id: u32,
    pub(crate) options: SubscriptionOptions,
}

/// All who want the messages that one Topic Filter matches.
#[derive(Default)]
pub(crate) struct Destinations {
    subscribers: Subscribers,
    others: Option<Box<Others>>,
}

/// The rarer kinds of destination.
#[derive(Default)]
struct Others {
    groups: SmallVec<[GroupId; 2]>,
    peers: ShardSet,
}

/// The Sessions that have subscribed to one filter: one in place, some in a row, many by number.
#[expect(
    clippy::box_collection,
    reason = "the rare kind does not make the usual one larger"
)]
enum Subscribers {
    Few(SmallVec<[Subscription; 1]>),
    Many(Box<HashMap<SessionId, Subscription, FixedState>>),
}

impl Default for Subscribers {
    fn default() -> Self {
        Subscribers::Few(SmallVec::new())
    }
}

/// What matched one Topic Name. Kept between messages for its memory.
#[derive(Default)]
pub(crate) struct Matches {
    /// Filters to which Sessions of this shard have subscribed.
    pub(crate) filters: Vec<NodeId>,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) peers: ShardSet,
    /// The topic, and how often the routes had changed when it was looked up.
    topic: String,
    changes: u64,
}

impl Matches {
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.groups.is_empty() && self.peers.is_empty()
    }
}

/// What a new subscription has changed.
pub(crate) struct Subscribed {
    pub(crate) filter: NodeId,
    /// The Session had subscribed to the filter before.
    pub(crate) existed: bool,
    /// Nobody in this shard had subscribed to it before.
    pub(crate) first: bool,
}

impl Subscribers {
    const FEW: usize = 16;

    fn is_empty(&self) -> bool {
        match self {
            Subscribers::Few(few) => few.is_empty(),
            Subscribers::Many(many) => many.is_empty(),
        }
    }

    /// Sets a Session's subscription; true: it had one.
    fn insert(&mut self, subscription: Subscription) -> bool {
        match self {
            Subscribers::Few(few) => {
                let session = subscription.session;
                if let Some(known) = few.iter_mut().find(|known| known.session == session) {
                    *known = subscription;
                    return true;
                }
                if few.len() < Self::FEW {
                    few.push(subscription);
                } else {
                    let all = few.drain(..).chain([subscription]);
                    let many = all.map(|subscription| (subscription.session, subscription));
                    *self = Subscribers::Many(Box::new(many.collect()));
                }
                false
            }
            Subscribers::Many(many) => many.insert(subscription.session, subscription).is_some(),
        }
    }

    fn remove(&mut self, session: SessionId) -> bool {
        match self {
            Subscribers::Few(few) => {
                let at = few.iter().position(|known| known.session == session);
                at.map(|at| few.remove(at)).is_some()
            }
            Subscribers::Many(many) => many.remove(&session).is_some(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Subscription> {
        let (few, many) = match self {
            Subscribers::Few(few) => (few.as_slice(), None),
            Subscribers::Many(many) => (&[][..], Some(many.values())),
        };
        few.iter().chain(many.into_iter().flatten())
    }
}

impl Destinations {
    /// Whether somebody in this shard wants the messages.
    fn is_local(&self) -> bool {
        let groups = self
            .others
            .as_ref()
            .is_some_and(|others| !others.groups.is_empty());
        groups || !self.subscribers.is_empty()
    }

    fn others(&mut self) -> &mut Others {
        self.others.get_or_insert_default()
    }
}

/// The routing table of one shard.
pub(crate) struct Routes {
    tree: TopicTree<Destinations>,
    /// Subscriptions of Sessions in this shard.
    subscriptions: usize,
    /// How often anything has changed, from 1.
    changes: u64,
}

impl Routes {
    pub(crate) fn new(seed: u64) -> Self {
        Routes {
            tree: TopicTree::new(seed),
            subscriptions: 0,
            changes: 1,
        }
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Finds all that match a Topic Name. Publishers repeat themselves: if `matches` still holds what
    /// was found for the same topic, and nothing has changed since, it is not looked up again.
    #[inline]
    pub(crate) fn find(&self, topic: &str, matches: &mut Matches) {
        if matches.changes == self.changes && matches.topic == topic {
            return;
        }
        matches.changes = self.changes;
        matches.topic.clear();
        matches.topic.push_str(topic);
        matches.filters.clear();
        matches.groups.clear();
        matches.peers = ShardSet::EMPTY;
        self.tree
            .matching_filters(topic, &mut |filter, destinations: &Destinations| {
                if !destinations.subscribers.is_empty() {
                    matches.filters.push(filter);
                }
                if let Some(others) = &destinations.others {
                    matches.groups.extend_from_slice(&others.groups);
                    matches.peers = matches.peers.union(others.peers);
                }
            });
    }

    /// The subscriptions to a filter that [`find`](Self::find) gave.
    #[inline]
    pub(crate) fn subscribers(&self, filter: NodeId) -> impl Iterator<Item = &Subscription> {
        self.tree
            .get(filter)
            .into_iter()
            .flat_map(|destinations| destinations.subscribers.iter())
    }

    /// The tree, for a change.
    fn tree_mut(&mut self) -> &mut TopicTree<Destinations> {
        self.changes += 1;
        &mut self.tree
    }

    pub(crate) fn subscribe(&mut self, filter: &str, subscription: Subscription) -> Subscribed {
        let (filter, destinations) = self.tree_mut().entry(filter);
        let first = !destinations.is_local();
        let existed = destinations.subscribers.insert(subscription);
        self.subscriptions += usize::from(!existed);
        Subscribed {
            filter,
            existed,
            first,
        }
    }

    /// The filter's place, if this Session has subscribed to it.
    pub(crate) fn subscription(&self, session: SessionId, filter: &str) -> Option<NodeId> {
        let filter = self.tree.find(filter)?;
        self.subscribers(filter)
            .any(|known| known.session == session)
            .then_some(filter)
    }

    /// Ends a Session's subscription. True: it was the last of this shard to the filter.
    pub(crate) fn unsubscribe(&mut self, filter: NodeId, session: SessionId) -> bool {
        let Some(destinations) = self.tree_mut().get_mut(filter) else {
            return false;
        };
        let removed = destinations.subscribers.remove(session);
        let last = removed && !destinations.is_local();
        self.subscriptions -= usize::from(removed);
        last
    }

    /// The text of a filter.
    pub(crate) fn filter(&self, filter: NodeId) -> String {
        let mut text = String::new();
        self.tree.write_key(filter, &mut text);
        text
    }

    /// Frees a filter that nobody wants any more.
    pub(crate) fn prune(&mut self, filter: NodeId) {
        if self.tree.get(filter).is_some_and(|destinations| {
            let peers = destinations
                .others
                .as_ref()
                .is_some_and(|others| !others.peers.is_empty());
            !destinations.is_local() && !peers
        }) {
            self.tree_mut().remove(filter);
        }
    }

    /// Adds a Shared Subscription. True: nobody in this shard had wanted the filter before.
    pub(crate) fn add_group(&mut self, filter: &str, group: GroupId) -> bool {
        let (_, destinations) = self.tree_mut().entry(filter);
        let first = !destinations.is_local();
        destinations.others().groups.push(group);
        first
    }

    /// Removes a Shared Subscription. True: nobody in this shard wants the filter any more.
    pub(crate) fn remove_group(&mut self, filter: &str, group: GroupId) -> bool {
        let Some(node) = self.tree.find(filter) else {
            return false;
        };
        let Some(destinations) = self.tree_mut().get_mut(node) else {
            return false;
        };
        destinations.others().groups.retain(|known| *known != group);
        let last = !destinations.is_local();
        self.prune(node);
        last
    }

    /// Another shard wants the messages that a filter matches.
    pub(crate) fn add_peer(&mut self, filter: &str, peer: ShardId) {
        let (_, destinations) = self.tree_mut().entry(filter);
        destinations.others().peers.insert(peer);
    }

    /// Another shard does not want them any more.
    pub(crate) fn remove_peer(&mut self, filter: &str, peer: ShardId) {
        let Some(node) = self.tree.find(filter) else {
            return;
        };
        if let Some(destinations) = self.tree_mut().get_mut(node) {
            destinations.others().peers.remove(peer);
        }
        self.prune(node);
    }
}
