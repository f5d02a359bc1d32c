//! From the records of an earlier process back to Sessions, queues and Retained Messages.
//!
//! Every shard is given every record, in the order of the log, and takes what is at home in it.
//! How many shards there were before does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use dunlin_packet::SubscriptionOptions;
use foldhash::fast::FixedState;

use super::Shard;
use super::publish::deliveries;
use super::retain::topic_hash;
use crate::counters::Counters;
use crate::id::SessionId;
use crate::journal::{Durability, LogId, MessageId, Record, Route, Told};
use crate::message::Message;
use crate::policy::{Grant, Review};
use crate::routes::Matches;
use crate::session::{Outgoing, Session, SessionWill};
use crate::shared::{Due, filter_of};
use crate::time::Timestamp;
use crate::timers::Timer;

/// What is being put together.
#[derive(Default)]
pub(super) struct Restoring {
    /// Sessions that live here, by their name in the log.
    sessions: HashMap<LogId, SessionId, FixedState>,
    /// When those without connection lost it.
    detached: HashMap<LogId, Timestamp, FixedState>,
    /// Shared Subscriptions that are at home here.
    groups: BTreeMap<LogId, Group>,
    /// Who has subscribed to these, by `{ShareName}/{filter}`.
    members: BTreeMap<Box<str>, BTreeSet<LogId>>,
    /// The same the other way round.
    joined: HashMap<LogId, Vec<Box<str>>, FixedState>,
    /// Messages of QoS 2 that were about to be sent to a member: their group has them no more,
    /// whatever it is told anew of it.
    taken: HashSet<(Arc<str>, MessageId), FixedState>,
    /// Messages that were on their way to other shards.
    underway: Vec<Underway>,
    /// How many there have been.
    moments: u64,
    /// When Sessions and Shared Subscriptions began, counted in these.
    begun: HashMap<LogId, u64, FixedState>,
    /// Of these, which were recorded as due to which Session or Shared Subscription.
    placed: HashSet<(LogId, MessageId), FixedState>,
    /// Topics whose Retained Message was set or cleared, by hash. What is told anew of them is not
    /// newer.
    retained: HashSet<u64, FixedState>,
}

/// A message that was on its way to other shards.
struct Underway {
    message: Message,
    publisher: LogId,
    /// How many there had been before it.
    moment: u64,
}

/// A Shared Subscription before its members are there.
struct Group {
    name: Arc<str>,
    /// Messages that wait, in order.
    queue: VecDeque<Due>,
}

impl Group {
    fn done(&mut self, message: MessageId) {
        if let Some(at) = self
            .queue
            .iter()
            .position(|waiting| waiting.message == message)
        {
            self.queue.remove(at);
        }
    }
}

impl Shard {
    /// Takes over a record of an earlier process. All records come before the first input, in the
    /// order of the log, to every shard; then [`restored`](Self::restored).
    pub fn restore(&mut self, record: Record) {
        // A damaged log may name a message and not have it. No other one gets its name.
        let named = record.refers_to().map_or(0, MessageId::number);
        self.last_number = self.last_number.max(named);
        match record {
            Record::Message { message, route } => self.restore_message(message, route),
            Record::Routed { message } => {
                let restoring = self.restoring();
                let shard = message.shard();
                restoring.underway.retain(|Underway { message: it, .. }| {
                    it.id().shard() != shard || it.id() > message
                });
                let Restoring {
                    underway, placed, ..
                } = restoring;
                placed.retain(|(_, id)| underway.iter().any(|it| it.message.id() == *id));
            }
            Record::Retained { message, route } => {
                self.restore_message(message.clone(), route);
                if self.home(message.topic()) == self.id {
                    let topic = topic_hash(&self.placement, message.topic());
                    self.restoring().retained.insert(topic);
                    // What does not fit any more, after limits were lowered, is not kept.
                    let _ = self.retained.set(message, &self.clients.limits);
                }
            }
            Record::StillDue { message } => {
                self.last_number = self.last_number.max(message.id().number());
            }
            Record::StillRetained { message } => {
                self.last_number = self.last_number.max(message.id().number());
                if self.home(message.topic()) == self.id {
                    let topic = topic_hash(&self.placement, message.topic());
                    if !self.restoring().retained.contains(&topic) {
                        let _ = self.retained.set(message, &self.clients.limits);
                    }
                }
            }
            Record::Session {
                session,
                client_id,
                expiry_interval,
                holder,
                told,
            } => {
                self.note_begun(session, told);
                self.restore_session(session, &client_id);
                self.restore_change(session, |known| {
                    known.expiry_interval = expiry_interval;
                    known.restore_holder(holder);
                });
            }
            Record::Numbered { number } => self.last_number = self.last_number.max(number),
            Record::Attached {
                session,
                expiry_interval,
                holder,
            } => {
                self.restoring().detached.remove(&session);
                self.restore_change(session, |known| {
                    known.expiry_interval = expiry_interval;
                    known.restore_holder(holder);
                });
            }
            Record::Detached { session, at } => {
                if self.known_session(session).is_some() {
                    self.restoring().detached.insert(session, at);
                }
            }
            Record::SessionEnded { session } => self.restore_end(session),
            Record::Will { session, will } => {
                let will = will.map(|will| Box::new(SessionWill::restored(&will)));
                self.restore_change(session, |known| known.will = will);
            }
            Record::Subscribed {
                session,
                filter,
                options,
                id,
            } => self.restore_subscription(session, &filter, options, id),
            Record::Unsubscribed { session, filter } => {
                self.restore_unsubscription(session, &filter);
            }
            Record::Queued { session, parked } => {
                self.note_placed(session, parked.message);
                self.restore_queue(session, |outgoing| outgoing.restore_parked(parked));
            }
            Record::Adopted {
                session,
                parked,
                group,
            } => {
                self.take_from_group(group, parked.message);
                self.restore_queue(session, |outgoing| outgoing.restore_parked(parked));
            }
            Record::Done { session, message } => {
                self.restore_queue(session, |outgoing| outgoing.restore_done(message));
            }
            Record::Sending {
                session,
                packet_id,
                parked,
                group,
            } => {
                match group {
                    Some(name) => self.take_from_group(name, parked.message),
                    None => self.restore_queue(session, |it| it.restore_taken(&parked)),
                }
                self.restore_queue(session, |it| it.restore_sent(packet_id, parked));
            }
            Record::Releasing { session, packet_id } => {
                self.restore_queue(session, |it| it.restore_released(packet_id));
            }
            Record::Freed { session, packet_id } => {
                self.restore_queue(session, |it| it.restore_freed(packet_id));
            }
            Record::Received { session, packet_id } => {
                self.restore_change(session, |known| {
                    known.receive(packet_id);
                });
            }
            Record::Released { session, packet_id } => {
                self.restore_change(session, |known| {
                    known.release(packet_id);
                });
            }
            Record::Group { group, name, told } => {
                self.note_begun(group, told);
                if self.home(&name) == self.id {
                    let queue = VecDeque::new();
                    self.restoring().groups.insert(group, Group { name, queue });
                }
            }
            Record::GroupEnded { group } => {
                self.restoring().groups.remove(&group);
            }
            Record::GroupQueued {
                group,
                message,
                size,
                expires_at,
            } => {
                self.note_placed(group, message);
                let Restoring { groups, taken, .. } = self.restoring();
                if let Some(known) = groups.get_mut(&group)
                    && !taken.contains(&(known.name.clone(), message))
                {
                    known.queue.push_back(Due::new(message, size, expires_at));
                }
            }
            Record::GroupDone { group, message } => {
                if let Some(known) = self.restoring().groups.get_mut(&group) {
                    known.done(message);
                }
            }
        }
    }

    /// All records have been taken over. What follows from them for other shards is among the
    /// outputs; the driver lets the shards talk until they are silent before it serves Clients.
    pub fn restored(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let mut restoring = self.restoring.take().unwrap_or_default();
        let groups = std::mem::take(&mut restoring.groups);
        self.restore_groups(groups, &restoring.members);
        self.route_again(&mut restoring);
        for (log_id, id) in restoring.sessions {
            // A clock that was wrong then must not keep a Session for ever.
            let detached = restoring.detached.get(&log_id);
            let since = detached.map_or(now, |at| now.min(*at));
            self.resume_session(id, since);
        }
        self.settle(now);
        let sessions = || self.clients.sessions.ids();
        let outgoing = || sessions().filter_map(|id| self.clients.sessions[id].outgoing.as_ref());
        let waiting: usize = outgoing().map(|outgoing| outgoing.due()).sum();
        let memory: usize = outgoing().map(|outgoing| outgoing.memory_bytes()).sum();
        let (_, in_groups) = self.groups.totals();
        self.clients.waiting_bytes = memory;
        self.clients.counters = Counters {
            due: (waiting + in_groups) as u64,
            ..Counters::default()
        };
    }

    /// A Session is here again, without connection since then.
    fn resume_session(&mut self, id: SessionId, since: Timestamp) {
        let session = &mut self.clients.sessions[id];
        let expires_at = since.after_seconds(session.expiry_interval);
        let timers = &mut self.clients.timers;
        timers.set(Timer::Session(id), &mut session.expires_at, expires_at);
        if let Some(will) = &mut session.will {
            let due_at = since.after_seconds(will.delay_interval);
            timers.set(Timer::Will(id), &mut will.due_at, due_at);
        }
        // What its Client may do is not in the log.
        let session = &self.clients.sessions[id];
        let none = Grant::default();
        let grant = session.grant.as_deref().unwrap_or(&none);
        if let Review::Replace(grant) = self.policy.review(&session.client_id, grant) {
            self.clients.sessions[id].grant = Some(Box::new(grant));
            self.enforce_grant(id);
        }
        self.rejoin(id);
        self.clients.watch_expiry(id);
        self.clients.tidy(id);
    }

    fn restore_groups(
        &mut self,
        groups: BTreeMap<LogId, Group>,
        members: &BTreeMap<Box<str>, BTreeSet<LogId>>,
    ) {
        for (group, Group { name, queue }) in groups {
            if members.get(&*name).is_none_or(BTreeSet::is_empty) {
                self.clients
                    .settlement
                    .append_later(|| Record::GroupEnded { group });
                continue;
            }
            let id = self.groups.restore(&name, group, queue);
            self.watch_group(id);
            let filter = filter_of(&name);
            self.routes.add_group(filter, id);
            let news = self.routes.change_group(filter, Durability::Log);
            self.announce(filter, news);
        }
    }

    fn restore_message(&mut self, message: Message, route: Route) {
        self.last_number = self.last_number.max(message.id().number());
        if route.crosses && message.id().is_some() {
            let restoring = self.restoring();
            let moment = restoring.moments;
            restoring.moments += 1;
            restoring.underway.push(Underway {
                message,
                publisher: route.publisher,
                moment,
            });
        }
    }

    fn note_begun(&mut self, what: LogId, told: Told) {
        self.last_number = self.last_number.max(what.number());
        let restoring = self.restoring();
        let moment = match told {
            Told::First => restoring.moments,
            Told::Anew => 0,
        };
        restoring.begun.entry(what).or_insert(moment);
    }

    fn note_placed(&mut self, to: LogId, message: MessageId) {
        let Restoring {
            underway, placed, ..
        } = self.restoring();
        if underway.iter().any(|it| it.message.id() == message) {
            placed.insert((to, message));
        }
    }

    /// Routes what was on its way when the process ended, to all in this shard who were there and
    /// have not got it.
    fn route_again(&mut self, restoring: &mut Restoring) {
        let Restoring {
            underway,
            placed,
            begun,
            ..
        } = restoring;
        let mut matches = Matches::default();
        for underway in std::mem::take(underway) {
            let Underway {
                message,
                publisher,
                moment,
            } = underway;
            let is_due = |to: LogId| {
                let was_there = begun.get(&to).is_some_and(|begun| *begun <= moment);
                was_there && !placed.contains(&(to, message.id()))
            };
            self.routes.find_for(&message, &mut matches);
            let publisher = self.clients.sessions.find_recorded(publisher);
            let (routes, clients) = (&self.routes, &mut self.clients);
            for (session, delivery) in deliveries(routes, clients, &message, &matches, publisher) {
                if is_due(self.clients.sessions[session].log_id) {
                    self.clients.deliver(self.now, session, delivery);
                }
            }
            for group in &matches.groups {
                if is_due(self.groups.log_id(*group)) {
                    self.offer(self.now, *group, &message);
                }
            }
        }
    }

    fn restoring(&mut self) -> &mut Restoring {
        self.restoring.get_or_insert_default()
    }

    /// A Session that lives here.
    fn known_session(&mut self, session: LogId) -> Option<SessionId> {
        self.restoring().sessions.get(&session).copied()
    }

    fn restore_session(&mut self, session: LogId, client_id: &str) {
        self.restore_end(session);
        if self.home_of_session(client_id) != self.id {
            return;
        }
        // It cannot be there under another name, or that one has ended.
        if let Some(other) = self.clients.sessions.find(client_id) {
            let other = self.clients.sessions[other].log_id;
            self.restore_end(other);
        }
        let mut new = Session::new(client_id);
        new.log_id = session;
        let id = self.clients.sessions.insert(new);
        self.restoring().sessions.insert(session, id);
    }

    fn restore_change(&mut self, session: LogId, change: impl FnOnce(&mut Session)) {
        if let Some(id) = self.known_session(session) {
            change(&mut self.clients.sessions[id]);
        }
    }

    fn restore_end(&mut self, session: LogId) {
        let restoring = self.restoring();
        restoring.detached.remove(&session);
        for name in restoring.joined.remove(&session).unwrap_or_default() {
            if let Some(members) = restoring.members.get_mut(&name) {
                members.remove(&session);
            }
        }
        let Some(id) = restoring.sessions.remove(&session) else {
            return;
        };
        let memberships = std::mem::take(self.clients.sessions[id].memberships_mut());
        for membership in memberships.into_values() {
            self.memberships.remove(&membership);
        }
        self.end_subscriptions(id);
        self.clients.sessions.remove(id);
    }

    fn restore_subscription(
        &mut self,
        session: LogId,
        filter: &str,
        options: SubscriptionOptions,
        id: u32,
    ) {
        let Some(name) = filter.strip_prefix("$share/") else {
            if let Some(known) = self.known_session(session) {
                let subscribed = self.add_subscription(known, filter, options, id);
                self.announce(filter, subscribed.news);
            }
            return;
        };
        if self.home(name) == self.id {
            let restoring = self.restoring();
            let members = restoring.members.entry(name.into()).or_default();
            if members.insert(session) {
                restoring
                    .joined
                    .entry(session)
                    .or_default()
                    .push(name.into());
            }
        }
        if let Some(known) = self.known_session(session) {
            self.remove_membership(known, name);
            self.add_membership(known, name.into(), options, id);
        }
    }

    fn restore_unsubscription(&mut self, session: LogId, filter: &str) {
        let known = self.known_session(session);
        let Some(name) = filter.strip_prefix("$share/") else {
            if let Some(known) = known {
                self.end_subscription(known, filter);
            }
            return;
        };
        if let Some(members) = self.restoring().members.get_mut(name) {
            members.remove(&session);
        }
        if let Some(known) = known {
            self.remove_membership(known, name);
        }
    }

    /// A message of QoS 2 was about to be sent: no other member of the Shared Subscription that it
    /// comes from gets it any more.
    fn take_from_group(&mut self, name: Arc<str>, message: MessageId) {
        if self.home(&name) != self.id {
            return;
        }
        let groups = self.restoring().groups.values_mut();
        let mut named = groups.filter(|group| group.name == name);
        if let Some(group) = named.next() {
            group.done(message);
        }
        self.restoring().taken.insert((name, message));
    }

    fn restore_queue(&mut self, session: LogId, change: impl FnOnce(&mut Outgoing)) {
        let Some(id) = self.known_session(session) else {
            return;
        };
        let session = &mut self.clients.sessions[id];
        let outgoing = session.outgoing.get_or_insert_default();
        change(outgoing);
        if let Some(next) = outgoing.next_packet_id() {
            session.next_packet_id = next;
        }
    }
}
