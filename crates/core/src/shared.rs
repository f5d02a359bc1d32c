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

use crate::id::ShardId;
use crate::journal::MessageId;
use crate::limits::Limits;
use crate::message::Message;
use crate::time::Timestamp;

/// A Shared Subscription at home in this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The queue is full: it is given up. The name is the group's.
    Full(Arc<str>),
    /// QoS 0, and no member has a connection.
    NobodyThere,
}

/// The Shared Subscriptions that have their home in one shard.
pub(crate) struct Groups {
    slots: Vec<Option<Group>>,
    free: Vec<GroupId>,
    by_name: HashMap<Arc<str>, GroupId, FixedState>,
    members: HashMap<MemberKey, GroupId, FixedState>,
}

struct Group {
    name: Arc<str>,
    members: HashMap<MemberKey, Member, FixedState>,
    /// Members with credit, the next to get a message first.
    ready: VecDeque<MemberKey>,
    /// Messages that wait, by their number.
    queue: BTreeMap<u64, Message>,
    queued_bytes: usize,
    /// Messages of QoS 1 and 2 that members have, and which member.
    handed_out: BTreeMap<u64, (MemberKey, Message)>,
    last_sequence: u64,
}

#[derive(Default)]
struct Member {
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
    pub(crate) fn new(seed: u64) -> Self {
        let by_name = HashMap::with_hasher(FixedState::with_seed(seed));
        Groups {
            slots: Vec::new(),
            free: Vec::new(),
            by_name,
            members: HashMap::default(),
        }
    }

    /// Adds a member, and the group if it is the first. True: the group is new.
    pub(crate) fn join(&mut self, name: &Arc<str>, member: MemberKey) -> (GroupId, bool) {
        let known = self.by_name.get(name).copied();
        let id = known.unwrap_or_else(|| self.add(name));
        self.members.insert(member, id);
        self.group_mut(id).members.entry(member).or_default();
        (id, known.is_none())
    }

    /// Adds a group with what waits in it, before its members join.
    pub(crate) fn restore(&mut self, name: &Arc<str>, queue: Vec<Message>) -> GroupId {
        let id = self.add(name);
        let group = self.group_mut(id);
        for message in queue {
            let sequence = group.next_sequence();
            group.enqueue(sequence, message);
        }
        id
    }

    fn add(&mut self, name: &Arc<str>) -> GroupId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            GroupId((self.slots.len() - 1) as u32)
        });
        self.slots[id.0 as usize] = Some(Group {
            name: name.clone(),
            members: HashMap::default(),
            ready: VecDeque::new(),
            queue: BTreeMap::new(),
            queued_bytes: 0,
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

    fn group_of(&mut self, member: MemberKey) -> Option<&mut Group> {
        let id = *self.members.get(&member)?;
        Some(self.group_mut(id))
    }

    /// A message reaches a group.
    pub(crate) fn offer(&mut self, id: GroupId, message: &Message, limits: &Limits) -> Offered {
        self.group_mut(id).offer(message, limits)
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
        if let Some(group) = self.group_of(member) {
            if let Some(known) = group.members.get_mut(&member) {
                (known.connected, known.epoch) = (true, epoch);
            }
            group.give_credit(member, credit);
            group.hand_out(now, handouts);
        }
    }

    /// A delivery to a member has ended.
    pub(crate) fn done(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        sequence: u64,
        handouts: &mut Handouts,
    ) {
        if let Some(group) = self.group_of(member) {
            if let Some((_, message)) = group.handed_out.remove(&sequence) {
                handouts.done.push((group.name.clone(), message.id()));
            }
            if group
                .members
                .get(&member)
                .is_some_and(|member| member.connected)
            {
                group.give_credit(member, 1);
            }
            group.hand_out(now, handouts);
        }
    }

    /// A member has lost its connection; what it was handed goes back but for what it keeps.
    pub(crate) fn suspend(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        kept: &[u64],
        handouts: &mut Handouts,
    ) {
        if let Some(group) = self.group_of(member) {
            if let Some(known) = group.members.get_mut(&member) {
                *known = Member::default();
            }
            group.ready.retain(|other| *other != member);
            group.take_back(member, kept);
            group.hand_out(now, handouts);
        }
    }

    /// A member leaves; what it was handed goes back but for what it keeps. If it was the last, the
    /// group ends: its id, name and the number of messages that end with it.
    pub(crate) fn leave(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        kept: &[u64],
        handouts: &mut Handouts,
    ) -> Option<(GroupId, Arc<str>, usize)> {
        self.suspend(now, member, kept, handouts);
        let id = self.members.remove(&member)?;
        let group = self.group_mut(id);
        group.members.remove(&member);
        group.handed_out.retain(|_, (holder, _)| *holder != member);
        if !group.members.is_empty() {
            return None;
        }
        let group = self.slots[id.0 as usize].take()?;
        self.by_name.remove(&group.name);
        self.free.push(id);
        Some((id, group.name, group.queue.len()))
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
    pub(crate) done: Vec<(Arc<str>, MessageId)>,
}

impl Group {
    fn offer(&mut self, message: &Message, limits: &Limits) -> Offered {
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
        let full = self.queue.len() >= limits.group_messages
            || self.queued_bytes + message.size() > limits.group_bytes;
        if full {
            let oldest = self.queue.first_entry();
            match oldest.filter(|oldest| oldest.get().qos() == QoS::AtMostOnce) {
                Some(oldest) => self.queued_bytes -= oldest.remove().size(),
                None => return Offered::Full(self.name.clone()),
            }
        }
        let sequence = self.next_sequence();
        self.enqueue(sequence, message.clone());
        if full {
            Offered::Displaced
        } else {
            Offered::Queued
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    fn enqueue(&mut self, sequence: u64, message: Message) {
        self.queued_bytes += message.size();
        self.queue.insert(sequence, message);
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
                self.enqueue(sequence, message);
            }
        }
    }

    /// Gives what waits to members with credit.
    fn hand_out(&mut self, now: Timestamp, handouts: &mut Handouts) {
        while !self.queue.is_empty()
            && let Some(member) = self.next_ready()
        {
            let (sequence, message) = self.queue.pop_first().expect("it is not empty");
            self.queued_bytes -= message.size();
            if message.expires_at() <= now {
                handouts.expired += 1;
                handouts.done.push((self.name.clone(), message.id()));
                continue;
            }
            let taken = self.take_credit();
            debug_assert_eq!(taken, Some(member));
            handouts.taken.push(self.handout(member, sequence, message));
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
        let mut groups = Groups::new(0);
        let name = Arc::from("g/t");
        let (id, new) = groups.join(&name, member(1));
        assert!(new);
        groups.join(&name, member(2));
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
        let ended = groups.leave(Timestamp::default(), member(2), &[], &mut handouts);
        assert!(ended.is_none(), "member 1 still belongs to it");
        let ended = groups.leave(Timestamp::default(), member(1), &[], &mut handouts);
        assert_eq!(
            ended.map(|(_, _, waiting)| waiting),
            Some(6),
            "what it had and what waited"
        );
    }
}
