//! One shard of the broker: the state machine that all inputs go through.
//!
//! # Calling contract
//!
//! The driver owns sockets, clock and threads; the shard owns everything else. The driver calls
//! [`Shard::handle`] with each [`Input`], and after a number of these, once per turn:
//!
//! 1. appends what [`Shard::take_records`] gives to the log, and says how far that is stable with
//!    [`Input::Committed`], now or later;
//!    Reads of [`Shard::take_reads`] see what was appended before; they are answered with
//!    [`Input::Read`];
//! 2. writes what [`Shard::output`] shows for each connection of [`Shard::take_dirty`], and says
//!    how much of it went out with [`Input::Written`];
//! 3. carries out [`Shard::take_commands`];
//! 4. passes [`Shard::take_peer_messages`] on, in order, to the other shards;
//! 5. sleeps until something happens or [`Shard::next_deadline`] has come, and then says
//!    [`Input::Due`].
//!
//! The shard changes only in `handle`. The same inputs give the same outputs.

mod acknowledge;
mod authenticate;
mod ban;
mod checkpoint;
mod client_state;
mod close;
mod connect;
mod grant;
mod group;
mod own;
mod pace;
mod peers;
mod publish;
mod receive;
mod replay;
mod restore;
mod retain;
mod subscribe;

pub use client_state::ClientState;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dunlin_packet::Packet;
use foldhash::fast::FixedState;

use crate::bans::{Bans, Flapping};
use crate::clients::Clients;
use crate::counters::Counters;
use crate::event::Event;
use crate::fault::Ending;
use crate::id::{ConnectionId, SessionId, ShardId};
use crate::journal::{Durability, LogId, MessageId, Record};
use crate::limits::Limits;
use crate::message::Message;
use crate::output::Output;
use crate::peer::PeerMessage;
use crate::policy::{Decision, Origin, Policy};
use crate::replay::{ReplayStart, Replayed};
use crate::retained::Retained;
use crate::routes::{Matches, Routes};
use crate::settlement::{Settlement, Ticket};
use crate::shared::{GroupId, Groups, Membership};
use crate::terms::Terms;
use crate::time::Timestamp;
use crate::timers::Timer;
use checkpoint::Checkpoints;
use restore::Restoring;
use retain::Searches;

/// Batches of Retained Messages that are asked for after one input at most. The rest waits for the
/// next, so that a search through a large tree holds up nobody.
const READS_AT_ONCE: usize = 16;

/// What a shard is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// A Network Connection has been opened, or moved here.
    Opened {
        /// Its name from now on.
        connection: ConnectionId,
    },
    /// Where a connection comes from; said after `Opened` and before the first bytes, if at all.
    Identified {
        /// Which.
        connection: ConnectionId,
        /// What the policy is told.
        origin: &'a Origin,
    },
    /// Bytes came.
    Received {
        /// From whom.
        connection: ConnectionId,
        /// Any part of the stream of packets.
        bytes: &'a [u8],
    },
    /// Some of what waited for a connection was written.
    Written {
        /// To whom.
        connection: ConnectionId,
        /// How many bytes.
        bytes: usize,
    },
    /// The Client closed the connection, or it broke.
    Lost {
        /// Which.
        connection: ConnectionId,
    },
    /// Another shard says something.
    Peer {
        /// Which shard.
        from: ShardId,
        /// What, in order; all that has come is taken out.
        messages: &'a mut Vec<PeerMessage>,
    },
    /// The first `records` of all records that [`Shard::take_records`] gave are stable.
    Committed {
        /// How many, from the beginning.
        records: u64,
    },
    /// What [`Decision::Pending`] has left open. A connection that has ended meanwhile is no error.
    Decided {
        /// Which.
        connection: ConnectionId,
        /// Anything but `Pending`.
        decision: Decision,
    },
    /// The policy has other rules now: all grants are reviewed, and what Sessions have is checked.
    PolicyChanged,
    /// Messages of the log that were asked for with [`Shard::take_reads`].
    Read {
        /// Who has asked.
        reader: Reader,
        /// In the order of the request; none where a message cannot be read. All are taken out.
        messages: &'a mut Vec<(MessageId, Option<Message>)>,
    },
    /// The next part of a replay that was asked for with [`Shard::take_replay_reads`].
    Replay {
        /// Who has asked.
        reader: Reader,
        /// Messages, in the order of the log; all are taken out. At least one, unless it was a long
        /// way to the next.
        messages: &'a mut Vec<Replayed>,
        /// Where to go on: in a [`ReplayStart::Cursor`].
        next: u64,
    },
    /// The log has room again, or has none.
    Room(LogRoom),
    /// Old parts of the log are to become free: the shard tells anew all that is recorded of it,
    /// between its other work, until [`Shard::take_checkpoint`] says that it has.
    Checkpoint,
    /// A message of the broker's own.
    Publish {
        /// What.
        message: Message,
    },
    /// The limits are others from now on.
    Limit {
        /// All of them.
        limits: &'a Limits,
    },
    /// These names are banned from now on, and no others; who is connected with one is disconnected.
    Bans {
        /// All of them.
        bans: Arc<Bans>,
    },
    /// Nobody may come from where this connection does, from now on.
    Banned {
        /// Which.
        connection: ConnectionId,
    },
    /// Time has passed: what is due happens.
    Due,
    /// Ends all connections; CONNECT is refused from now on.
    Stop,
}

/// Whether the log can take in new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogRoom {
    /// It can.
    #[default]
    Enough,
    /// It can take what ends work that has begun, and nothing new: what would have to be durable is
    /// refused with Quota exceeded (0x97), and everything else goes on.
    Full,
}

/// Who needs messages of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader(Wants);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wants {
    /// A Session, and what it is called in the log.
    Session(SessionId, LogId),
    /// A Shared Subscription, and what it is called in the log.
    Group(GroupId, LogId),
    /// A Session, and its shard's number for the replay.
    Replay(SessionId, u64),
}

/// What the driver is to do with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Close it in an orderly way; everything has been written. Its name means nothing any more.
    Close(ConnectionId),
    /// Close it at once, unwritten bytes or not. Its name means nothing any more.
    Abort(ConnectionId),
    /// Hand it over to the shard where its Session lives: [`Input::Opened`] and then
    /// [`Input::Received`] with these bytes there. Its name here means nothing any more.
    Move {
        /// Which.
        connection: ConnectionId,
        /// Where to.
        to: ShardId,
        /// All that was received on it.
        bytes: Vec<u8>,
    },
    /// Read nothing from it until [`Resume`](Self::Resume).
    Pause(ConnectionId),
    /// Read from it again.
    Resume(ConnectionId),
}

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Which shard it is.
    pub id: ShardId,
    /// How many there are.
    pub shards: usize,
    /// The seed of all hashing; the same in all shards, and unknown to Clients.
    pub seed: u64,
    /// The bounds of everything.
    pub limits: Limits,
    /// Who may not connect.
    pub bans: Arc<Bans>,
    /// What each listener allows, by its number; a listener without terms has the default ones.
    pub terms: Vec<Terms>,
    /// Whether anything outlives the process.
    pub durability: Durability,
    /// Topic Filters: the messages that one of them matches are in the log whether somebody needs
    /// them or not, and can be read again with `$replay/`. How long they stay there is the driver's
    /// matter.
    pub replayable: Vec<String>,
    /// Messages of one queue that are held in memory although they are in the log, while a Client is
    /// there to take them; the others are read back, so many at a time.
    pub held_messages: usize,
    /// What Response Information begins with, for Clients that request it; the Client Identifier
    /// follows.
    pub response_topic_prefix: String,
}

impl ShardConfig {
    /// Shard `id` of `shards`, with default limits.
    pub fn new(id: ShardId, shards: usize, seed: u64) -> Self {
        let response_topic_prefix = "response/".to_owned();
        ShardConfig {
            id,
            shards,
            seed,
            limits: Limits::default(),
            bans: Arc::default(),
            terms: Vec::new(),
            durability: Durability::Memory,
            replayable: Vec::new(),
            held_messages: 64,
            response_topic_prefix,
        }
    }
}

/// One shard: Sessions, their connections, and the topics that are at home here.
pub struct Shard {
    id: ShardId,
    shards: usize,
    /// The latest time that it was told.
    now: Timestamp,
    stopping: bool,
    clients: Clients,
    routes: Routes,
    matches: Matches,
    retained: Retained,
    groups: Groups,
    memberships: BTreeMap<u64, Membership>,
    /// Which Session a stream of Retained Messages belongs to.
    streams: BTreeMap<u64, SessionId>,
    /// Streams that other shards have to prepare for.
    searches: Searches,
    /// Answers that other shards wait for: who, which, and what must have been acted on before.
    owed: Vec<(ShardId, PeerMessage, Ticket)>,
    /// What is being put together from records, before the first input.
    restoring: Option<Box<Restoring>>,
    log_room: LogRoom,
    /// What Shared Subscriptions want to read.
    group_reads: Vec<(GroupId, Vec<MessageId>)>,
    /// What replays want to read.
    replay_reads: Vec<(Reader, ReplayStart)>,
    /// Those whose answer nobody waits for any more.
    ended_replays: Vec<Reader>,
    /// How far all that is recorded has been told anew.
    checkpoints: Checkpoints,
    policy: Box<dyn Policy>,
    terms: Vec<Terms>,
    bans: Arc<Bans>,
    flapping: Flapping,
    response_topic_prefix: String,
    /// Hashes Client Identifiers, topics and groups to their shard; the same in all shards.
    placement: FixedState,
    random: u64,
    last_number: u64,
    commands: Vec<Command>,
    events: Vec<Event>,
    /// What is to be said to each other shard.
    outbound: Vec<Vec<PeerMessage>>,
    /// What this shard says to itself.
    inbound: VecDeque<PeerMessage>,
}

impl Shard {
    /// A shard without connections and Sessions.
    ///
    /// # Panics
    /// When the shard is not one of `config.shards`.
    pub fn new(config: ShardConfig, policy: Box<dyn Policy>) -> Self {
        let ShardConfig {
            id,
            shards,
            seed,
            limits,
            bans,
            terms,
            durability,
            replayable,
            held_messages,
            response_topic_prefix,
        } = config;
        assert!(
            id.index() < shards && shards <= ShardId::MAXIMUM,
            "shard {id} of {shards}"
        );
        let placement = FixedState::with_seed(seed);
        // Tables are seeded apart from the placement, or else all keys of a shard would collide.
        let own = seed.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15;
        Shard {
            id,
            shards,
            now: Timestamp::default(),
            stopping: false,
            clients: Clients::new(
                limits,
                held_messages,
                Settlement::new(shards, durability),
                own,
            ),
            restoring: None,
            log_room: LogRoom::Enough,
            group_reads: Vec::new(),
            replay_reads: Vec::new(),
            ended_replays: Vec::new(),
            checkpoints: Checkpoints::new(shards),
            routes: Routes::new(own ^ 1, replayable),
            matches: Matches::default(),
            retained: Retained::new(own ^ 2),
            groups: Groups::new(own ^ 3, held_messages),
            memberships: BTreeMap::new(),
            streams: BTreeMap::new(),
            searches: Searches::default(),
            owed: Vec::new(),
            policy,
            terms,
            bans,
            flapping: Flapping::new(own ^ 4),
            response_topic_prefix,
            placement,
            random: own ^ id.index() as u64,
            last_number: 0,
            commands: Vec::new(),
            events: Vec::new(),
            outbound: (0..shards).map(|_| Vec::new()).collect(),
            inbound: VecDeque::new(),
        }
    }

    /// Takes an input at the time `now`. See the calling contract above.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        self.now = self.now.max(now);
        let now = self.now;
        match input {
            Input::Opened { connection } => self.opened(now, connection),
            Input::Identified { connection, origin } => self.identified(connection, origin),
            Input::Received { connection, bytes } => self.received(now, connection, bytes),
            Input::Written { connection, bytes } => self.written(now, connection, bytes),
            Input::Lost { connection } => self.close(now, connection, Ending::ConnectionLost),
            Input::Peer { from, messages } => {
                for message in messages.drain(..) {
                    self.hear_peer(now, from, message);
                }
            }
            Input::Committed { records } => {
                self.clients.settlement.commit(records);
                self.settled();
            }
            Input::Decided {
                connection,
                decision,
            } => self.decided(now, connection, decision),
            Input::PolicyChanged => self.review_grants(now),
            Input::Read { reader, messages } => self.read(now, reader, std::mem::take(messages)),
            Input::Checkpoint => self.begin_checkpoint(),
            Input::Room(room) => self.log_room = room,
            Input::Publish { message } => self.publish_own(now, message),
            Input::Limit { limits } => self.limit(limits),
            Input::Bans { bans } => self.ban(now, bans),
            Input::Banned { connection } => self.close(now, connection, Ending::Banned),
            Input::Replay {
                reader: Reader(wants),
                messages,
                next,
            } => {
                if let Wants::Replay(session, number) = wants {
                    self.replay(now, session, number, std::mem::take(messages), next);
                }
            }
            Input::Due => self.due(now),
            Input::Stop => self.stop(now),
        }
        self.settle(now);
        self.go_on_with_checkpoint();
    }

    /// Messages of the log that were asked for are there.
    fn read(
        &mut self,
        now: Timestamp,
        Reader(wants): Reader,
        messages: Vec<(MessageId, Option<Message>)>,
    ) {
        match wants {
            Wants::Session(id, log_id) => {
                let session = self.clients.sessions.get(id);
                if session.is_some_and(|session| session.log_id == log_id) {
                    self.clients.read(now, id, messages);
                }
            }
            Wants::Group(id, log_id) => {
                if self.groups.log_id(id) == log_id {
                    self.group_read(now, id, messages);
                }
            }
            Wants::Replay(..) => {}
        }
    }

    /// Follows up on what an input has set off inside of this shard, until nothing is left.
    fn settle(&mut self, now: Timestamp) {
        let mut reads = 0;
        loop {
            self.send_reports();
            if let Some(message) = self.inbound.pop_front() {
                self.hear(now, self.id, message);
            } else if reads < READS_AT_ONCE
                && let Some(session) = self.clients.hungry.pop()
            {
                // It may have been noted more than once, and have something to send by now.
                if self.clients.has_queue(session) {
                    continue;
                }
                reads += 1;
                self.ask_for_retained(session);
                self.ask_for_replay(session);
            } else {
                break;
            }
        }
    }

    /// Tells groups which of their deliveries have ended. Whatever else a group is told of a member
    /// comes after that, or it would take back what has been acknowledged.
    fn send_reports(&mut self) {
        while let Some((home, report)) = self.clients.reports.pop_front() {
            // What is told anew of the Session does not say it any more.
            self.tell_before_checkpoint(home, report);
        }
    }

    /// Says something to a shard, which may be this one.
    fn tell(&mut self, to: ShardId, message: PeerMessage) {
        if to == self.id {
            self.inbound.push_back(message);
        } else {
            self.outbound[to.index()].push(message);
        }
    }

    /// Says something to another shard that must be heard before what is acknowledged next.
    fn tell_and_confirm(&mut self, to: ShardId, message: PeerMessage) {
        debug_assert!(to != self.id);
        self.clients.settlement.mark(to);
        self.tell(to, message);
    }

    /// Says something to a shard that must be heard before a checkpoint of this one is over, if there
    /// is a log: what it is about may not be recorded here any more, and not yet there.
    fn tell_before_checkpoint(&mut self, to: ShardId, message: PeerMessage) {
        if to != self.id && self.clients.settlement.has_log() {
            self.tell_and_confirm(to, message);
        } else {
            self.tell(to, message);
        }
    }

    fn due(&mut self, now: Timestamp) {
        self.retained.expire(now);
        while let Some(timer) = self.clients.timers.pop_due(now) {
            match timer {
                Timer::Connection(index) => self.connection_due(now, index),
                Timer::Will(session) => self.will_due(now, session),
                Timer::Session(session) => {
                    self.clients.counters.sessions_expired += 1;
                    self.end_session(now, session);
                }
                Timer::Queue(session) => self.clients.expire_queue(now, session),
                Timer::Group(group) => self.group_due(now, group),
            }
        }
    }

    fn stop(&mut self, now: Timestamp) {
        self.stopping = true;
        let connections: Vec<_> = self.clients.connections.ids().collect();
        for connection in connections {
            self.close(now, connection, Ending::ShuttingDown);
        }
    }

    // ------------------------------------------------------------------------- outputs

    /// Connections that have something to write; each once, appended to `into`.
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        self.clients.take_dirty(into);
    }

    /// Whether [`take_dirty`](Self::take_dirty) has something to give.
    pub fn has_output(&self) -> bool {
        !self.clients.dirty.is_empty()
    }

    /// What waits to be written to a connection.
    pub fn output(&self, connection: ConnectionId) -> Option<&Output> {
        self.clients.connections.get(connection)?.output.as_deref()
    }

    /// What is to be done with connections, in order.
    pub fn take_commands(&mut self, into: &mut Vec<Command>) {
        into.clear();
        std::mem::swap(into, &mut self.commands);
    }

    /// What is to be said to another shard, in order; appended to `into`. If anything in it must be
    /// heard before an acknowledgement may leave, [`PeerMessage::Confirm`] is at its end.
    pub fn take_peer_messages(&mut self, to: ShardId, into: &mut Vec<PeerMessage>) {
        if let Some(round) = self.clients.settlement.ask(to) {
            self.outbound[to.index()].push(PeerMessage::Confirm { round });
        }
        into.append(&mut self.outbound[to.index()]);
    }

    /// What is to be appended to the log, in order; appended to `into`. Gives how many records that
    /// makes from the beginning.
    pub fn take_records(&mut self, into: &mut Vec<Record>) -> u64 {
        self.clients.settlement.take_records(into)
    }

    /// How many of these, from the beginning, somebody waits for. It grows before they are taken or
    /// later. Beyond it there may be records that can be made stable at leisure.
    pub fn awaited_records(&self) -> u64 {
        self.clients.settlement.awaited()
    }

    /// The messages of the log that are needed now, and by whom; appended to `into`.
    pub fn take_reads(&mut self, into: &mut Vec<(Reader, Vec<MessageId>)>) {
        for (id, messages) in self.clients.reads.drain(..) {
            if let Some(session) = self.clients.sessions.get(id) {
                into.push((Reader(Wants::Session(id, session.log_id)), messages));
            }
        }
        for (id, messages) in self.group_reads.drain(..) {
            into.push((Reader(Wants::Group(id, self.groups.log_id(id))), messages));
        }
    }

    /// The parts of the log that Sessions want to read, and from where on; appended to `into`. One
    /// that has nothing in it yet is answered, with [`Input::Replay`], when something is stable.
    pub fn take_replay_reads(&mut self, into: &mut Vec<(Reader, ReplayStart)>) {
        into.append(&mut self.replay_reads);
    }

    /// Whose request of [`take_replay_reads`](Self::take_replay_reads) needs no answer any more;
    /// appended to `into`. A Client that begins replays and ends them must leave nothing behind.
    pub fn take_ended_replays(&mut self, into: &mut Vec<Reader>) {
        into.append(&mut self.ended_replays);
    }

    /// What happened, for logs and traces.
    pub fn take_events(&mut self, into: &mut Vec<Event>) {
        into.clear();
        std::mem::swap(into, &mut self.events);
    }

    /// When [`Input::Due`] is to be said next. Changes with every input.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if !self.clients.hungry.is_empty() || self.is_telling_anew() {
            return Some(self.now);
        }
        let expiry = self.retained.next_expiry();
        self.clients.timers.next().into_iter().chain(expiry).min()
    }

    // -------------------------------------------------------------------------- insight

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        Counters {
            retained: self.retained.len() as u64,
            ..self.clients.counters
        }
    }

    /// What there is now.
    pub fn gauges(&self) -> Gauges {
        let (groups, group_waiting) = self.groups.totals();
        Gauges {
            sessions: self.clients.sessions.len(),
            sessions_connected: self.clients.connected,
            subscriptions: self.routes.subscriptions() + self.memberships.len(),
            shared_subscriptions: self.memberships.len(),
            groups,
            group_waiting,
            group_waiting_bytes: self.groups.memory_bytes(),
            waiting_bytes: self.clients.waiting_bytes,
            output_bytes: self.clients.pending_output(),
            retained: self.retained.len(),
            retained_bytes: self.retained.bytes(),
        }
    }

    /// The Client Identifiers of all Sessions, each with whether it is connected.
    pub fn sessions(&self) -> impl Iterator<Item = (&str, bool)> {
        self.clients.sessions.ids().map(|id| {
            let session = &self.clients.sessions[id];
            (&*session.client_id, session.connection.is_some())
        })
    }

    /// The Retained Messages that are at home here.
    pub fn retained(&self) -> impl Iterator<Item = &crate::Message> {
        self.retained.iter()
    }

    // ------------------------------------------------------------------------ placement

    /// The shard where the Session with this Client Identifier lives.
    pub fn home_of_session(&self, client_id: &str) -> ShardId {
        self.home(client_id)
    }

    /// The shard that keeps the Retained Message of a topic, or the queue of a group.
    fn home(&self, name: &str) -> ShardId {
        use std::hash::BuildHasher;
        // Hash keys end in bits that are good; the upper half is for the tables.
        ShardId::new((self.placement.hash_one(name) % self.shards as u64) as usize)
    }

    /// The other shards.
    fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let own = self.id.index();
        (0..self.shards)
            .filter(move |n| *n != own)
            .map(ShardId::new)
    }

    /// A number that this shard has not used before.
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The identity in the log of a message that is about to be accepted.
    fn next_message_id(&mut self) -> MessageId {
        if !self.clients.settlement.has_log() {
            return MessageId::NONE;
        }
        MessageId::new(self.next_number(), self.id)
    }

    /// The next of a sequence of random numbers that the seed determines (SplitMix64).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    fn send(&mut self, connection: ConnectionId, packet: &Packet<'_>) {
        self.clients.send(connection, packet);
    }

    /// Sends an acknowledgement, which waits if anything was said since there were this many marks.
    fn send_since(&mut self, marks: u64, connection: ConnectionId, packet: &Packet<'_>) {
        if self.clients.settlement.marks() > marks {
            self.send_settled(connection, packet);
        } else {
            self.send(connection, packet);
        }
    }

    /// Sends an acknowledgement that waits for all that was said so far.
    fn send_settled(&mut self, connection: ConnectionId, packet: &Packet<'_>) {
        let ticket = self.clients.settlement.ticket();
        if self.clients.settlement.is_settled(ticket) {
            self.clients.send(connection, packet);
        } else {
            self.clients.shut(connection, ticket);
            self.clients.send(connection, packet);
        }
    }
}

/// What there is in a shard now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions.
    pub sessions: usize,
    /// Sessions with a connection.
    pub sessions_connected: usize,
    /// Subscriptions, shared ones included.
    pub subscriptions: usize,
    /// Of these, the shared ones.
    pub shared_subscriptions: usize,
    /// Shared Subscriptions at home here.
    pub groups: usize,
    /// Messages that wait in these.
    pub group_waiting: usize,
    /// Bytes of memory that these take.
    pub group_waiting_bytes: usize,
    /// Bytes of all messages that wait in Sessions.
    pub waiting_bytes: usize,
    /// Bytes that wait to be written to connections.
    pub output_bytes: usize,
    /// Retained Messages.
    pub retained: usize,
    /// Bytes of all Retained Messages.
    pub retained_bytes: usize,
}
