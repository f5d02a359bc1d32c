//! Retained Messages: those that are at home in this shard, and those on their way to a Session.
//!
//! A topic's home is one of the shards, by its hash. A SUBSCRIBE asks every shard that can have
//! matches, and takes them batch by batch as fast as its Client does:
//!
//! ```text
//!   Session's shard                     home of some topics
//!   RetainedRead(filter) ─────────────▶ a cursor over its tree
//!        ◀───────────── RetainedBatch    at most RETAINED_BATCH messages
//!   …all sent, room again…
//!   RetainedRead ─────────────────────▶
//!        ◀───────────── RetainedBatch (end)
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use dunlin_packet::{QoS, TopicFilter, TopicName};
use foldhash::fast::FixedState;

use crate::id::ShardId;
use crate::limits::Limits;
use crate::message::Message;
use crate::peer::RETAINED_BATCH;
use crate::session::SubscriptionIds;
use crate::time::Timestamp;
use crate::topic_tree::{Cursor, NodeId, Step, TopicTree};

/// Nodes of the tree that one batch may look at; so that a filter that matches little in a large
/// tree does not hold up the shard.
const BATCH_BUDGET: u32 = 10_000;

/// The Retained Messages of the topics that are at home in one shard.
pub(crate) struct Retained {
    tree: TopicTree<Option<Message>>,
    bytes: usize,
    /// Those that expire, by when.
    expiring: BTreeSet<(Timestamp, NodeId)>,
    readers: HashMap<(ShardId, u64), Reader, FixedState>,
}

/// Somebody who reads them.
struct Reader {
    filter: Arc<str>,
    cursor: Cursor,
}

/// How far a walk over all Retained Messages has come.
#[derive(Default)]
pub(crate) struct RetainedCursor(usize);

/// There is no room for a further Retained Message.
#[derive(Debug)]
pub(crate) struct RetainedFull;

impl Retained {
    pub(crate) fn new(seed: u64) -> Self {
        Retained {
            tree: TopicTree::new(seed),
            bytes: 0,
            expiring: BTreeSet::new(),
            readers: HashMap::default(),
        }
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether a message can be kept.
    pub(crate) fn has_room(&self, message: &Message, limits: &Limits) -> bool {
        if message.payload().is_empty() {
            return true;
        }
        let known = self.tree.find(message.topic());
        let last = known.and_then(|node| self.tree.get(node)?.as_ref());
        let others = self.bytes - last.map_or(0, Message::size);
        others + message.size() <= limits.retained_bytes
            && (known.is_some() || self.tree.len() < limits.retained_messages)
    }

    /// Sets a topic's Retained Message, or clears it if the payload is empty.
    /// `[MQTT-3.3.1-5]`, `[MQTT-3.3.1-6]`
    pub(crate) fn set(&mut self, message: Message, limits: &Limits) -> Result<(), RetainedFull> {
        if message.payload().is_empty() {
            if let Some(node) = self.tree.find(message.topic()) {
                self.clear(node);
            }
            return Ok(());
        }
        if !self.has_room(&message, limits) {
            return Err(RetainedFull);
        }
        let known = self.tree.find(message.topic());
        let expires_at = message.expires_at();
        self.bytes += message.size();
        let (node, place) = match known {
            Some(node) => (node, self.tree.get_mut(node).expect("it was just found")),
            None => self.tree.entry(message.topic()),
        };
        let last = place.replace(message);
        self.forget(node, last.as_ref());
        if expires_at != Timestamp::NEVER {
            self.expiring.insert((expires_at, node));
        }
        Ok(())
    }

    fn clear(&mut self, node: NodeId) {
        if let Some(last) = self.tree.remove(node) {
            self.forget(node, last.as_ref());
        }
    }

    /// Takes a message that is no longer kept out of the accounts.
    fn forget(&mut self, node: NodeId, message: Option<&Message>) {
        if let Some(message) = message {
            self.bytes -= message.size();
            if message.expires_at() != Timestamp::NEVER {
                self.expiring.remove(&(message.expires_at(), node));
            }
        }
    }

    /// When the next one expires.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.expiring.first().map(|&(at, _)| at)
    }

    /// Removes those that have expired.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some(&(at, node)) = self.expiring.first()
            && at <= now
        {
            self.expiring.pop_first();
            self.clear(node);
        }
    }

    /// The next batch for a reader, and whether it is the last. `filter` is given the first time.
    pub(crate) fn read(
        &mut self,
        now: Timestamp,
        reader: (ShardId, u64),
        filter: Option<Arc<str>>,
    ) -> (Vec<Message>, bool) {
        if let Some(filter) = filter {
            self.readers.insert(
                reader,
                Reader {
                    filter,
                    cursor: Cursor::default(),
                },
            );
        }
        let Some(Reader { filter, cursor }) = self.readers.get_mut(&reader) else {
            return (Vec::new(), true);
        };
        let mut found = Vec::with_capacity(RETAINED_BATCH);
        let mut budget = BATCH_BUDGET;
        let mut end = false;
        while found.len() < RETAINED_BATCH {
            match self.tree.next_matching_topic(filter, cursor, &mut budget) {
                Step::Match(_, message) => found.extend(message),
                Step::Paused => break,
                Step::Done => {
                    end = true;
                    break;
                }
            }
        }
        // The messages lie all over the memory, which can look for many at a time; but not while
        // references are counted. So all are looked at before the first is cloned.
        found.retain(|message| message.expires_at() > now);
        let messages = found.into_iter().cloned().collect();
        if end {
            self.readers.remove(&reader);
        }
        (messages, end)
    }

    /// A reader wants no more.
    pub(crate) fn close(&mut self, reader: (ShardId, u64)) {
        self.readers.remove(&reader);
    }

    /// The next of all, at most `count`, and whether they are the last. What is there from the first
    /// call to the last is among them.
    pub(crate) fn walk(&self, cursor: &mut RetainedCursor, count: usize) -> (Vec<Message>, bool) {
        let RetainedCursor(from) = *cursor;
        let Some(places) = self.tree.values_at(from, count) else {
            return (Vec::new(), true);
        };
        cursor.0 += count;
        (places.flatten().cloned().collect(), false)
    }

    /// All of them, for dumps and checks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.tree.iter().filter_map(|(_, message)| message.as_ref())
    }
}

/// Retained Messages on their way from one home to a Session.
pub(crate) struct RetainedStream {
    /// This shard's number for it.
    pub(crate) id: u64,
    pub(crate) home: ShardId,
    pub(crate) filter: Arc<str>,
    /// The QoS that was granted.
    pub(crate) qos: QoS,
    pub(crate) subscription_ids: SubscriptionIds,
    /// All shards know the filter: what is retained from now on comes by itself.
    follows: bool,
    /// A first batch has been asked for.
    begun: bool,
    /// Topics, by hash, whose Retained Message was replaced meanwhile, and whose new one the
    /// Session has been sent: what comes of them here would be older, or the same again.
    seen: HashSet<u64, FixedState>,
}

impl RetainedStream {
    /// Topics remembered at most. Beyond, a topic that is replaced just now may be sent once more
    /// with the value that the Session has.
    const SEEN: usize = 100_000;

    pub(crate) fn new(
        id: u64,
        home: ShardId,
        filter: Arc<str>,
        qos: QoS,
        subscription_ids: SubscriptionIds,
    ) -> Self {
        let seen = HashSet::default();
        RetainedStream {
            id,
            home,
            filter,
            qos,
            subscription_ids,
            follows: false,
            begun: false,
            seen,
        }
    }

    /// The Session was sent a message that replaces a topic's Retained Message.
    fn supersede(&mut self, topic_hash: u64) {
        if self.follows && self.seen.len() < Self::SEEN {
            self.seen.insert(topic_hash);
        }
    }

    /// Whether a topic's Retained Message has been superseded; the hash is asked for only where any
    /// was.
    pub(crate) fn is_superseded(&self, topic_hash: impl FnOnce() -> u64) -> bool {
        !self.seen.is_empty() && self.seen.contains(&topic_hash())
    }
}

/// All Retained Messages on their way to one Session: one stream per subscription and home.
#[derive(Default)]
pub(crate) struct RetainedStreams {
    by_id: BTreeMap<u64, RetainedStream>,
    by_filter: BTreeSet<(Arc<str>, u64)>,
    /// Those that have begun, or may, and of which no batch is on its way; oldest first.
    idle: BTreeSet<u64>,
}

impl RetainedStreams {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds a stream that is not to begin yet.
    pub(crate) fn insert(&mut self, stream: RetainedStream) {
        self.by_filter.insert((stream.filter.clone(), stream.id));
        self.by_id.insert(stream.id, stream);
    }

    /// From now on a stream takes note of what comes by itself.
    pub(crate) fn follow(&mut self, id: u64) {
        if let Some(stream) = self.by_id.get_mut(&id) {
            stream.follows = true;
        }
    }

    /// A stream may begin.
    pub(crate) fn begin(&mut self, id: u64) {
        if self.by_id.contains_key(&id) {
            self.idle.insert(id);
        }
    }

    /// Puts a stream back whose batch has been used.
    pub(crate) fn put_back(&mut self, stream: RetainedStream) {
        self.idle.insert(stream.id);
        self.insert(stream);
    }

    /// Takes one out: to use its batch, or for good.
    pub(crate) fn remove(&mut self, id: u64) -> Option<RetainedStream> {
        let stream = self.by_id.remove(&id)?;
        self.idle.remove(&id);
        self.by_filter.remove(&(stream.filter.clone(), id));
        Some(stream)
    }

    /// Takes out all of one filter.
    pub(crate) fn remove_filter(&mut self, filter: &str) -> Vec<RetainedStream> {
        let filter = Arc::<str>::from(filter);
        let range = (filter.clone(), 0)..=(filter, u64::MAX);
        let ids: Vec<u64> = self.by_filter.range(range).map(|(_, id)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    pub(crate) fn into_streams(self) -> impl Iterator<Item = RetainedStream> {
        self.by_id.into_values()
    }

    /// Whose next batch is to be asked for: its home, its number, and, for the first, the filter.
    pub(crate) fn ask(&mut self) -> Option<(ShardId, u64, Option<Arc<str>>)> {
        let id = self.idle.pop_first()?;
        let stream = self.by_id.get_mut(&id).expect("an idle stream exists");
        let first = !std::mem::replace(&mut stream.begun, true);
        Some((stream.home, id, first.then(|| stream.filter.clone())))
    }

    /// The Session was sent a message that replaces the Retained Message of a topic.
    pub(crate) fn supersede(&mut self, topic: TopicName<'_>, topic_hash: u64) {
        for stream in self.by_id.values_mut() {
            if TopicFilter::parse(&stream.filter).is_ok_and(|filter| filter.matches(topic)) {
                stream.supersede(topic_hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_still_replaces_and_clears() {
        let message = |topic, payload| Message::new(topic, payload, QoS::AtLeastOnce, true);
        let first = message("a", b"1");
        let limits = Limits {
            retained_bytes: first.size(),
            ..Limits::default()
        };
        let mut retained = Retained::new(0);
        assert!(retained.set(first, &limits).is_ok());
        assert!(retained.set(message("b", b"1"), &limits).is_err());
        assert!(
            retained.set(message("a", b"2"), &limits).is_ok(),
            "in the room of the last one"
        );
        assert!(
            retained.has_room(&message("b", b""), &limits),
            "clearing needs no room"
        );
        assert!(retained.set(message("a", b""), &limits).is_ok());
        assert_eq!(retained.len(), 0);
    }
}
