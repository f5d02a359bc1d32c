//! Shared Subscriptions: a queue that belongs to the group, from which members take by credit.
//!
//! A group has its home in one shard, by the hash of its name. A message enters its queue once; it
//! leaves it for a member that has credit, and each ended delivery gives that credit back. A
//! member that has lost its connection has none, and what it has not acknowledged comes back to
//! where it was in the queue. So nothing lies with a member that is not there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use dunlin_packet::{QoS, SubscriptionOptions};
use foldhash::fast::FixedState;

use crate::counters::DropReason;
use crate::id::ShardId;
use crate::journal::{Durability, LogId, MessageId, Record};
use crate::limits::Limits;
use crate::message::Message;
use crate::time::{Seconds, Timestamp};
use crate::timers::Expiry;

/// A Shared Subscription at home in this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupId(u32);

/// A member, by its shard and that shard's number for the membership.
pub(crate) type MemberKey = (ShardId, u64);

/// What one shard's Session has to do with a group, kept in the Session's shard.
pub(crate) struct Membership {
    pub(crate) session: crate::id::SessionId,
    pub(crate) group: Arc<str>,
    pub(crate) home: ShardId,
    pub(crate) options: SubscriptionOptions,
    /// The Subscription Identifier; 0: none.
    pub(crate) id: u32,
    /// Counts the Session's connections.
    pub(crate) epoch: u32,
}

/// A message goes to a member.
pub(crate) struct Handout {
    pub(crate) member: MemberKey,
    /// Which of the member's connections.
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
    pub(crate) message: Message,
}

/// What became of a message that reached a group.
pub(crate) enum Offered {
    /// A member takes it.
    Taken(Handout),
    /// It waits.
    Queued,
    /// It waits; the queue was full, and its first message, of QoS 0, is given up.
    Displaced,
    /// It is given up, as its queue or all queues together are full.
    Full(DropReason),
    /// QoS 0, and no member has a connection.
    NobodyThere,
}

/// Messages that a member of a Shared Subscription may have at a time. What a slow member has is kept
/// from the others, so this is less than may be in flight to a Client.
pub(crate) const GROUP_CREDIT: u32 = 64;

/// The Shared Subscriptions that have their home in one shard.
pub(crate) struct Groups {
    slots: Vec<Option<Group>>,
    free: Vec<GroupId>,
    by_name: HashMap<Arc<str>, GroupId, FixedState>,
    members: HashMap<MemberKey, GroupId, FixedState>,
    /// Bytes that all queues take of memory.
    memory_bytes: usize,
    /// See [`ShardConfig::held_messages`](crate::ShardConfig::held_messages).
    held_messages: usize,
}

struct Group {
    name: Arc<str>,
    /// What it is called in the log, if it has a durable member.
    log_id: LogId,
    members: HashMap<MemberKey, Member, FixedState>,
    durable_members: usize,
    /// Members with credit, the next to get a message first.
    ready: VecDeque<MemberKey>,
    /// Messages that wait, by their number.
    queue: BTreeMap<u64, Waiting>,
    /// Messages are being read back.
    reading: bool,
    queued: QueuedBytes,
    /// Of what waits in the queue.
    expiry: Expiry,
    held_messages: usize,
    /// Messages of QoS 1 and 2 that members have, and which member.
    handed_out: BTreeMap<u64, (MemberKey, Message)>,
    last_sequence: u64,
}

/// A message of the log that is due to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) message: MessageId,
    /// What it counts in the queue, in bytes.
    pub(crate) size: u32,
    expires: Seconds,
}

impl Due {
    pub(crate) fn new(message: MessageId, size: u32, expires_at: Timestamp) -> Self {
        let expires = expires_at.into();
        Due {
            message,
            size,
            expires,
        }
    }

    pub(crate) fn of(message: &Message) -> Self {
        let size = u32::try_from(message.size()).unwrap_or(u32::MAX);
        Due::new(message.id(), size, message.expires_at())
    }

    /// When it expires, or up to a second later.
    pub(crate) fn expires_at(self) -> Timestamp {
        self.expires.into()
    }

    /// The fact that it is due.
    pub(crate) fn record(self, group: LogId) -> Record {
        Record::GroupQueued {
            group,
            message: self.message,
            size: self.size,
            expires_at: self.expires_at(),
        }
    }
}

/// The bytes of what waits in a group.
#[derive(Default)]
struct QueuedBytes {
    /// Wherever it is.
    all: usize,
    /// Those that it takes of memory.
    memory: usize,
}

impl QueuedBytes {
    fn add(&mut self, waiting: &Waiting) {
        self.all += waiting.size();
        self.memory += waiting.memory();
    }

    fn remove(&mut self, waiting: &Waiting) {
        self.all -= waiting.size();
        self.memory -= waiting.memory();
    }
}

/// A message that waits in a group.
enum Waiting {
    Whole(Message),
    Parked(Due),
}

impl Waiting {
    fn size(&self) -> usize {
        match self {
            Waiting::Whole(message) => message.size(),
            Waiting::Parked(due) => due.size as usize,
        }
    }

    /// Bytes that it takes of memory.
    fn memory(&self) -> usize {
        match self {
            Waiting::Whole(message) => message.size(),
            Waiting::Parked(_) => size_of::<(u64, Waiting)>(),
        }
    }

    fn expires_at(&self) -> Timestamp {
        match self {
            Waiting::Whole(message) => message.expires_at(),
            Waiting::Parked(due) => due.expires_at(),
        }
    }

    fn id(&self) -> MessageId {
        match self {
            Waiting::Whole(message) => message.id(),
            Waiting::Parked(due) => due.message,
        }
    }

    fn is_qos0(&self) -> bool {
        matches!(self, Waiting::Whole(message) if message.qos() == QoS::AtMostOnce)
    }
}

/// What the log has of a group.
pub(crate) struct RecordedGroup {
    pub(crate) log_id: LogId,
    pub(crate) name: Arc<str>,
    /// The messages that are due to it, in order.
    pub(crate) due: Vec<Due>,
}

/// What a new member has changed.
pub(crate) struct Joined {
    /// The group is new.
    pub(crate) is_new: bool,
    /// It has become durable.
    pub(crate) is_durable: bool,
}

/// What a member that left has changed.
pub(crate) struct Left {
    pub(crate) group: GroupId,
    pub(crate) name: Arc<str>,
    /// It was the last member: the number of messages that end with the group.
    pub(crate) ended: Option<usize>,
    /// What a group that has ended was called in the log. One that had a durable member stays there
    /// until it ends.
    pub(crate) log_id: LogId,
}

#[derive(Default)]
struct Member {
    durability: Durability,
    connected: bool,
    epoch: u32,
    credit: u32,
    ready: bool,
}

/// A group's filter: what follows the ShareName in `{ShareName}/{filter}`.
pub(crate) fn filter_of(group: &str) -> &str {
    group
        .split_once('/')
        .expect("a group's name has two parts")
        .1
}

impl Groups {
    pub(crate) fn new(seed: u64, held_messages: usize) -> Self {
        let by_name = HashMap::with_hasher(FixedState::with_seed(seed));
        Groups {
            slots: Vec::new(),
            free: Vec::new(),
            by_name,
            members: HashMap::default(),
            memory_bytes: 0,
            held_messages,
        }
    }

    /// Bytes that all queues take of memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Changes a group, if it is there, and keeps the account of its memory.
    fn change<T>(&mut self, id: GroupId, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = self.slots.get_mut(id.0 as usize)?.as_mut()?;
        let before = group.queued.memory;
        let result = change(group);
        self.memory_bytes = self.memory_bytes + group.queued.memory - before;
        Some(result)
    }

    /// Adds a member, and the group if it is the first.
    pub(crate) fn join(
        &mut self,
        name: &Arc<str>,
        key: MemberKey,
        durability: Durability,
    ) -> (GroupId, Joined) {
        let known = self.by_name.get(name).copied();
        let id = known.unwrap_or_else(|| self.add(name));
        self.members.insert(key, id);
        let group = self.group_mut(id);
        let member = group.members.entry(key).or_default();
        if member.durability != durability {
            member.durability = durability;
            match durability {
                Durability::Log => group.durable_members += 1,
                Durability::Memory => group.durable_members -= 1,
            }
        }
        let joined = Joined {
            is_new: known.is_none(),
            is_durable: group.durable_members > 0 && !group.log_id.is_some(),
        };
        (id, joined)
    }

    /// Adds a group with what waits in it, before its members join.
    pub(crate) fn restore(
        &mut self,
        name: &Arc<str>,
        log_id: LogId,
        queue: impl IntoIterator<Item = Due>,
    ) -> GroupId {
        let id = self.add(name);
        self.change(id, |group| {
            group.log_id = log_id;
            for due in queue {
                let sequence = group.next_sequence();
                group.enqueue(sequence, Waiting::Parked(due));
            }
        });
        id
    }

    /// What a group is called in the log.
    pub(crate) fn log_id(&self, id: GroupId) -> LogId {
        self.get(id).map_or(LogId::NONE, |group| group.log_id)
    }

    pub(crate) fn set_log_id(&mut self, id: GroupId, log_id: LogId) {
        self.group_mut(id).log_id = log_id;
    }

    fn get(&self, id: GroupId) -> Option<&Group> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// The places of groups, empty ones included.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// What is recorded of the group at a place, if it is durable.
    pub(crate) fn recorded(&self, slot: usize) -> Option<RecordedGroup> {
        let group = self.slots.get(slot)?.as_ref()?;
        if !group.log_id.is_some() {
            return None;
        }
        let whole = |message: &Message| message.is_due_durably().then(|| Due::of(message));
        let waiting = group.queue.iter().filter_map(|(sequence, waiting)| {
            let due = match waiting {
                Waiting::Whole(message) => whole(message),
                Waiting::Parked(due) => Some(*due),
            };
            Some((*sequence, due?))
        });
        let handed_out = group.handed_out.iter();
        let handed_out =
            handed_out.filter_map(|(sequence, (_, message))| Some((*sequence, whole(message)?)));
        let mut due: Vec<_> = waiting.chain(handed_out).collect();
        due.sort_unstable_by_key(|(sequence, _)| *sequence);
        let due = due.into_iter().map(|(_, due)| due).collect();
        Some(RecordedGroup {
            log_id: group.log_id,
            name: group.name.clone(),
            due,
        })
    }

    /// Gives all messages of QoS 1 and 2 that a group has, with a member or not, in their order. Those
    /// without an identity get one; but not those of QoS 2 that a member has: it may have been sent them.
    pub(crate) fn identify(
        &mut self,
        id: GroupId,
        mut next: impl FnMut() -> MessageId,
    ) -> Vec<Message> {
        let Some(group) = self.get_mut(id) else {
            return Vec::new();
        };
        let waiting = group.queue.iter_mut();
        let waiting = waiting.filter_map(|(sequence, waiting)| match waiting {
            Waiting::Whole(message) if message.qos() > QoS::AtMostOnce => {
                Some((*sequence, message))
            }
            Waiting::Whole(_) | Waiting::Parked(_) => None,
        });
        let handed_out = group.handed_out.iter_mut();
        let handed_out = handed_out.map(|(sequence, (_, message))| (*sequence, message));
        let handed_out = handed_out
            .filter(|(_, message)| message.id().is_some() || message.qos() == QoS::AtLeastOnce);
        let mut due: Vec<_> = waiting.chain(handed_out).collect();
        due.sort_unstable_by_key(|(sequence, _)| *sequence);
        let identify = |(_, message): (u64, &mut Message)| {
            if !message.id().is_some() {
                *message = message.clone().identified(next());
            }
            message.clone()
        };
        due.into_iter().map(identify).collect()
    }

    /// Gives up what has expired in a group while it waited.
    pub(crate) fn expire(&mut self, now: Timestamp, id: GroupId, handouts: &mut Handouts) {
        self.change(id, |group| group.expire(now, handouts));
    }

    /// When something of a group expires.
    pub(crate) fn expiry(&mut self, id: GroupId) -> Option<&mut Expiry> {
        self.get_mut(id).map(|group| &mut group.expiry)
    }

    fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    /// The group that a member belongs to.
    pub(crate) fn of_member(&self, member: MemberKey) -> Option<GroupId> {
        self.members.get(&member).copied()
    }

    /// Messages that a group has asked for have been read. Gives how many are lost.
    pub(crate) fn read(
        &mut self,
        now: Timestamp,
        id: GroupId,
        messages: Vec<(MessageId, Option<Message>)>,
        handouts: &mut Handouts,
    ) -> usize {
        let read = |group: &mut Group| {
            let lost = group.read(messages, handouts);
            group.hand_out(now, id, handouts);
            lost
        };
        self.change(id, read).unwrap_or(0)
    }

    fn add(&mut self, name: &Arc<str>) -> GroupId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            GroupId((self.slots.len() - 1) as u32)
        });
        self.slots[id.0 as usize] = Some(Group {
            name: name.clone(),
            log_id: LogId::NONE,
            members: HashMap::default(),
            durable_members: 0,
            ready: VecDeque::new(),
            queue: BTreeMap::new(),
            reading: false,
            queued: QueuedBytes::default(),
            expiry: Expiry::default(),
            held_messages: self.held_messages,
            handed_out: BTreeMap::new(),
            last_sequence: 0,
        });
        self.by_name.insert(name.clone(), id);
        id
    }

    fn group_mut(&mut self, id: GroupId) -> &mut Group {
        self.slots[id.0 as usize]
            .as_mut()
            .expect("a named group exists")
    }

    /// Changes the group of a member, if it is one, and keeps the account of its memory.
    fn change_group_of(&mut self, member: MemberKey, change: impl FnOnce(GroupId, &mut Group)) {
        if let Some(id) = self.of_member(member) {
            self.change(id, |group| change(id, group));
        }
    }

    /// A message reaches a group.
    pub(crate) fn offer(&mut self, id: GroupId, message: &Message, limits: &Limits) -> Offered {
        let room = limits.waiting_bytes.saturating_sub(self.memory_bytes);
        self.change(id, |group| group.offer(message, limits, room))
            .expect("a group that was found exists")
    }

    /// A member can take some messages more; `handouts` gets those that waited for that.
    pub(crate) fn credit(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        epoch: u32,
        credit: u32,
        handouts: &mut Handouts,
    ) {
        self.change_group_of(member, |id, group| {
            if let Some(known) = group.members.get_mut(&member) {
                (known.connected, known.epoch) = (true, epoch);
            }
            group.give_credit(member, credit);
            group.hand_out(now, id, handouts);
        });
    }

    /// A delivery to a member has ended.
    pub(crate) fn done(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        sequence: u64,
        handouts: &mut Handouts,
    ) {
        self.change_group_of(member, |id, group| {
            if let Some((_, message)) = group.handed_out.remove(&sequence) {
                handouts.done.push((group.log_id, message.id()));
            }
            if group
                .members
                .get(&member)
                .is_some_and(|member| member.connected)
            {
                group.give_credit(member, 1);
            }
            group.hand_out(now, id, handouts);
        });
    }

    /// A member has lost its connection; what it was handed goes back but for what it keeps.
    pub(crate) fn suspend(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        kept: &[u64],
        handouts: &mut Handouts,
    ) {
        self.change_group_of(member, |id, group| {
            if let Some(known) = group.members.get_mut(&member) {
                *known = Member {
                    durability: known.durability,
                    ..Member::default()
                };
            }
            group.ready.retain(|other| *other != member);
            group.take_back(member, kept);
            group.hand_out(now, id, handouts);
        });
    }

    /// A member leaves; what it was handed goes back but for what it keeps, which is done for the
    /// group. If it was the last, the group ends.
    pub(crate) fn leave(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        kept: &[u64],
        handouts: &mut Handouts,
    ) -> Option<Left> {
        self.suspend(now, member, kept, handouts);
        let id = self.members.remove(&member)?;
        let group = self.group_mut(id);
        let known = group.members.remove(&member);
        if known.is_some_and(|known| known.durability == Durability::Log) {
            group.durable_members -= 1;
        }
        let stays = |(holder, message): &(MemberKey, Message)| {
            let stays = *holder != member;
            if !stays {
                handouts.done.push((group.log_id, message.id()));
            }
            stays
        };
        let mut stays = stays;
        group.handed_out.retain(|_, held| stays(held));
        let mut left = Left {
            group: id,
            name: group.name.clone(),
            log_id: LogId::NONE,
            ended: None,
        };
        if group.members.is_empty() {
            left.log_id = group.log_id;
            left.ended = Some(group.queue.len());
            self.memory_bytes -= std::mem::take(&mut group.queued.memory);
            self.by_name.remove(&left.name);
            self.slots[id.0 as usize] = None;
            self.free.push(id);
        }
        Some(left)
    }

    /// Groups and the messages that wait in them.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let waiting = self
            .slots
            .iter()
            .flatten()
            .map(|group| group.queue.len())
            .sum();
        (self.by_name.len(), waiting)
    }
}

/// Messages that leave a group's queue, and what has ended meanwhile.
#[derive(Default)]
pub(crate) struct Handouts {
    pub(crate) taken: Vec<Handout>,
    pub(crate) expired: u64,
    /// Messages that are due to their group no more.
    pub(crate) done: Vec<(LogId, MessageId)>,
    /// Messages of the log that a group needs now.
    pub(crate) reads: Vec<(GroupId, Vec<MessageId>)>,
}

impl Group {
    /// Puts messages that have been read in their places. Gives how many are lost.
    fn read(
        &mut self,
        messages: Vec<(MessageId, Option<Message>)>,
        handouts: &mut Handouts,
    ) -> usize {
        self.reading = false;
        let mut lost = 0;
        let mut places = self.queue.iter_mut();
        let mut found = Vec::new();
        for (wanted, message) in messages {
            let is_it = |(_, waiting): &(&u64, &mut Waiting)| matches!(waiting, Waiting::Parked(due) if due.message == wanted);
            match (places.find(is_it), message) {
                (Some((sequence, _)), Some(message)) => found.push((*sequence, message)),
                (Some((sequence, _)), None) => {
                    lost += 1;
                    handouts.done.push((self.log_id, wanted));
                    found.push((*sequence, Message::absent(MessageId::NONE)));
                }
                (None, _) => break,
            }
        }
        for (sequence, message) in found {
            if let Some(waiting) = self.queue.remove(&sequence) {
                self.queued.remove(&waiting);
                if !message.is_absent() {
                    self.enqueue(sequence, Waiting::Whole(message));
                }
            }
        }
        lost
    }

    /// A message reaches the group. All groups together have `room` bytes of memory left.
    fn offer(&mut self, message: &Message, limits: &Limits, room: usize) -> Offered {
        if self.queue.is_empty()
            && let Some(member) = self.take_credit()
        {
            let sequence = self.next_sequence();
            return Offered::Taken(self.handout(member, sequence, message.clone()));
        }
        let there = self.members.values().any(|member| member.connected);
        if message.qos() == QoS::AtMostOnce && !there {
            return Offered::NobodyThere;
        }
        let is_logged = self.log_id.is_some() && message.is_due_durably();
        let waiting = match is_logged && (!there || self.queue.len() >= self.held_messages) {
            true => Waiting::Parked(Due::of(message)),
            false => Waiting::Whole(message.clone()),
        };
        let queued = self.queued.all;
        let too_much = |freed: usize| {
            if queued - freed + waiting.size() > limits.group_bytes {
                Some(DropReason::QueueFull)
            } else if waiting.memory() > room + freed {
                Some(DropReason::MemoryFull)
            } else {
                None
            }
        };
        let full = match too_much(0) {
            None if self.queue.len() >= limits.group_messages => Some(DropReason::QueueFull),
            full => full,
        };
        if let Some(reason) = full {
            let oldest = self.queue.first_entry();
            let makes_room =
                |oldest: &Waiting| oldest.is_qos0() && too_much(oldest.size()).is_none();
            match oldest.filter(|oldest| makes_room(oldest.get())) {
                Some(oldest) => self.queued.remove(&oldest.remove()),
                None => return Offered::Full(reason),
            }
        }
        let sequence = self.next_sequence();
        self.enqueue(sequence, waiting);
        if full.is_some() {
            Offered::Displaced
        } else {
            Offered::Queued
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    fn enqueue(&mut self, sequence: u64, waiting: Waiting) {
        self.queued.add(&waiting);
        self.expiry.note(waiting.expires_at());
        self.queue.insert(sequence, waiting);
    }

    /// Gives up what has expired while it waited.
    fn expire(&mut self, now: Timestamp, handouts: &mut Handouts) {
        if !self.expiry.may_have_come(now) {
            return;
        }
        let mut soonest = Timestamp::NEVER;
        self.queue.retain(|_, waiting| {
            let expires_at = waiting.expires_at();
            if expires_at > now {
                soonest = soonest.min(expires_at);
                return true;
            }
            self.queued.remove(waiting);
            handouts.expired += 1;
            handouts.done.push((self.log_id, waiting.id()));
            false
        });
        self.expiry.reset(soonest);
    }

    fn handout(&mut self, member: MemberKey, sequence: u64, message: Message) -> Handout {
        if message.qos() > QoS::AtMostOnce {
            self.handed_out.insert(sequence, (member, message.clone()));
        }
        let epoch = self.members.get(&member).map_or(0, |member| member.epoch);
        Handout {
            member,
            epoch,
            sequence,
            message,
        }
    }

    fn give_credit(&mut self, key: MemberKey, credit: u32) {
        if let Some(member) = self.members.get_mut(&key) {
            member.credit += credit;
            if !member.ready && member.credit > 0 {
                member.ready = true;
                self.ready.push_back(key);
            }
        }
    }

    /// The next member with credit, which is one less then.
    fn take_credit(&mut self) -> Option<MemberKey> {
        let key = *self.ready.front()?;
        let member = self
            .members
            .get_mut(&key)
            .expect("who is ready is a member");
        member.credit -= 1;
        self.ready.pop_front();
        if member.credit > 0 {
            self.ready.push_back(key);
        } else {
            member.ready = false;
        }
        Some(key)
    }

    fn take_back(&mut self, member: MemberKey, kept: &[u64]) {
        let goes_back = |(sequence, (holder, _)): (&u64, &(MemberKey, Message))| {
            (*holder == member && !kept.contains(sequence)).then_some(*sequence)
        };
        let sequences: Vec<u64> = self.handed_out.iter().filter_map(goes_back).collect();
        for sequence in sequences {
            if let Some((_, message)) = self.handed_out.remove(&sequence) {
                self.enqueue(sequence, Waiting::Whole(message));
            }
        }
    }

    /// Gives what waits to members with credit.
    fn hand_out(&mut self, now: Timestamp, id: GroupId, handouts: &mut Handouts) {
        while let Some(member) = self.next_ready()
            && let Some(first) = self.queue.first_entry()
        {
            if matches!(first.get(), Waiting::Parked(..)) {
                return self.ask_for_messages(id, handouts);
            }
            let (sequence, waiting) = first.remove_entry();
            self.queued.remove(&waiting);
            let Waiting::Whole(message) = waiting else {
                continue;
            };
            if message.expires_at() <= now {
                handouts.expired += 1;
                handouts.done.push((self.log_id, message.id()));
                continue;
            }
            let taken = self.take_credit();
            debug_assert_eq!(taken, Some(member));
            handouts.taken.push(self.handout(member, sequence, message));
        }
    }

    fn ask_for_messages(&mut self, id: GroupId, handouts: &mut Handouts) {
        if !self.reading {
            self.reading = true;
            let parked = self.queue.values().map_while(|waiting| match waiting {
                Waiting::Parked(due) => Some(due.message),
                Waiting::Whole(_) => None,
            });
            handouts
                .reads
                .push((id, parked.take(self.held_messages).collect()));
        }
    }

    fn next_ready(&self) -> Option<MemberKey> {
        self.ready.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(n: u64) -> MemberKey {
        (ShardId::new(0), n)
    }

    fn message(n: u8) -> Message {
        Message::new("t", &[n], QoS::AtLeastOnce, false)
    }

    fn taken(handouts: Handouts) -> Vec<(u64, u8)> {
        let show = |handout: &Handout| (handout.member.1, handout.message.payload()[0]);
        handouts.taken.iter().map(show).collect()
    }

    /// A group with two members that have `credit` each.
    fn group(credit: u32) -> (Groups, GroupId) {
        let mut groups = Groups::new(0, 64);
        let name = Arc::from("g/t");
        let (id, joined) = groups.join(&name, member(1), Durability::Memory);
        assert!(joined.is_new);
        groups.join(&name, member(2), Durability::Memory);
        for n in [1, 2] {
            groups.credit(
                Timestamp::default(),
                member(n),
                1,
                credit,
                &mut Handouts::default(),
            );
        }
        (groups, id)
    }

    #[test]
    fn members_take_turns_and_then_it_waits() {
        let (mut groups, id) = group(2);
        let limits = Limits::default();
        let mut to = Vec::new();
        for n in 0..5 {
            match groups.offer(id, &message(n), &limits) {
                Offered::Taken(handout) => to.push(handout.member.1),
                Offered::Queued => to.push(0),
                _ => panic!("there is room"),
            }
        }
        assert_eq!(to, [1, 2, 1, 2, 0]);
        let mut handouts = Handouts::default();
        groups.done(Timestamp::default(), member(2), 2, &mut handouts);
        assert_eq!(taken(handouts), [(2, 4)]);
    }

    #[test]
    fn what_a_member_gives_back_comes_first_and_in_order() {
        let (mut groups, id) = group(2);
        for n in 0..6 {
            groups.offer(id, &message(n), &Limits::default());
        }
        let mut handouts = Handouts::default();
        // Member 1 has numbers 1 and 3, which are messages 0 and 2.
        groups.suspend(Timestamp::default(), member(1), &[], &mut handouts);
        assert_eq!(taken(handouts), []);
        let mut handouts = Handouts::default();
        groups.credit(Timestamp::default(), member(2), 1, 3, &mut handouts);
        assert_eq!(taken(handouts), [(2, 0), (2, 2), (2, 4)]);
        let mut handouts = Handouts::default();
        let left = groups.leave(Timestamp::default(), member(2), &[], &mut handouts);
        let ended = left.and_then(|left| left.ended);
        assert!(ended.is_none(), "member 1 still belongs to it");
        let left = groups.leave(Timestamp::default(), member(1), &[], &mut handouts);
        assert_eq!(
            left.and_then(|left| left.ended),
            Some(6),
            "what it had and what waited"
        );
    }

    #[test]
    fn all_groups_together_keep_to_the_bound_of_what_waits() {
        let mut groups = Groups::new(0, 64);
        let [first, second] = [1, 2].map(|n| {
            let name = Arc::from(format!("g{n}/t"));
            groups.join(&name, member(n), Durability::Memory).0
        });
        let limits = Limits {
            waiting_bytes: message(0).size(),
            ..Limits::default()
        };
        let queued = groups.offer(first, &message(0), &limits);
        assert!(matches!(queued, Offered::Queued));
        let full = groups.offer(second, &message(1), &limits);
        assert!(matches!(full, Offered::Full(DropReason::MemoryFull)));
        let mut handouts = Handouts::default();
        groups.leave(Timestamp::default(), member(1), &[], &mut handouts);
        assert_eq!(groups.memory_bytes(), 0);
        let queued = groups.offer(second, &message(1), &limits);
        assert!(matches!(queued, Offered::Queued), "there is room again");
    }

    #[test]
    fn a_small_message_does_not_make_room_for_a_large_one() {
        let (mut groups, id) = group(1);
        let qos0 = |payload: &[u8]| Message::new("t", payload, QoS::AtMostOnce, false);
        let limits = Limits {
            group_bytes: 2 * qos0(b"1").size(),
            ..Limits::default()
        };
        // Two are taken, two wait.
        for _ in 0..4 {
            groups.offer(id, &qos0(b"1"), &limits);
        }
        let full = groups.offer(id, &qos0(&[2; 1000]), &limits);
        assert!(matches!(full, Offered::Full(DropReason::QueueFull)));
        let displaced = groups.offer(id, &qos0(b"3"), &limits);
        assert!(matches!(displaced, Offered::Displaced));
    }
}
