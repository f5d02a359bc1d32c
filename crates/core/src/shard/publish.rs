//! PUBLISH from a Client, and the way of every Application Message to all who want it.

use dunlin_packet::{
    Packet, Properties, PropertiesBuf, Property, ProtocolVersion, PubAck, PubRec, Publish, QoS,
    ReasonCode,
};

use super::{LogRoom, Shard};
use crate::clients::Clients;
use crate::connection::AliasesIn;
use crate::fault::{Ending, Violation};
use crate::id::{ConnectionId, SessionId, ShardId};
use crate::journal::{Durability, LogId, MessageId, Record, Route};
use crate::message::Message;
use crate::peer::PeerMessage;
use crate::policy::Action;
use crate::routes::{Matches, Routes, Subscription};
use crate::session::{Delivery, SubscriptionIds};
use crate::time::Timestamp;

/// The Reason String when there is no room in the log.
const FULL: &str = "the disk is full";

impl Shard {
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session: SessionId,
        body: &[u8],
        publish: Publish<'_>,
    ) -> Result<(), Ending> {
        self.clients.counters.publishes_received += 1;
        self.clients.counters.payload_bytes_received += publish.payload.len() as u64;
        if publish.properties.is_empty() {
            return self.publish_to(now, id, session, body, &publish, publish.topic);
        }
        if publish
            .properties
            .subscription_identifiers()
            .next()
            .is_some()
        {
            return Err(Violation::SubscriptionIdentifierInPublish.into());
        }
        if let Some(alias) = publish.properties.topic_alias() {
            // The aliases are set aside meanwhile, so that a Topic Name can be borrowed from them.
            let Some(connection) = self.clients.connections.get_mut(id) else {
                return Ok(());
            };
            let maximum = connection.topic_aliases_in;
            let mut aliases = connection
                .aliases_in
                .take()
                .unwrap_or_else(|| Box::new(AliasesIn::new()));
            let topic = aliases.resolve(alias, publish.topic, maximum)?;
            let outcome = self.publish_to(now, id, session, body, &publish, topic);
            if let Some(connection) = self.clients.connections.get_mut(id) {
                connection.aliases_in = Some(aliases);
            }
            return outcome;
        }
        self.publish_to(now, id, session, body, &publish, publish.topic)
    }

    fn publish_to(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session: SessionId,
        body: &[u8],
        publish: &Publish<'_>,
        topic: &str,
    ) -> Result<(), Ending> {
        let whole;
        let topic = match self.clients.sessions[session].mount_point() {
            None => topic,
            Some(mount_point) => {
                whole = mount_point.topic(topic).ok_or(Violation::TopicTooLong)?;
                &whole
            }
        };
        let limit = self.clients.limits.topic_levels;
        let levels = || topic.bytes().filter(|&byte| byte == b'/').count() + 1;
        if topic.len() >= limit && levels() > limit {
            return Err(Violation::TopicTooDeep.into());
        }
        if publish.retain && !self.clients.limits.retain_available {
            return Err(Violation::RetainNotAvailable.into());
        }
        if publish.qos > QoS::AtMostOnce {
            self.check_maximum_qos(id, publish.qos)?;
            self.check_receive_maximum(id)?;
        }
        if publish.qos == QoS::ExactlyOnce && self.is_repeated(session, publish) {
            if let Some(packet) = acknowledgement(publish, ReasonCode::Success, Properties::EMPTY) {
                self.send_settled(id, &packet);
            }
            return Ok(());
        }
        let marks = self.clients.settlement.marks();
        let reason = match self.refusal(session, publish, topic) {
            Some(ReasonCode::PayloadFormatInvalid) if publish.qos == QoS::AtMostOnce => {
                return Err(Violation::PayloadNotUtf8.into());
            }
            Some(reason) => {
                self.clients.counters.refused += 1;
                reason
            }
            None => {
                let mut is_logged = self.is_to_be_logged(publish.qos, publish.retain, topic);
                if is_logged && self.log_room == LogRoom::Full {
                    if publish.qos > QoS::AtMostOnce {
                        return self.refuse_for_full_log(id, publish);
                    }
                    is_logged = false;
                }
                let number = match is_logged {
                    true => self.next_message_id(),
                    false => MessageId::NONE,
                };
                let message = Message::from_publish(body, publish, topic, now, number);
                if self.has_room_for(&message, id) {
                    self.accept_message(now, message, Some(session))
                } else {
                    self.clients.counters.refused += 1;
                    ReasonCode::QuotaExceeded
                }
            }
        };
        if publish.qos == QoS::ExactlyOnce && !reason.is_error() {
            self.note_received(id, session, publish);
        }
        if let Some(packet) = acknowledgement(publish, reason, Properties::EMPTY) {
            match self.waits_for_log(id) {
                true => self.send_since(marks, id, &packet),
                false => self.send(id, &packet),
            }
        }
        Ok(())
    }

    /// Whether acknowledgements on a connection wait for the log, where there is one.
    fn waits_for_log(&self, id: ConnectionId) -> bool {
        !self.clients.settlement.has_log() || self.promises_durability(id)
    }

    /// There is no room in the log for a message. A Client of 3.x cannot be told; it loses its
    /// connection and has its message still.
    fn refuse_for_full_log(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
    ) -> Result<(), Ending> {
        self.clients.counters.refused += 1;
        let connection = self.clients.connections.get(id);
        let Some(connection) = connection.filter(|it| it.version == ProtocolVersion::V5) else {
            return Err(Ending::LogFull);
        };
        let mut properties = PropertiesBuf::default();
        if connection.problem_information {
            properties.push(Property::ReasonString(FULL));
        }
        let reason = ReasonCode::QuotaExceeded;
        let Some(packet) = acknowledgement(publish, reason, properties.as_properties()) else {
            return Ok(());
        };
        self.send(id, &packet);
        Ok(())
    }

    /// Whether a Client may publish with this QoS. `[MQTT-3.2.2-11]`
    fn check_maximum_qos(&self, id: ConnectionId, qos: QoS) -> Result<(), Ending> {
        let connection = self.clients.connections.get(id);
        match connection.is_some_and(|connection| qos > connection.maximum_qos) {
            true => Err(Violation::QoSAboveMaximum(qos as u8).into()),
            false => Ok(()),
        }
    }

    /// Only a Client of 5.0 knows the Receive Maximum. `[MQTT-3.3.4-9]`
    fn check_receive_maximum(&mut self, id: ConnectionId) -> Result<(), Violation> {
        let maximum = self.clients.limits.receive_maximum;
        match self.clients.connections.get(id) {
            Some(connection)
                if connection.version == ProtocolVersion::V5
                    && connection.unacknowledged >= maximum =>
            {
                Err(Violation::ReceiveMaximumExceeded)
            }
            _ => Ok(()),
        }
    }

    /// Whether a QoS 2 message has been received before and not been released. `[MQTT-4.3.3-10]`
    fn is_repeated(&self, session: SessionId, publish: &Publish<'_>) -> bool {
        let received = &self.clients.sessions[session].received;
        let known = |id| {
            received
                .as_ref()
                .is_some_and(|received| received.contains(&id))
        };
        publish.packet_id.is_some_and(known)
    }

    fn note_received(&mut self, id: ConnectionId, session: SessionId, publish: &Publish<'_>) {
        if let Some(packet_id) = publish.packet_id {
            self.clients.sessions[session].receive(packet_id);
            self.clients
                .record(session, |session| Record::Received { session, packet_id });
        }
        if let Some(connection) = self.clients.connections.get_mut(id) {
            connection.unacknowledged = connection.unacknowledged.saturating_add(1);
        }
    }

    /// Why a message is not accepted, if it is not.
    fn refusal(
        &self,
        session: SessionId,
        publish: &Publish<'_>,
        topic: &str,
    ) -> Option<ReasonCode> {
        if !self.clients.sessions[session].may(Action::Publish, topic) {
            return Some(ReasonCode::NotAuthorized);
        }
        let largest = self.clients.limits.payload_size.unwrap_or(u32::MAX);
        if publish.payload.len() > largest as usize {
            return Some(ReasonCode::ImplementationSpecificError);
        }
        // [MQTT-3.3.2-4]
        let is_text = publish.properties.payload_format_indicator() == Some(1);
        if is_text && std::str::from_utf8(publish.payload).is_err() {
            return Some(ReasonCode::PayloadFormatInvalid);
        }
        None
    }

    /// Whether a message of QoS 1 or 2 can be retained, if that is wanted and to be done here. Known
    /// before anybody has it: a Client may send again what was refused. One of 3.x cannot be told; its
    /// messages are accepted and then not kept.
    fn has_room_for(&mut self, message: &Message, id: ConnectionId) -> bool {
        let may_refuse = message.retain()
            && message.qos() > QoS::AtMostOnce
            && self.home(message.topic()) == self.id
            && self.clients.connections.get(id).map(|it| it.version) == Some(ProtocolVersion::V5);
        if !may_refuse || self.retained.has_room(message, &self.clients.limits) {
            return true;
        }
        self.clients.counters.retained_refused += 1;
        false
    }

    /// Passes a message on to all who want it, and keeps it if it is to be retained. Gives the
    /// Reason Code of its acknowledgement: a success.
    pub(super) fn accept_message(
        &mut self,
        now: Timestamp,
        message: Message,
        publisher: Option<SessionId>,
    ) -> ReasonCode {
        self.clients.counters.accepted += 1;
        let mut matches = std::mem::take(&mut self.matches);
        self.routes.find_for(&message, &mut matches);
        if matches.is_empty() {
            self.clients.counters.no_subscriber += 1;
        }
        // Here and not at its home: what is to be known of a PUBLISH is stable all at once.
        let is_retained = message.retain() && self.has_room_in_log(&message);
        if self.clients.settlement.has_log() && (is_retained || message.id().is_some()) {
            let publisher = publisher.and_then(|id| self.clients.sessions.get(id));
            let route = Route {
                crosses: message.qos() > QoS::AtMostOnce && !matches.peers.is_empty(),
                publisher: publisher.map_or(LogId::NONE, |session| session.log_id),
            };
            self.record_message(message.clone(), route);
        }
        for peer in matches.peers.iter() {
            self.pass_on(peer, &message);
        }
        let to_retain = is_retained.then(|| message.clone());
        let wanted = self.deliver_here(now, message, &matches, publisher);
        let reason = if wanted || !matches.peers.is_empty() {
            ReasonCode::Success
        } else {
            if !matches.is_empty() {
                self.clients.counters.no_subscriber += 1;
            }
            ReasonCode::NoMatchingSubscribers
        };
        self.matches = matches;
        if let Some(message) = to_retain {
            self.retain(message);
        }
        reason
    }

    /// Whether the log can take a message that is to be retained. One of QoS 1 and 2 is refused
    /// before it comes to that.
    fn has_room_in_log(&mut self, message: &Message) -> bool {
        if self.log_room == LogRoom::Enough || message.id().is_some() {
            return true;
        }
        self.clients.counters.retained_refused += 1;
        false
    }

    /// Appends a message to the log.
    pub(super) fn record_message(&mut self, message: Message, route: Route) {
        if route.crosses {
            self.clients.settlement.route(message.id());
        }
        self.clients.settlement.append(|| match message.retain() {
            true => Record::Retained { message, route },
            false => Record::Message { message, route },
        });
    }

    /// Whether a message needs a record that can be read back.
    pub(super) fn is_to_be_logged(&mut self, qos: QoS, retain: bool, topic: &str) -> bool {
        if !self.clients.settlement.has_log() {
            return false;
        }
        self.routes.find(topic, &mut self.matches);
        let is_durable = retain || self.matches.durability == Durability::Log;
        qos > QoS::AtMostOnce && is_durable || self.matches.is_kept
    }

    /// Whether somebody who outlives the process wants the messages of a topic.
    pub(super) fn is_durably_wanted(&mut self, topic: &str) -> bool {
        if !self.clients.settlement.has_log() {
            return false;
        }
        self.routes.find(topic, &mut self.matches);
        self.matches.durability == Durability::Log
    }

    /// Passes a message on to another shard.
    pub(super) fn pass_on(&mut self, peer: ShardId, message: &Message) {
        let said = PeerMessage::Publish(message.clone());
        if message.qos() > QoS::AtMostOnce {
            self.tell_and_confirm(peer, said);
        } else {
            self.tell(peer, said);
        }
    }

    /// Gives a message to its home, to be retained there. If there is no room that is counted; the
    /// message has been accepted.
    pub(super) fn retain(&mut self, message: Message) {
        let home = self.home(message.topic());
        if home == self.id {
            return self.retain_here(message);
        }
        // Also at QoS 0: whoever subscribes may have to wait for it, and so does a checkpoint.
        self.tell_and_confirm(home, PeerMessage::Retain { message });
    }

    /// Delivers a message to the Sessions and Shared Subscriptions of this shard that match. True
    /// if there were any.
    pub(super) fn deliver_here(
        &mut self,
        now: Timestamp,
        message: Message,
        matches: &Matches,
        publisher: Option<SessionId>,
    ) -> bool {
        if message.retain() && !self.streams.is_empty() {
            self.supersede(&message, matches);
        }
        for group in &matches.groups {
            self.offer(now, *group, &message);
        }
        let mut any = !matches.groups.is_empty();
        let Shard {
            routes, clients, ..
        } = self;
        if let [filter] = matches.filters.as_slice() {
            let wants = |it: &&Subscription| !is_own(it, publisher);
            let mut subscribers = routes.subscribers(*filter).filter(wants).peekable();
            any |= subscribers.peek().is_some();
            while let Some(subscription) = subscribers.next() {
                let session = subscription.session;
                if subscribers.peek().is_none() {
                    // The last one gets the message itself: with one subscriber nothing is counted.
                    clients.deliver(now, session, delivery(message, subscription));
                    break;
                }
                clients.deliver(now, session, delivery(message.clone(), subscription));
            }
        } else if !matches.filters.is_empty() {
            let deliveries = deliveries(routes, clients, &message, matches, publisher);
            any |= !deliveries.is_empty();
            for (session, delivery) in deliveries {
                clients.deliver(now, session, delivery);
            }
        }
        any
    }
}

/// Whether a subscription leaves out what its own Client publishes. `[MQTT-3.8.3-3]`
#[inline]
fn is_own(subscription: &Subscription, publisher: Option<SessionId>) -> bool {
    subscription.options.no_local && publisher == Some(subscription.session)
}

/// PUBACK or PUBREC; nothing at QoS 0.
fn acknowledgement<'a>(
    publish: &Publish<'_>,
    reason: ReasonCode,
    properties: Properties<'a>,
) -> Option<Packet<'a>> {
    let packet_id = publish.packet_id?;
    Some(match publish.qos {
        QoS::ExactlyOnce => Packet::PubRec(PubRec {
            packet_id,
            reason,
            properties,
        }),
        _ => Packet::PubAck(PubAck {
            packet_id,
            reason,
            properties,
        }),
    })
}

/// What one subscription makes of a message.
#[inline]
fn delivery(message: Message, subscription: &Subscription) -> Delivery {
    let options = subscription.options;
    Delivery {
        qos: message.qos().min(options.qos),
        // [MQTT-3.3.1-12], [MQTT-3.3.1-13]
        retain: message.retain() && options.retain_as_published,
        subscription_ids: SubscriptionIds::of(subscription.id),
        origin: None,
        message,
    }
}

/// One copy for each Session, whichever of its subscriptions match: with the highest QoS granted and
/// all Subscription Identifiers. `[MQTT-3.3.4-2]`, `[MQTT-3.3.4-3]`
pub(super) fn deliveries(
    routes: &Routes,
    clients: &mut Clients,
    message: &Message,
    matches: &Matches,
    publisher: Option<SessionId>,
) -> Vec<(SessionId, Delivery)> {
    let mut deliveries: Vec<(SessionId, Delivery)> = Vec::new();
    clients.last_mark += 1;
    let mark = clients.last_mark;
    let subscriptions = matches
        .filters
        .iter()
        .flat_map(|filter| routes.subscribers(*filter));
    for subscription in subscriptions {
        if is_own(subscription, publisher) {
            continue;
        }
        let Some(session) = clients.sessions.get_mut(subscription.session) else {
            continue;
        };
        let (last, place) = session.mark;
        if last == mark {
            let (_, known) = &mut deliveries[place as usize];
            let further = delivery(message.clone(), subscription);
            known.qos = known.qos.max(further.qos);
            known.retain |= further.retain;
            known.subscription_ids.push(subscription.id);
        } else {
            session.mark = (mark, deliveries.len() as u32);
            deliveries.push((
                subscription.session,
                delivery(message.clone(), subscription),
            ));
        }
    }
    deliveries
}
