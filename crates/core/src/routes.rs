//! From a Topic Name to all who want its messages: Sessions, Shared Subscriptions and other shards.

use std::collections::HashMap;

use dunlin_packet::{SubscriptionOptions, TopicFilter, TopicName};
use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::id::{SessionId, ShardId, ShardSet};
use crate::journal::Durability;
use crate::message::Message;
use crate::shared::GroupId;
use crate::topic_tree::{NodeId, TopicTree};

/// A Session's subscription, as it lies with its filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) session: SessionId,
    /// The Subscription Identifier; 0: none.
    pub(crate) id: u32,
    pub(crate) options: SubscriptionOptions,
    /// Whether the Session outlives the process.
    pub(crate) durability: Durability,
}

/// All who want the messages that one Topic Filter matches.
#[derive(Default)]
pub(crate) struct Destinations {
    subscribers: Subscribers,
    /// Subscribers and Shared Subscriptions that outlive the process.
    durable: u32,
    others: Option<Box<Others>>,
}

/// The rarer kinds of destination.
#[derive(Default)]
struct Others {
    groups: SmallVec<[GroupId; 2]>,
    peers: ShardSet,
    /// Peers where somebody who wants them outlives the process.
    durable_peers: ShardSet,
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
    /// Whether anybody among all these outlives the process.
    pub(crate) durability: Durability,
    /// Whether the log keeps the message in any case.
    pub(crate) is_kept: bool,
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
    /// What the other shards have to know now, if that has changed.
    pub(crate) news: Option<Interest>,
}

/// What the other shards know of this one's interest in the messages that a filter matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nobody here wants them.
    None,
    /// Somebody wants them, and what is the most durable among these.
    Some(Durability),
}

impl Subscribers {
    const FEW: usize = 16;

    fn is_empty(&self) -> bool {
        match self {
            Subscribers::Few(few) => few.is_empty(),
            Subscribers::Many(many) => many.is_empty(),
        }
    }

    /// Sets a Session's subscription; gives the one that it had.
    fn insert(&mut self, subscription: Subscription) -> Option<Subscription> {
        match self {
            Subscribers::Few(few) => {
                let session = subscription.session;
                if let Some(known) = few.iter_mut().find(|known| known.session == session) {
                    return Some(std::mem::replace(known, subscription));
                }
                if few.len() < Self::FEW {
                    few.push(subscription);
                } else {
                    let all = few.drain(..).chain([subscription]);
                    let many = all.map(|subscription| (subscription.session, subscription));
                    *self = Subscribers::Many(Box::new(many.collect()));
                }
                None
            }
            Subscribers::Many(many) => many.insert(subscription.session, subscription),
        }
    }

    fn remove(&mut self, session: SessionId) -> Option<Subscription> {
        match self {
            Subscribers::Few(few) => {
                let at = few.iter().position(|known| known.session == session)?;
                Some(few.remove(at))
            }
            Subscribers::Many(many) => many.remove(&session),
        }
    }

    fn get(&self, session: SessionId) -> Option<&Subscription> {
        match self {
            Subscribers::Few(few) => few.iter().find(|known| known.session == session),
            Subscribers::Many(many) => many.get(&session),
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

    /// What other shards are to know.
    fn interest(&self) -> Interest {
        match (self.is_local(), self.durable) {
            (false, _) => Interest::None,
            (true, 0) => Interest::Some(Durability::Memory),
            (true, _) => Interest::Some(Durability::Log),
        }
    }

    /// Changes who wants the messages; gives what other shards have to know of it, if anything.
    fn change<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> (T, Option<Interest>) {
        let before = self.interest();
        let result = change(self);
        let after = self.interest();
        (result, (after != before).then_some(after))
    }

    fn add_durable(&mut self, durability: Durability) {
        self.durable += u32::from(durability == Durability::Log);
    }

    fn remove_durable(&mut self, durability: Durability) {
        self.durable -= u32::from(durability == Durability::Log);
    }
}

/// The routing table of one shard.
pub(crate) struct Routes {
    tree: TopicTree<Destinations>,
    /// Filters of messages that the log keeps in any case.
    kept: Vec<String>,
    /// Subscriptions of Sessions in this shard.
    subscriptions: usize,
    /// How often anything has changed, from 1.
    changes: u64,
}

impl Routes {
    pub(crate) fn new(seed: u64, kept: Vec<String>) -> Self {
        Routes {
            tree: TopicTree::new(seed),
            kept,
            subscriptions: 0,
            changes: 1,
        }
    }

    /// Whether there are messages that the log keeps in any case.
    pub(crate) fn keeps_any(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether the messages of a topic are among these.
    pub(crate) fn keeps(&self, topic: &str) -> bool {
        let Ok(topic) = TopicName::parse(topic) else {
            return false;
        };
        let matches =
            |filter: &String| TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic));
        self.kept.iter().any(matches)
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Finds all that match the Topic Name of a message, as [`find`](Self::find).
    #[inline]
    pub(crate) fn find_for(&self, message: &Message, matches: &mut Matches) {
        if !self.has_found(message.topic_bytes(), matches) {
            self.find(message.topic(), matches);
        }
    }

    /// Whether `matches` holds what was found for a topic, and nothing has changed since.
    #[inline]
    fn has_found(&self, topic: &[u8], matches: &Matches) -> bool {
        matches.changes == self.changes && matches.topic.as_bytes() == topic
    }

    /// Finds all that match a Topic Name. Publishers repeat themselves: what `matches` holds already is
    /// not looked up again.
    #[inline]
    pub(crate) fn find(&self, topic: &str, matches: &mut Matches) {
        if self.has_found(topic.as_bytes(), matches) {
            return;
        }
        matches.changes = self.changes;
        matches.topic.clear();
        matches.topic.push_str(topic);
        matches.filters.clear();
        matches.groups.clear();
        matches.peers = ShardSet::EMPTY;
        matches.durability = Durability::Memory;
        matches.is_kept = self.keeps_any() && self.keeps(topic);
        self.tree
            .matching_filters(topic, &mut |filter, destinations: &Destinations| {
                if destinations.durable > 0 {
                    matches.durability = Durability::Log;
                }
                if !destinations.subscribers.is_empty() {
                    matches.filters.push(filter);
                }
                if let Some(others) = &destinations.others {
                    matches.groups.extend_from_slice(&others.groups);
                    matches.peers = matches.peers.union(others.peers);
                    if !others.durable_peers.is_empty() {
                        matches.durability = Durability::Log;
                    }
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
        let (last, news) = destinations.change(|destinations| {
            let last = destinations.subscribers.insert(subscription);
            destinations.add_durable(subscription.durability);
            if let Some(last) = last {
                destinations.remove_durable(last.durability);
            }
            last
        });
        self.subscriptions += usize::from(last.is_none());
        Subscribed {
            filter,
            existed: last.is_some(),
            news,
        }
    }

    /// The filter's place, if this Session has subscribed to it.
    pub(crate) fn find_subscription(&self, session: SessionId, filter: &str) -> Option<NodeId> {
        let filter = self.tree.find(filter)?;
        self.subscription(session, filter)
            .is_some()
            .then_some(filter)
    }

    /// A Session's subscription to a filter.
    pub(crate) fn subscription(&self, session: SessionId, filter: NodeId) -> Option<&Subscription> {
        self.tree.get(filter)?.subscribers.get(session)
    }

    /// Ends a Session's subscription; gives what the other shards have to know, if that has changed.
    pub(crate) fn unsubscribe(&mut self, filter: NodeId, session: SessionId) -> Option<Interest> {
        let destinations = self.tree_mut().get_mut(filter)?;
        let (removed, news) = destinations.change(|destinations| {
            let removed = destinations.subscribers.remove(session)?;
            destinations.remove_durable(removed.durability);
            Some(removed)
        });
        self.subscriptions -= usize::from(removed.is_some());
        news
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

    /// Adds a Shared Subscription, which is not durable; gives what the other shards have to know.
    pub(crate) fn add_group(&mut self, filter: &str, group: GroupId) -> Option<Interest> {
        let (_, destinations) = self.tree_mut().entry(filter);
        let change = |destinations: &mut Destinations| destinations.others().groups.push(group);
        destinations.change(change).1
    }

    /// A Shared Subscription has become durable, or is so no more.
    pub(crate) fn change_group(
        &mut self,
        filter: &str,
        durability: Durability,
    ) -> Option<Interest> {
        let (_, destinations) = self.tree_mut().entry(filter);
        let change = |destinations: &mut Destinations| match durability {
            Durability::Log => destinations.add_durable(Durability::Log),
            Durability::Memory => destinations.remove_durable(Durability::Log),
        };
        destinations.change(change).1
    }

    /// Removes a Shared Subscription, which is not durable; gives what the other shards have to
    /// know.
    pub(crate) fn remove_group(&mut self, filter: &str, group: GroupId) -> Option<Interest> {
        let node = self.tree.find(filter)?;
        let destinations = self.tree_mut().get_mut(node)?;
        let remove = |destinations: &mut Destinations| {
            destinations.others().groups.retain(|known| *known != group);
        };
        let (_, news) = destinations.change(remove);
        self.prune(node);
        news
    }

    /// Another shard wants the messages that a filter matches.
    pub(crate) fn add_peer(&mut self, filter: &str, peer: ShardId, durability: Durability) {
        let (_, destinations) = self.tree_mut().entry(filter);
        let others = destinations.others();
        others.peers.insert(peer);
        match durability {
            Durability::Log => others.durable_peers.insert(peer),
            Durability::Memory => others.durable_peers.remove(peer),
        }
    }

    /// Another shard does not want them any more.
    pub(crate) fn remove_peer(&mut self, filter: &str, peer: ShardId) {
        let Some(node) = self.tree.find(filter) else {
            return;
        };
        if let Some(destinations) = self.tree_mut().get_mut(node) {
            let others = destinations.others();
            others.peers.remove(peer);
            others.durable_peers.remove(peer);
        }
        self.prune(node);
    }
}
