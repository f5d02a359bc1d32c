//! Shared Subscriptions, from both sides: the home of the group, and the shard of a member.

use std::collections::BTreeMap;
use std::sync::Arc;

use dunlin_packet::{QoS, SubscriptionOptions};

use super::{LogRoom, Shard};
use crate::counters::DropReason;
use crate::id::SessionId;
use crate::journal::{Durability, LogId, MessageId, Record, Told};
use crate::message::Message;
use crate::peer::PeerMessage;
use crate::session::{Delivery, GroupOrigin, Outgoing, SubscriptionIds};
use crate::shared::{
    Due, GROUP_CREDIT, GroupId, Handout, Handouts, MemberKey, Membership, Offered, filter_of,
};
use crate::time::Timestamp;
use crate::timers::Timer;

impl Shard {
    // ------------------------------------------------------------------- at the home

    pub(super) fn group_join(
        &mut self,
        group: &Arc<str>,
        member: MemberKey,
        durability: Durability,
    ) {
        let (id, joined) = self.groups.join(group, member, durability);
        if joined.is_new {
            let news = self.routes.add_group(filter_of(group), id);
            self.announce(filter_of(group), news);
        }
        if joined.is_durable && self.clients.settlement.has_log() {
            let log_id = LogId::new(self.next_number(), self.id);
            self.groups.set_log_id(id, log_id);
            let name = group.clone();
            self.clients.settlement.append(|| Record::Group {
                group: log_id,
                name,
                told: Told::First,
            });
            self.record_group_queue(id, log_id);
            let news = self.routes.change_group(filter_of(group), Durability::Log);
            self.announce(filter_of(group), news);
        }
    }

    /// A group has become durable: what it has already is in the log for the sake of others, if at
    /// all, and may be gone from there.
    fn record_group_queue(&mut self, id: GroupId, group: LogId) {
        let (number, shard) = (&mut self.last_number, self.id);
        let next = || {
            *number += 1;
            MessageId::new(*number, shard)
        };
        for message in self.groups.identify(id, next) {
            let due = Due::of(&message);
            let settlement = &mut self.clients.settlement;
            settlement.append(|| Record::StillDue { message });
            settlement.append(|| due.record(group));
        }
    }

    /// A message is due to a group.
    pub(super) fn offer(&mut self, now: Timestamp, id: GroupId, message: &Message) {
        self.clients.counters.due += 1;
        let group = self.groups.log_id(id);
        let is_logged = group.is_some() && message.qos() > QoS::AtMostOnce;
        if is_logged && !message.id().is_some() {
            return self.clients.counters.drop_for(DropReason::LogFull);
        }
        let mut offered = self.groups.offer(id, message, &self.clients.limits);
        if matches!(offered, Offered::Full(_)) && self.expire_group(now, id) {
            offered = self.groups.offer(id, message, &self.clients.limits);
        }
        if is_logged && !matches!(offered, Offered::Full(_) | Offered::NobodyThere) {
            // As with the queue of a Session: the message itself is what is waited for.
            let due = Due::of(message);
            self.clients.settlement.append_later(|| due.record(group));
        }
        match offered {
            Offered::Taken(handout) => self.hand_out(now, handout),
            Offered::Queued => self.watch_group(id),
            Offered::Displaced => self.clients.counters.drop_for(DropReason::QueueFull),
            Offered::Full(reason) => self.clients.counters.drop_for(reason),
            Offered::NobodyThere => self.clients.counters.drop_for(DropReason::NotConnected),
        }
    }

    pub(super) fn group_credit(
        &mut self,
        now: Timestamp,
        member: MemberKey,
        epoch: u32,
        credit: u32,
    ) {
        let mut handouts = Handouts::default();
        self.groups
            .credit(now, member, epoch, credit, &mut handouts);
        self.hand_out_all(now, handouts);
    }

    pub(super) fn group_done(&mut self, now: Timestamp, member: MemberKey, sequence: u64) {
        let mut handouts = Handouts::default();
        self.groups.done(now, member, sequence, &mut handouts);
        self.hand_out_all(now, handouts);
    }

    pub(super) fn group_suspend(&mut self, now: Timestamp, member: MemberKey, kept: &[u64]) {
        let mut handouts = Handouts::default();
        self.groups.suspend(now, member, kept, &mut handouts);
        self.hand_out_all(now, handouts);
        if let Some(group) = self.groups.of_member(member) {
            self.watch_group(group);
        }
    }

    /// Lets what waits in a group expire when its time comes.
    pub(super) fn watch_group(&mut self, id: GroupId) {
        if let Some(expiry) = self.groups.expiry(id) {
            expiry.watch(&mut self.clients.timers, Timer::Group(id));
        }
    }

    /// Something of what waits in a group may have expired.
    pub(super) fn group_due(&mut self, now: Timestamp, id: GroupId) {
        if let Some(expiry) = self.groups.expiry(id) {
            expiry.stop(&mut self.clients.timers, Timer::Group(id));
        }
        self.expire_group(now, id);
        self.watch_group(id);
    }

    /// Ends what has expired while it waited in a group. False: there was nothing.
    fn expire_group(&mut self, now: Timestamp, id: GroupId) -> bool {
        let mut handouts = Handouts::default();
        self.groups.expire(now, id, &mut handouts);
        let any = handouts.expired > 0;
        self.hand_out_all(now, handouts);
        any
    }

    pub(super) fn group_leave(&mut self, now: Timestamp, member: MemberKey, kept: &[u64]) {
        let mut handouts = Handouts::default();
        let ended = self.groups.leave(now, member, kept, &mut handouts);
        self.hand_out_all(now, handouts);
        let Some(left) = ended else {
            return;
        };
        let filter = filter_of(&left.name);
        if left.log_id.is_some() {
            let group = left.log_id;
            self.clients
                .settlement
                .append_later(|| Record::GroupEnded { group });
            self.routes.change_group(filter, Durability::Memory);
        }
        if let Some(waiting) = left.ended {
            for _ in 0..waiting {
                self.clients.counters.drop_for(DropReason::GroupEnded);
            }
            let news = self.routes.remove_group(filter, left.group);
            self.announce(filter, news);
        } else {
            self.watch_group(left.group);
        }
    }

    fn hand_out_all(&mut self, now: Timestamp, handouts: Handouts) {
        self.clients.counters.expired += handouts.expired;
        for (group, message) in handouts.done {
            self.record_group_done(group, message);
        }
        for handout in handouts.taken {
            self.hand_out(now, handout);
        }
        self.group_reads.extend(handouts.reads);
    }

    /// Messages that a group has asked for have been read.
    pub(super) fn group_read(
        &mut self,
        now: Timestamp,
        group: GroupId,
        messages: Vec<(MessageId, Option<Message>)>,
    ) {
        let mut handouts = Handouts::default();
        let lost = self.groups.read(now, group, messages, &mut handouts);
        for _ in 0..lost {
            self.clients.counters.drop_for(DropReason::Unreadable);
        }
        self.hand_out_all(now, handouts);
    }

    /// Notes in the log that a message is due to a group no more.
    fn record_group_done(&mut self, group: LogId, message: MessageId) {
        if message.is_some() && group.is_some() {
            let settlement = &mut self.clients.settlement;
            settlement.append_later(|| Record::GroupDone { group, message });
        }
    }

    /// Sends a message to the member that takes it.
    pub(super) fn hand_out(&mut self, now: Timestamp, handout: Handout) {
        let Handout {
            member: (shard, membership),
            epoch,
            sequence,
            message,
        } = handout;
        if shard == self.id {
            self.group_delivery(now, membership, epoch, sequence, message);
        } else {
            let delivery = PeerMessage::GroupDelivery {
                membership,
                epoch,
                sequence,
                message,
            };
            self.tell(shard, delivery);
        }
    }

    // ----------------------------------------------------------- at the member's shard

    /// Makes a Session a member, or changes its options.
    pub(super) fn join(
        &mut self,
        session: SessionId,
        filter: &str,
        options: SubscriptionOptions,
        id: u32,
    ) {
        let group: Arc<str> = filter.strip_prefix("$share/").unwrap_or(filter).into();
        if let Some(known) = self.clients.sessions[session].membership(&group)
            && let Some(known) = self.memberships.get_mut(&known)
        {
            (known.options, known.id) = (options, id);
            return;
        }
        let membership = self.add_membership(session, group.clone(), options, id);
        self.tell_join(membership);
        let (home, epoch) = (self.home(&group), 1);
        let credit = self.credit_of(session);
        self.tell(
            home,
            PeerMessage::GroupCredit {
                membership,
                epoch,
                credit,
            },
        );
    }

    /// Notes a membership; gives its number.
    pub(super) fn add_membership(
        &mut self,
        session: SessionId,
        group: Arc<str>,
        options: SubscriptionOptions,
        id: u32,
    ) -> u64 {
        let membership = self.next_number();
        let home = self.home(&group);
        self.clients.sessions[session]
            .memberships_mut()
            .insert(group.clone(), membership);
        let new = Membership {
            session,
            group,
            home,
            options,
            id,
            epoch: 1,
        };
        self.memberships.insert(membership, new);
        membership
    }

    /// Forgets a membership that its home does not know of.
    pub(super) fn remove_membership(&mut self, session: SessionId, group: &str) {
        let memberships = self.clients.sessions[session].memberships_mut();
        if let Some(membership) = memberships.remove(group) {
            self.memberships.remove(&membership);
        }
    }

    /// Tells the homes of all memberships of a restored Session that it is a member.
    pub(super) fn rejoin(&mut self, session: SessionId) {
        for membership in self.clients.sessions[session].memberships() {
            self.tell_join(membership);
        }
    }

    fn tell_join(&mut self, membership: u64) {
        let Some(known) = self.memberships.get(&membership) else {
            return;
        };
        let (home, group) = (known.home, known.group.clone());
        let durability = self.durability_of(known.session);
        if home == self.id {
            // At once, so that the SUBACK waits for what the group announces.
            self.group_join(&group, (home, membership), durability);
        } else {
            let join = PeerMessage::GroupJoin {
                group,
                membership,
                durability,
            };
            self.tell_and_confirm(home, join);
        }
    }

    /// What a member may have at a time: as much as may be in flight to it, within [`GROUP_CREDIT`].
    fn credit_of(&self, session: SessionId) -> u32 {
        let connection = self.clients.sessions[session].connection;
        let connection = connection.and_then(|id| self.clients.connections.get(id));
        connection.map_or(0, |connection| {
            u32::from(connection.send_quota).min(GROUP_CREDIT)
        })
    }

    /// A message comes from a group.
    pub(super) fn group_delivery(
        &mut self,
        now: Timestamp,
        membership: u64,
        epoch: u32,
        sequence: u64,
        mut message: Message,
    ) {
        let known = self
            .memberships
            .get(&membership)
            .filter(|known| known.epoch == epoch);
        let Some(known) = known else {
            // It was underway when its member left: the group has taken it back.
            if message.qos() == QoS::AtMostOnce {
                self.clients.counters.drop_for(DropReason::NotConnected);
            }
            return;
        };
        let qos = message.qos().min(known.options.qos);
        let origin = Some(Box::new(GroupOrigin {
            group: known.group.clone(),
            home: known.home,
            membership,
            sequence,
        }));
        let retain = message.retain() && known.options.retain_as_published;
        let subscription_ids = SubscriptionIds::of(known.id);
        let session = known.session;
        let is_named = qos < QoS::ExactlyOnce || message.id().is_some();
        if !is_named && self.clients.is_recorded(session) && self.log_room == LogRoom::Enough {
            // The group had it before it was durable. The steps of QoS 2 are recorded by its name.
            message = message.identified(self.next_message_id());
            let message = message.clone();
            let settlement = &mut self.clients.settlement;
            settlement.append(|| Record::StillDue { message });
        }
        let delivery = Delivery {
            message,
            qos,
            retain,
            subscription_ids,
            origin,
        };
        self.clients.hand_over(now, session, delivery);
    }

    /// A Session has a connection again: its memberships get credit.
    pub(super) fn resume_memberships(&mut self, session: SessionId) {
        let credit = self.credit_of(session);
        for membership in self.clients.sessions[session].memberships() {
            let Some(known) = self.memberships.get_mut(&membership) else {
                continue;
            };
            known.epoch += 1;
            let (home, epoch) = (known.home, known.epoch);
            self.tell(
                home,
                PeerMessage::GroupCredit {
                    membership,
                    epoch,
                    credit,
                },
            );
        }
    }

    /// A Session has lost its connection: what it has not acknowledged goes back to its groups.
    /// A message of QoS 2 that was sent stays, for the Client may have it. `[MQTT-4.8.2-4]`
    pub(super) fn suspend_memberships(&mut self, session: SessionId) {
        if self.clients.sessions[session].memberships().is_empty() {
            return;
        }
        self.give_back(session);
        self.send_reports();
        let mut held = self.held(session);
        for membership in self.clients.sessions[session].memberships() {
            let kept = held.remove(&membership).unwrap_or_default();
            let Some(known) = self.memberships.get_mut(&membership) else {
                continue;
            };
            known.epoch += 1;
            let home = known.home;
            self.tell(home, PeerMessage::GroupSuspend { membership, kept });
        }
    }

    /// Takes all deliveries from groups out of a Session but QoS 2 that was sent, and what it kept
    /// from a membership that has ended: no group would have that back.
    fn give_back(&mut self, session: SessionId) {
        let memberships = &self.memberships;
        let gives_back = |delivery: &Delivery, in_flight| {
            let is_wanted = |origin: &GroupOrigin| memberships.contains_key(&origin.membership);
            delivery.origin.as_deref().is_some_and(is_wanted)
                && !(in_flight && delivery.qos == QoS::ExactlyOnce)
        };
        let clients = &mut self.clients;
        let returned = clients.change_queue(session, |outgoing| outgoing.take_back(gives_back));
        for delivery in returned {
            // The group keeps only what was published with QoS 1 or 2.
            if delivery.message.qos() == QoS::AtMostOnce {
                self.clients.counters.drop_for(DropReason::NotConnected);
            }
        }
        self.clients.tidy(session);
    }

    /// What a Session still has from each of its memberships, by number in the group.
    fn held(&self, session: SessionId) -> BTreeMap<u64, Vec<u64>> {
        let mut held = BTreeMap::<_, Vec<u64>>::new();
        let outgoing = self.clients.sessions[session].outgoing.iter();
        let origins = outgoing.flat_map(|outgoing| outgoing.deliveries());
        for origin in origins.filter_map(|delivery| delivery.origin.as_deref()) {
            held.entry(origin.membership)
                .or_default()
                .push(origin.sequence);
        }
        held
    }

    /// Ends a Session's membership in a group; what it has been handed it keeps. False: there was
    /// none.
    pub(super) fn leave_group(&mut self, session: SessionId, group: &str) -> bool {
        let Some(membership) = self.clients.sessions[session].membership(group) else {
            return false;
        };
        self.clients.sessions[session]
            .memberships_mut()
            .remove(group);
        let kept = self.held(session).remove(&membership).unwrap_or_default();
        self.keep_from_group(session, membership);
        self.end_membership(membership, kept);
        true
    }

    /// What a Session was handed by a group that it leaves is its own from now on, also in the log.
    fn keep_from_group(&mut self, session: SessionId, membership: u64) {
        let Some(Membership { group, .. }) = self.memberships.get(&membership) else {
            return;
        };
        let group = group.clone();
        let adopt = |outgoing: &mut Outgoing| outgoing.adopt(membership);
        for parked in self.clients.change_queue(session, adopt) {
            self.clients
                .record_later(session, |session| Record::Adopted {
                    session,
                    parked,
                    group: group.clone(),
                });
        }
    }

    /// Ends all memberships of a Session that ends.
    pub(super) fn end_memberships(&mut self, session: SessionId) {
        if self.clients.sessions[session].memberships().is_empty() {
            return;
        }
        self.give_back(session);
        let mut held = self.held(session);
        let memberships = std::mem::take(self.clients.sessions[session].memberships_mut());
        for membership in memberships.into_values() {
            // [MQTT-4.8.2-5]
            let kept = held.remove(&membership).unwrap_or_default();
            self.end_membership(membership, kept);
        }
    }

    fn end_membership(&mut self, membership: u64, kept: Vec<u64>) {
        self.send_reports();
        if let Some(Membership { home, .. }) = self.memberships.remove(&membership) {
            self.tell_before_checkpoint(home, PeerMessage::GroupLeave { membership, kept });
        }
    }
}
