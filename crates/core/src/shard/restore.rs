//! From the records of an earlier process back to Sessions, queues and Retained Messages.
//!
//! Every shard is given every record, in the order of the log, and takes what is at home in it.
//! How many shards there were before does not matter.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_packet::{QoS, SubscriptionOptions, TopicFilter, TopicName};

use super::Shard;
use crate::counters::Counters;
use crate::id::SessionId;
use crate::journal::{MessageId, Record};
use crate::message::Message;
use crate::routes::Matches;
use crate::session::{Delivery, Session, SubscriptionIds};
use crate::shared::filter_of;
use crate::time::Timestamp;
use crate::timers::Timer;

/// What is being put together.
#[derive(Default)]
pub(super) struct Restoring {
    /// Shared Subscriptions that are at home here, by `{ShareName}/{filter}`.
    groups: BTreeMap<Box<str>, Group>,
    /// All messages of the log.
    messages: BTreeMap<MessageId, Message>,
}

/// A Shared Subscription before its members are there.
#[derive(Default)]
struct Group {
    /// Client Identifiers.
    members: BTreeSet<Box<str>>,
    /// Messages that wait, in order.
    queue: Vec<Message>,
}

impl Shard {
    /// Takes over a record of an earlier process. All records come before the first input, in the
    /// order of the log, to every shard; then [`restored`](Self::restored).
    pub fn restore(&mut self, record: &Record) {
        match record {
            Record::Message {
                id,
                message,
                publisher,
            } => self.restore_message(*id, message, publisher.as_deref()),
            Record::Session {
                client_id,
                expiry_interval,
            } => {
                if let Some(session) = self.restored_session(client_id) {
                    self.clients.sessions[session].expiry_interval = *expiry_interval;
                }
            }
            Record::SessionEnded { client_id } => self.restore_end(client_id),
            Record::Subscribed {
                client_id,
                filter,
                options,
                id,
            } => {
                self.restore_subscription(client_id, filter, *options, *id);
            }
            Record::Unsubscribed { client_id, filter } => {
                self.restore_unsubscription(client_id, filter);
            }
            Record::Done { client_id, message } => {
                if let Some(session) = self.known_session(client_id)
                    && let Some(outgoing) = &mut self.clients.sessions[session].outgoing
                {
                    outgoing.take_queued(|waiting| waiting.message.id() == *message);
                }
            }
            Record::GroupDone { group, message } => {
                if let Some(group) = self.restoring().groups.get_mut(group) {
                    group.queue.retain(|waiting| waiting.id() != *message);
                }
            }
            Record::Sending {
                client_id,
                packet_id,
                message,
                retain,
                group,
            } => {
                let group = group.as_deref();
                self.take_from_group(*message, group);
                if let Some(delivery) = self.restored_delivery(client_id, *message, *retain, group)
                {
                    self.restore_outgoing(client_id, |flow| {
                        let waits = |it: &Delivery| group.is_none() && it.is_same(&delivery);
                        let queued = flow.take_queued(waits);
                        flow.restore_sent(*packet_id, queued.unwrap_or(delivery));
                    });
                }
            }
            Record::Releasing {
                client_id,
                packet_id,
            } => {
                self.restore_outgoing(client_id, |flow| flow.restore_released(*packet_id));
            }
            Record::Freed {
                client_id,
                packet_id,
            } => {
                self.restore_outgoing(client_id, |flow| {
                    flow.pubcomp(*packet_id);
                });
            }
            Record::Received {
                client_id,
                packet_id,
            } => {
                if let Some(session) = self.known_session(client_id) {
                    self.clients.sessions[session].receive(*packet_id);
                }
            }
            Record::Released {
                client_id,
                packet_id,
            } => {
                if let Some(session) = self.known_session(client_id) {
                    self.clients.sessions[session].release(*packet_id);
                }
            }
            Record::Retained { message } => {
                if message.id().is_some() {
                    let messages = &mut self.restoring().messages;
                    messages.insert(message.id(), message.clone());
                }
                if self.home(message.topic()) == self.id {
                    // What does not fit any more, after limits were lowered, is not kept.
                    let _ = self.retained.set(message.clone(), &self.clients.limits);
                }
            }
        }
    }

    /// All records have been taken over. What follows from them for other shards is among the
    /// outputs; the driver lets the shards talk until they are silent before it serves Clients.
    pub fn restored(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let groups = self.restoring.take().unwrap_or_default().groups;
        for (name, Group { members, queue }) in groups {
            if !members.is_empty() {
                let name = (*name).into();
                let new = self.groups.restore(&name, queue);
                if self.routes.add_group(filter_of(&name), new) {
                    self.announce(filter_of(&name));
                }
            }
        }
        let sessions: Vec<_> = self.clients.sessions.ids().collect();
        for id in &sessions {
            let session = &mut self.clients.sessions[*id];
            session.recorded = true;
            let expires_at = now.after_seconds(session.expiry_interval);
            self.clients
                .timers
                .set(Timer::Session(*id), &mut session.expires_at, expires_at);
            self.rejoin(*id);
            let subscriptions: Vec<_> = self.clients.sessions[*id].subscriptions.iter().collect();
            for filter in subscriptions {
                let filter = self.routes.filter(filter);
                self.announce(&filter);
            }
        }
        self.settle(now);
        let waiting: usize = sessions
            .iter()
            .filter_map(|id| self.clients.sessions[*id].outgoing.as_ref())
            .map(|outgoing| outgoing.deliveries().count())
            .sum();
        let (_, in_groups) = self.groups.totals();
        let due = (waiting + in_groups) as u64;
        self.clients.counters = Counters {
            due,
            ..Counters::default()
        };
        self.clients.waiting_bytes = sessions
            .iter()
            .filter_map(|id| self.clients.sessions[*id].outgoing.as_ref())
            .map(|outgoing| outgoing.queued_bytes())
            .sum();
    }

    fn restoring(&mut self) -> &mut Restoring {
        self.restoring.get_or_insert_default()
    }

    /// A Session that lives here and is known.
    fn known_session(&self, client_id: &str) -> Option<SessionId> {
        self.clients.sessions.find(client_id)
    }

    /// A Session that lives here, made if it is not known.
    fn restored_session(&mut self, client_id: &str) -> Option<SessionId> {
        if self.home_of_session(client_id) != self.id {
            return None;
        }
        let known = self.known_session(client_id);
        Some(known.unwrap_or_else(|| self.clients.sessions.insert(Session::new(client_id))))
    }

    fn restore_message(&mut self, id: MessageId, message: &Message, publisher: Option<&str>) {
        self.last_number = self.last_number.max(id.number());
        self.restoring().messages.insert(id, message.clone());
        let mut matches = Matches::default();
        self.routes.find(message.topic(), &mut matches);
        // No Session is connected and no group is there yet: it is queued, at QoS 1 and 2.
        let publisher = publisher.and_then(|client_id| self.known_session(client_id));
        self.deliver_here(Timestamp::default(), message, &matches, publisher);
        let Ok(topic) = TopicName::parse(message.topic()) else {
            return;
        };
        for (name, group) in &mut self.restoring().groups {
            let filter = TopicFilter::parse(filter_of(name));
            if !group.members.is_empty() && filter.is_ok_and(|filter| filter.matches(topic)) {
                group.queue.push(message.clone());
            }
        }
    }

    fn restore_end(&mut self, client_id: &str) {
        for group in self.restoring().groups.values_mut() {
            group.leave(client_id);
        }
        if let Some(session) = self.known_session(client_id) {
            let memberships = std::mem::take(self.clients.sessions[session].memberships_mut());
            for membership in memberships.into_values() {
                self.memberships.remove(&membership);
            }
            self.end_subscriptions(session);
            self.clients.sessions.remove(session);
        }
    }

    fn restore_subscription(
        &mut self,
        client_id: &str,
        filter: &str,
        options: SubscriptionOptions,
        id: u32,
    ) {
        if let Some(name) = filter.strip_prefix("$share/") {
            if self.home(name) == self.id {
                let group = self.restoring().groups.entry(name.into()).or_default();
                group.members.insert(client_id.into());
            }
            if let Some(session) = self.restored_session(client_id) {
                self.remove_membership(session, name);
                self.add_membership(session, name.into(), options, id);
            }
        } else if let Some(session) = self.restored_session(client_id) {
            self.add_subscription(session, filter, options, id);
        }
    }

    fn restore_unsubscription(&mut self, client_id: &str, filter: &str) {
        if let Some(name) = filter.strip_prefix("$share/") {
            if let Some(group) = self.restoring().groups.get_mut(name) {
                group.leave(client_id);
            }
            if let Some(session) = self.known_session(client_id) {
                self.remove_membership(session, name);
            }
        } else if let Some(session) = self.known_session(client_id) {
            self.end_subscription(session, filter);
        }
    }

    /// A message of QoS 2 was about to be sent: no other member of the Shared Subscription that it
    /// comes from gets it any more.
    fn take_from_group(&mut self, message: MessageId, group: Option<&str>) {
        let groups = &mut self.restoring().groups;
        if let Some(group) = group.and_then(|name| groups.get_mut(name)) {
            group.queue.retain(|waiting| waiting.id() != message);
        }
    }

    /// A message of QoS 2 that was about to be sent, as it is in flight, whether the Client has it
    /// or not.
    fn restored_delivery(
        &mut self,
        client_id: &str,
        message: MessageId,
        retain: bool,
        group: Option<&str>,
    ) -> Option<Delivery> {
        let message = self.restoring().messages.get(&message).cloned()?;
        let session = self.known_session(client_id)?;
        let number = group.and_then(|name| self.clients.sessions[session].membership(name));
        let membership = number.and_then(|number| self.memberships.get(&number));
        Some(Delivery {
            qos: QoS::ExactlyOnce,
            retain,
            subscription_ids: SubscriptionIds::of(membership.map_or(0, |it| it.id)),
            origin: None,
            message,
        })
    }

    fn restore_outgoing(
        &mut self,
        client_id: &str,
        change: impl FnOnce(&mut crate::session::Outgoing),
    ) {
        let Some(id) = self.known_session(client_id) else {
            return;
        };
        let session = &mut self.clients.sessions[id];
        let mut outgoing = session.outgoing.take().unwrap_or_default();
        change(&mut outgoing);
        if let Some(next) = outgoing.next_packet_id() {
            session.next_packet_id = next;
        }
        session.outgoing = Some(outgoing);
        self.clients.tidy(id);
    }
}

impl Group {
    fn leave(&mut self, client_id: &str) {
        self.members.remove(client_id);
        if self.members.is_empty() {
            self.queue.clear();
        }
    }
}
