//! The Session: what the broker remembers of a Client, with or without a connection.

mod delivery;
mod named;
mod outgoing;
mod subscriptions;

pub use delivery::SubscriptionIds;
pub(crate) use delivery::{Delivery, GroupOrigin};
pub(crate) use outgoing::{Acknowledged, Outgoing, OutgoingPool, Place, Queued, Stage};
pub(crate) use subscriptions::Subscriptions;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use dunlin_packet::PacketId;
use foldhash::fast::FixedState;

use crate::id::{ConnectionId, SessionId};
use crate::journal::{Holder, LogId, RecordedWill};
use crate::message::Message;
use crate::mount::MountPoint;
use crate::policy::{self, Action, Grant};
use crate::replay::Replay;
use crate::retained::RetainedStreams;
use crate::time::Timestamp;

/// One Session. Whatever only some Sessions have is behind an option, so that the million idle
/// ones stay small.
pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    /// The connection that serves it now.
    pub(crate) connection: Option<ConnectionId>,
    /// Seconds that it outlives its connection; 0: it ends with it.
    pub(crate) expiry_interval: u32,
    /// What it is called in the log, if it is there: it outlives its connection, and a crash.
    pub(crate) log_id: LogId,
    /// When it ends, while it has no connection.
    pub(crate) expires_at: Timestamp,
    pub(crate) subscriptions: Subscriptions,
    /// What waits for the Client or for its acknowledgement; present only while there is something.
    pub(crate) outgoing: Option<Box<Outgoing>>,
    /// The Packet Identifier of the next message to the Client.
    pub(crate) next_packet_id: PacketId,
    #[expect(
        clippy::box_collection,
        reason = "most Sessions have none; one word is enough"
    )]
    /// Packet Identifiers of QoS 2 messages received and not released.
    pub(crate) received: Option<Box<HashSet<PacketId, FixedState>>>,
    pub(crate) will: Option<Box<SessionWill>>,
    /// What its Client may do, as found at the last CONNECT; `None`: everything, or there was none
    /// since the Session was restored.
    pub(crate) grant: Option<Box<Grant>>,
    rarities: Option<Box<Rarities>>,
    /// The last message that was due to this Session, and which delivery it has become.
    pub(crate) mark: (u64, u32),
}

/// What few Sessions have.
#[derive(Default)]
struct Rarities {
    /// By group.
    memberships: BTreeMap<Arc<str>, u64>,
    retained_streams: RetainedStreams,
    /// What it reads of the log.
    replays: Vec<Replay>,
}

/// A Will Message that may become due.
pub(crate) struct SessionWill {
    pub(crate) message: Message,
    /// The Message Expiry Interval, which begins when the Will is published.
    pub(crate) expiry_interval: Option<u32>,
    /// The Will Delay Interval in seconds.
    pub(crate) delay_interval: u32,
    /// When it is due, after the connection has been lost.
    pub(crate) due_at: Timestamp,
}

impl SessionWill {
    /// What the log has of it.
    pub(crate) fn recorded(&self) -> RecordedWill {
        RecordedWill {
            message: self.message.clone(),
            expiry_interval: self.expiry_interval,
            delay_interval: self.delay_interval,
        }
    }

    /// From what the log has of it.
    pub(crate) fn restored(will: &RecordedWill) -> Self {
        SessionWill {
            message: will.message.clone(),
            expiry_interval: will.expiry_interval,
            delay_interval: will.delay_interval,
            due_at: Timestamp::NEVER,
        }
    }
}

impl Session {
    pub(crate) fn new(client_id: &str) -> Self {
        Session {
            client_id: client_id.into(),
            connection: None,
            expiry_interval: 0,
            log_id: LogId::NONE,
            expires_at: Timestamp::NEVER,
            subscriptions: Subscriptions::default(),
            outgoing: None,
            next_packet_id: PacketId::new(1).expect("1 is not 0"),
            received: None,
            will: None,
            grant: None,
            rarities: None,
            mark: (0, 0),
        }
    }

    /// Who may use it, as the log has it.
    pub(crate) fn holder(&self) -> Holder {
        let known = |grant: &Grant| Holder {
            user_name: grant.user_name.clone(),
            source: grant.source,
        };
        self.grant.as_deref().map_or(Holder::default(), known)
    }

    /// Who may use it was in the log.
    pub(crate) fn restore_holder(&mut self, holder: Holder) {
        let Holder { user_name, source } = holder;
        self.grant = (user_name.is_some() || source != 0).then(|| {
            Box::new(Grant {
                user_name,
                source,
                ..Grant::default()
            })
        });
    }

    /// Whether its Client may not do everything.
    #[inline]
    pub(crate) fn is_restricted(&self) -> bool {
        let grant = self.grant.as_deref();
        grant.is_some_and(|grant| grant.access.is_some() || grant.mount_point.is_some())
    }

    /// What stands before all topics of its Client.
    #[inline]
    pub(crate) fn mount_point(&self) -> Option<&MountPoint> {
        self.grant.as_ref()?.mount_point.as_ref()
    }

    /// Whether its Client may be sent a message. Most may be sent everything; then the message is not
    /// even looked at.
    #[inline]
    pub(crate) fn may_receive(&self, message: &Message) -> bool {
        !self.is_restricted() || self.may(Action::Receive, message.topic())
    }

    /// Whether its Client may do something: the one place where that is decided.
    #[inline]
    pub(crate) fn may(&self, action: Action, topic: &str) -> bool {
        if action == Action::Publish && policy::is_reserved(topic) {
            return false;
        }
        self.grant
            .as_ref()
            .is_none_or(|grant| grant.allows(action, topic))
    }

    /// The membership in a Shared Subscription.
    pub(crate) fn membership(&self, group: &str) -> Option<u64> {
        let rarities = self.rarities.as_ref()?;
        rarities.memberships.get(group).copied()
    }

    /// All memberships in Shared Subscriptions.
    pub(crate) fn memberships(&self) -> Vec<u64> {
        let all = |rarities: &Rarities| rarities.memberships.values().copied().collect();
        self.rarities.as_deref().map_or(Vec::new(), all)
    }

    /// Subscriptions, shared ones included.
    pub(crate) fn subscription_count(&self) -> usize {
        let shared = |rarities: &Rarities| rarities.memberships.len();
        let replays = self.replays().len();
        self.subscriptions.len() + replays + self.rarities.as_deref().map_or(0, shared)
    }

    /// Memberships by group, `{ShareName}/{filter}`.
    pub(crate) fn memberships_mut(&mut self) -> &mut BTreeMap<Arc<str>, u64> {
        &mut self.rarities.get_or_insert_default().memberships
    }

    /// Frees what is there only for memberships and Retained Messages, when there are none.
    pub(crate) fn forget_rarities(&mut self) {
        self.rarities.take_if(|rarities| {
            rarities.memberships.is_empty()
                && rarities.retained_streams.len() == 0
                && rarities.replays.is_empty()
        });
    }

    /// Retained Messages that are on their way because of a SUBSCRIBE.
    pub(crate) fn retained_stream_count(&self) -> usize {
        let count = |rarities: &Rarities| rarities.retained_streams.len();
        self.rarities.as_deref().map_or(0, count)
    }

    pub(crate) fn retained_streams_mut(&mut self) -> &mut RetainedStreams {
        &mut self.rarities.get_or_insert_default().retained_streams
    }

    /// What it reads of the log.
    pub(crate) fn replays(&self) -> &[Replay] {
        self.rarities
            .as_deref()
            .map_or(&[], |rarities| &rarities.replays)
    }

    pub(crate) fn replays_mut(&mut self) -> &mut Vec<Replay> {
        &mut self.rarities.get_or_insert_default().replays
    }

    /// Whether it can be sent something that has still to be asked for.
    pub(crate) fn is_hungry(&self) -> bool {
        self.retained_stream_count() > 0 || self.replays().iter().any(|replay| !replay.asked)
    }

    /// Whether anything waits to be sent.
    pub(crate) fn has_queue(&self) -> bool {
        self.outgoing
            .as_ref()
            .is_some_and(|outgoing| outgoing.has_backlog())
    }

    /// Notes the Packet Identifier of a QoS 2 message. False: it was there, the message is a
    /// repetition. `[MQTT-4.3.3-10]`
    pub(crate) fn receive(&mut self, packet_id: PacketId) -> bool {
        self.received.get_or_insert_default().insert(packet_id)
    }

    /// Forgets a Packet Identifier that PUBREL released. False: it was not known.
    pub(crate) fn release(&mut self, packet_id: PacketId) -> bool {
        let Some(received) = &mut self.received else {
            return false;
        };
        let known = received.remove(&packet_id);
        if received.is_empty() {
            self.received = None;
        }
        known
    }
}

/// All Sessions of a shard, by number and by Client Identifier.
pub(crate) struct Sessions {
    slots: Vec<Option<Session>>,
    free: Vec<SessionId>,
    by_client_id: hashbrown::HashTable<SessionId>,
    hasher: FixedState,
}

impl Sessions {
    pub(crate) fn new(seed: u64) -> Self {
        Sessions {
            slots: Vec::new(),
            free: Vec::new(),
            by_client_id: hashbrown::HashTable::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client_id.len()
    }

    /// Places of Sessions, empty ones included.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    fn hash(&self, client_id: &str) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one(client_id)
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<SessionId> {
        let is = |id: &SessionId| *self[*id].client_id == *client_id;
        self.by_client_id.find(self.hash(client_id), is).copied()
    }

    /// The Session with a name in the log; slow.
    pub(crate) fn find_recorded(&self, log_id: LogId) -> Option<SessionId> {
        if !log_id.is_some() {
            return None;
        }
        self.ids().find(|id| self[*id].log_id == log_id)
    }

    /// Adds a Session whose Client Identifier is not there yet.
    pub(crate) fn insert(&mut self, session: Session) -> SessionId {
        let hash = self.hash(&session.client_id);
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            SessionId((self.slots.len() - 1) as u32)
        });
        self.slots[id.index()] = Some(session);
        let Sessions {
            slots,
            hasher,
            by_client_id,
            ..
        } = self;
        let rehash = |id: &SessionId| {
            use std::hash::BuildHasher;
            let session = slots[id.index()].as_ref().expect("a named Session exists");
            hasher.hash_one(&*session.client_id)
        };
        by_client_id.insert_unique(hash, id, rehash);
        id
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Session {
        let hash = self.hash(&self[id].client_id);
        if let Ok(entry) = self.by_client_id.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        self.free.push(id);
        self.slots[id.index()]
            .take()
            .expect("a Session is removed once")
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.index()).and_then(|slot| slot.as_ref())
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots
            .get_mut(id.index())
            .and_then(|slot| slot.as_mut())
    }

    /// All of them, lowest number first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> {
        let taken =
            |(n, slot): (usize, &Option<Session>)| slot.is_some().then_some(SessionId(n as u32));
        self.slots.iter().enumerate().filter_map(taken)
    }
}

impl std::ops::Index<SessionId> for Sessions {
    type Output = Session;

    fn index(&self, id: SessionId) -> &Session {
        self.slots[id.index()].as_ref().expect("the Session exists")
    }
}

impl std::ops::IndexMut<SessionId> for Sessions {
    fn index_mut(&mut self, id: SessionId) -> &mut Session {
        self.slots[id.index()].as_mut().expect("the Session exists")
    }
}
