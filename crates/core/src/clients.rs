//! Sessions and the connections that serve them: everything on the way from a delivery to bytes.

use std::collections::VecDeque;

use dunlin_packet::{Packet, PacketId, PacketType, ProtocolVersion, PublishHead, QoS};

use crate::connection::{Alias, AliasesOut, Connection, Connections};
use crate::counters::{Counters, DropReason};
use crate::id::{ConnectionId, SessionId, ShardId};
use crate::journal::{LogId, MessageId, Record};
use crate::limits::Limits;
use crate::mount::MountPoint;
use crate::output::OutputPool;
use crate::peer::PeerMessage;
use crate::session::{
    Acknowledged, Delivery, GroupOrigin, OutgoingPool, Place, Queued, Sessions, Stage,
};
use crate::settlement::{Settlement, Ticket};
use crate::time::Timestamp;
use crate::timers::{Timer, Timers};

/// What one shard knows of its Clients.
pub(crate) struct Clients {
    pub(crate) sessions: Sessions,
    pub(crate) connections: Connections,
    pub(crate) timers: Timers,
    pub(crate) limits: Limits,
    /// See [`ShardConfig::held_messages`](crate::ShardConfig::held_messages).
    held_messages: usize,
    pub(crate) counters: Counters,
    /// Sessions with a connection.
    pub(crate) connected: usize,
    /// What acknowledgements wait for.
    pub(crate) settlement: Settlement,
    /// Connections that have something to write.
    pub(crate) dirty: Vec<ConnectionId>,
    /// Connections whose output has a gate, by the ticket that opens it.
    gated: VecDeque<(Ticket, ConnectionId)>,
    /// What Shared Subscriptions have to hear of the deliveries that came from them.
    pub(crate) reports: VecDeque<(ShardId, PeerMessage)>,
    /// Sessions whose queue has run empty and that have Retained Messages on their way.
    pub(crate) hungry: Vec<SessionId>,
    /// Bytes that all queues take of memory.
    pub(crate) waiting_bytes: usize,
    /// Sessions that wait for messages of the log, and for which.
    pub(crate) reads: Vec<(SessionId, Vec<MessageId>)>,
    /// Bytes that wait to be written, of all connections.
    pending_output: usize,
    /// Bytes of all incomplete packets.
    pub(crate) partial_bytes: usize,
    /// Tells messages apart while they are delivered.
    pub(crate) last_mark: u64,
    outputs: OutputPool,
    queues: OutgoingPool,
    seed: u64,
}

/// Which packet a message becomes on a connection.
struct Sending {
    qos: QoS,
    packet_id: Option<PacketId>,
    dup: bool,
}

/// The packet would exceed the Maximum Packet Size of the Client.
struct TooLarge;

impl Clients {
    /// Bytes that are read back for a Session at a time.
    const READ_AHEAD: usize = 64 * 1024;

    pub(crate) fn new(
        limits: Limits,
        held_messages: usize,
        settlement: Settlement,
        seed: u64,
    ) -> Self {
        Clients {
            sessions: Sessions::new(seed),
            connections: Connections::default(),
            timers: Timers::default(),
            limits,
            held_messages,
            counters: Counters::default(),
            connected: 0,
            settlement,
            dirty: Vec::new(),
            gated: VecDeque::new(),
            reports: VecDeque::new(),
            hungry: Vec::new(),
            waiting_bytes: 0,
            reads: Vec::new(),
            pending_output: 0,
            partial_bytes: 0,
            last_mark: 0,
            outputs: OutputPool::default(),
            queues: OutgoingPool::default(),
            seed,
        }
    }

    /// Bytes that wait to be written, of all connections.
    pub(crate) fn pending_output(&self) -> usize {
        self.pending_output
    }

    // ---------------------------------------------------------------- to a connection

    /// Appends a Control Packet, other than PUBLISH, to what a connection is to be sent.
    pub(crate) fn send(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        let Clients {
            connections,
            outputs,
            dirty,
            pending_output,
            counters,
            ..
        } = self;
        if let Some(connection) = connections.get_mut(id) {
            counters.packets_sent.count(packet.packet_type());
            let version = connection.version;
            let output = connection.output(outputs);
            *pending_output += output.append(|bytes| packet.encode(version, bytes));
            mark_dirty(connection, dirty);
        }
    }

    /// What is sent to a connection from now on is not written before a ticket is settled.
    pub(crate) fn shut(&mut self, id: ConnectionId, ticket: Ticket) {
        let Clients {
            connections,
            outputs,
            gated,
            settlement,
            ..
        } = self;
        if let Some(connection) = connections.get_mut(id) {
            settlement.wait_for(ticket);
            connection.output(outputs).shut(ticket);
            if gated.back() != Some(&(ticket, id)) {
                gated.push_back((ticket, id));
            }
        }
    }

    /// Opens what tickets that are settled have held back.
    pub(crate) fn open_gates(&mut self) {
        let settlement = &self.settlement;
        let is_settled = |ticket| settlement.is_settled(ticket);
        while let Some((_, id)) = self.gated.pop_front_if(|(ticket, _)| is_settled(*ticket)) {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            if let Some(output) = &mut connection.output {
                output.open(is_settled);
                mark_dirty(connection, &mut self.dirty);
            }
        }
    }

    /// Takes the list of connections that have something to write now.
    pub(crate) fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        for id in self.dirty.drain(..) {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.dirty = false;
            if connection
                .output
                .as_ref()
                .is_some_and(|output| output.writable() > 0)
            {
                into.push(id);
            }
        }
    }

    /// Takes note of bytes that were written. True: nothing more waits.
    pub(crate) fn written(&mut self, id: ConnectionId, count: usize) -> bool {
        let Clients {
            connections,
            outputs,
            counters,
            pending_output,
            ..
        } = self;
        let Some(connection) = connections.get_mut(id) else {
            return false;
        };
        counters.bytes_sent += count as u64;
        let Some(output) = &mut connection.output else {
            return true;
        };
        output.advance(count);
        *pending_output -= count;
        if output.is_empty()
            && let Some(output) = connection.output.take()
        {
            outputs.put(output);
            return true;
        }
        false
    }

    /// Forgets a connection and what waited to be written to it.
    pub(crate) fn remove_connection(&mut self, id: ConnectionId) {
        if let Some(mut connection) = self.connections.remove(id) {
            let timer = Timer::Connection(id.index() as u32);
            self.timers
                .set(timer, &mut connection.deadline, Timestamp::NEVER);
            self.counters.connections_closed += 1;
            self.partial_bytes -= connection.partial.len();
            if let Some(output) = connection.output.take() {
                self.pending_output -= output.pending();
                self.outputs.put(output);
            }
        }
    }

    /// Gives a connection the Topic Aliases that its Client allows.
    pub(crate) fn allow_aliases(&mut self, id: ConnectionId, maximum: u16) {
        let maximum = maximum.min(self.limits.topic_aliases_out);
        let seed = self.seed;
        if maximum > 0
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.aliases_out = Some(Box::new(AliasesOut::new(maximum, seed)));
        }
    }

    // ------------------------------------------------------------------ to a Session

    /// A message is due to a Session: sends it, or lets it wait, or drops it for a reason.
    pub(crate) fn deliver(&mut self, now: Timestamp, id: SessionId, delivery: Delivery) {
        self.counters.due += 1;
        if delivery.qos > QoS::AtMostOnce && self.is_recorded(id) {
            if !delivery.message.id().is_some() {
                return self.drop_delivery(id, delivery, DropReason::LogFull);
            }
            let (session, parked) = (self.sessions[id].log_id, delivery.parked());
            // What waits for it waits for the message: where that is in the log, this can be found
            // out again.
            self.settlement
                .append_later(|| Record::Queued { session, parked });
        }
        self.hand_over(now, id, delivery);
    }

    /// A message of the log is read to a Session once more. It is not in the log as the Session's own.
    pub(crate) fn replay(&mut self, now: Timestamp, id: SessionId, delivery: Delivery) {
        self.counters.due += 1;
        self.hand_over(now, id, delivery);
    }

    /// Whether it is in the log that a delivery is due to a Session.
    fn is_in_log(&self, id: SessionId, delivery: &Delivery) -> bool {
        is_logged(delivery) && self.is_recorded(id)
    }

    /// As [`deliver`](Self::deliver), for a delivery that has been counted as due before.
    pub(crate) fn hand_over(&mut self, now: Timestamp, id: SessionId, delivery: Delivery) {
        let Some(session) = self.sessions.get(id) else {
            return self.drop_delivery(id, delivery, DropReason::SessionEnded);
        };
        let is_named = delivery.qos < QoS::ExactlyOnce || delivery.message.id().is_some();
        if !is_named && self.is_recorded(id) {
            // Its steps could not be recorded: after a crash it would be forgotten half way.
            return self.drop_delivery(id, delivery, DropReason::LogFull);
        }
        if !session.may_receive(&delivery.message) {
            return self.drop_delivery(id, delivery, DropReason::NotAuthorized);
        }
        let Some(connection) = session.connection else {
            if delivery.qos == QoS::AtMostOnce && !self.limits.queue_qos0 {
                return self.drop_delivery(id, delivery, DropReason::NotConnected);
            }
            return self.enqueue(now, id, delivery);
        };
        if session.has_queue() || !self.may_send(id, connection, delivery.qos) {
            return self.enqueue(now, id, delivery);
        }
        self.send_delivery(now, id, connection, delivery);
    }

    /// Whether a message with this QoS can be written now.
    fn may_send(&mut self, id: SessionId, connection: ConnectionId, qos: QoS) -> bool {
        let Some(quota) = self.quota_with_room(connection) else {
            return false;
        };
        let outgoing = self.sessions[id].outgoing.as_ref();
        qos == QoS::AtMostOnce || outgoing.is_none_or(|flow| flow.may_send(quota))
    }

    /// How many messages of QoS 1 and 2 may be in flight on a connection, if it takes further messages
    /// at all. When all outputs together are at their bound, only those do from which nothing waits. A
    /// connection without room is noted: its Session goes on when there is some.
    fn quota_with_room(&mut self, id: ConnectionId) -> Option<usize> {
        let connection = self.connections.get_mut(id)?;
        let pending = connection.pending_output();
        let has_room = pending == 0
            || (pending < self.limits.output_bytes
                && self.pending_output < self.limits.all_output_bytes);
        connection.wants_room |= !has_room;
        has_room.then_some(connection.send_quota.into())
    }

    /// Whether the Session of a connection waits for room in its output, and there is some again.
    /// Looked at after every write: so it touches nothing but the connection.
    pub(crate) fn takes_more(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        let takes_more =
            connection.wants_room && connection.pending_output() < self.limits.output_bytes;
        connection.wants_room &= !takes_more;
        takes_more
    }

    fn enqueue(&mut self, now: Timestamp, id: SessionId, delivery: Delivery) {
        let is_full = |outgoing: &crate::session::Outgoing| {
            outgoing.is_full(delivery.size(), &self.limits) && outgoing.expiry.may_have_come(now)
        };
        if self.sessions[id].outgoing.as_deref().is_some_and(is_full) {
            self.expire_queue(now, id);
        }
        let full = self.waiting_bytes + delivery.size() > self.limits.waiting_bytes;
        let is_connected = self.sessions[id].connection.is_some();
        let place = match self.is_in_log(id, &delivery) {
            false if full => return self.drop_delivery(id, delivery, DropReason::MemoryFull),
            false => Place::Memory,
            true if is_connected && !full => Place::Log {
                held: self.held_messages,
            },
            true if self.waiting_bytes + Place::PARKED > self.limits.waiting_bytes => {
                return self.drop_delivery(id, delivery, DropReason::MemoryFull);
            }
            true => Place::LogAlone,
        };
        let limits = &self.limits;
        let session = &mut self.sessions[id];
        let outgoing = session.outgoing.get_or_insert_with(|| self.queues.take());
        let before = outgoing.memory_bytes();
        let queued = outgoing.enqueue(delivery, place, limits);
        self.waiting_bytes = self.waiting_bytes + outgoing.memory_bytes() - before;
        match queued {
            Queued::Kept => {}
            Queued::Displaced(delivery) | Queued::Full(delivery) => {
                self.drop_delivery(id, delivery, DropReason::QueueFull);
            }
        }
        self.watch_expiry(id);
    }

    /// Lets what waits for a Session expire when its time comes.
    pub(crate) fn watch_expiry(&mut self, id: SessionId) {
        if let Some(outgoing) = &mut self.sessions[id].outgoing {
            outgoing.expiry.watch(&mut self.timers, Timer::Queue(id));
        }
    }

    /// Ends what has expired while it waited for a Session: it takes room in the queue, and on disk.
    pub(crate) fn expire_queue(&mut self, now: Timestamp, id: SessionId) {
        let Some(outgoing) = &mut self.sessions[id].outgoing else {
            return;
        };
        outgoing.expiry.stop(&mut self.timers, Timer::Queue(id));
        for delivery in self.change_queue(id, |outgoing| outgoing.take_expired(now)) {
            self.counters.expired += 1;
            self.end_delivery(id, &delivery);
        }
        self.watch_expiry(id);
        self.tidy(id);
    }

    /// Changes the queue of a Session, if it has one, and keeps the account of its memory.
    pub(crate) fn change_queue<T: Default>(
        &mut self,
        id: SessionId,
        change: impl FnOnce(&mut crate::session::Outgoing) -> T,
    ) -> T {
        let Some(outgoing) = &mut self.sessions[id].outgoing else {
            return T::default();
        };
        let before = outgoing.memory_bytes();
        let result = change(outgoing);
        self.waiting_bytes = self.waiting_bytes + outgoing.memory_bytes() - before;
        result
    }

    /// A Session has no connection: what can be is parked in the log.
    pub(crate) fn park(&mut self, id: SessionId) {
        if self.is_recorded(id) {
            self.change_queue(id, |outgoing| outgoing.park(is_logged));
        }
    }

    /// Asks for the messages that a Session with a connection needs next, if they are in the log.
    fn ask_for_messages(&mut self, id: SessionId) {
        let budget = self.limits.waiting_bytes.saturating_sub(self.waiting_bytes);
        let (count, budget) = (self.held_messages, budget.min(Self::READ_AHEAD));
        let messages = self.change_queue(id, |outgoing| outgoing.begin_reading(count, budget));
        if let Some(messages) = messages {
            self.reads.push((id, messages));
        }
    }

    /// Messages that a Session has asked for are there.
    pub(crate) fn read(
        &mut self,
        now: Timestamp,
        id: SessionId,
        messages: Vec<(MessageId, Option<crate::Message>)>,
    ) {
        let lost = self.change_queue(id, |outgoing| outgoing.read(messages));
        for delivery in lost {
            self.drop_delivery(id, delivery, DropReason::Unreadable);
        }
        self.drop_forbidden(id);
        if self.sessions[id].connection.is_none() {
            // Its Client has gone meanwhile.
            self.park(id);
        }
        self.pump(now, id);
    }

    /// Drops what waits for a Session or is in flight to it, and may not be received any more. What
    /// is in the log only is judged when it has been read.
    pub(crate) fn drop_forbidden(&mut self, id: SessionId) {
        let session = &mut self.sessions[id];
        if !session.is_restricted() {
            return;
        }
        let Some(mut outgoing) = session.outgoing.take() else {
            return;
        };
        let before = outgoing.memory_bytes();
        let forbidden = outgoing.take_back(|delivery, _| {
            let message = &delivery.message;
            !message.is_absent() && !session.may_receive(message)
        });
        self.waiting_bytes = self.waiting_bytes + outgoing.memory_bytes() - before;
        session.outgoing = Some(outgoing);
        for delivery in forbidden {
            self.drop_delivery(id, delivery, DropReason::NotAuthorized);
        }
        self.tidy(id);
    }

    /// Sends what waits for a Session as far as its connection and its quota allow.
    pub(crate) fn pump(&mut self, now: Timestamp, id: SessionId) {
        let waits = |session: &crate::session::Session| session.has_queue() || session.is_hungry();
        if self.sessions.get(id).is_some_and(waits) {
            self.send_waiting(now, id);
        }
        self.tidy(id);
    }

    /// Whether something waits to be sent to a Session.
    pub(crate) fn has_queue(&self, id: SessionId) -> bool {
        self.sessions
            .get(id)
            .is_some_and(crate::session::Session::has_queue)
    }

    fn send_waiting(&mut self, now: Timestamp, id: SessionId) {
        let is_absent = |session: &crate::session::Session| {
            let outgoing = session.outgoing.as_ref();
            outgoing.is_some_and(|outgoing| outgoing.has_absent())
        };
        if self.sessions.get(id).is_some_and(is_absent) {
            return self.ask_for_messages(id);
        }
        let is_resending = |clients: &Self| {
            let outgoing = clients
                .sessions
                .get(id)
                .and_then(|session| session.outgoing.as_ref());
            outgoing.is_some_and(|outgoing| outgoing.is_resending())
        };
        if is_resending(self) {
            self.resend(now, id);
        }
        if !is_resending(self) {
            self.send_queue(now, id);
        }
    }

    fn send_queue(&mut self, now: Timestamp, id: SessionId) {
        while let Some(session) = self.sessions.get_mut(id)
            && let Some(connection) = session.connection
        {
            let mut next = session.outgoing.as_mut();
            let next = next
                .as_mut()
                .and_then(|outgoing| outgoing.front())
                .map(|delivery| delivery.qos);
            let Some(qos) = next else {
                if session.has_queue() {
                    self.ask_for_messages(id);
                } else if session.is_hungry() {
                    self.hungry.push(id);
                }
                return;
            };
            if !self.may_send(id, connection, qos) {
                return;
            }
            let delivery = self.change_queue(id, |outgoing| outgoing.dequeue());
            let delivery = delivery.expect("it was looked at before");
            self.send_delivery(now, id, connection, delivery);
        }
    }

    /// Writes a delivery as PUBLISH; from then on it is in flight, or done at QoS 0.
    fn send_delivery(
        &mut self,
        now: Timestamp,
        id: SessionId,
        connection: ConnectionId,
        delivery: Delivery,
    ) {
        // [MQTT-3.3.2-5]
        if delivery.message.expires_at() <= now {
            self.counters.expired += 1;
            return self.end_delivery(id, &delivery);
        }
        let session = &mut self.sessions[id];
        let packet_id = (delivery.qos > QoS::AtMostOnce).then_some(session.next_packet_id);
        let sending = Sending {
            qos: delivery.qos,
            packet_id,
            dup: false,
        };
        // Of a Shared Subscription also what goes to a Session that ends with the process: nobody
        // else may have it any more.
        let is_shared = delivery.origin.is_some() && delivery.message.id().is_some();
        if delivery.qos == QoS::ExactlyOnce
            && (is_shared || delivery.message.id().is_some() && self.is_recorded(id))
        {
            if !self.fits(now, id, connection, &sending, &delivery) {
                return self.drop_delivery(id, delivery, DropReason::PacketTooLarge);
            }
            self.record_sending(id, connection, packet_id, &delivery);
        }
        if let Err(TooLarge) = self.write_publish(now, id, connection, sending, &delivery) {
            return self.drop_delivery(id, delivery, DropReason::PacketTooLarge);
        }
        match packet_id {
            None => {
                self.counters.delivered += 1;
                self.end_delivery(id, &delivery);
            }
            Some(packet_id) => {
                let session = &mut self.sessions[id];
                session.next_packet_id = packet_id.next();
                let outgoing = session.outgoing.get_or_insert_with(|| self.queues.take());
                outgoing.sent(packet_id, delivery);
            }
        }
    }

    /// The Packet Identifier of a message of QoS 2 must be known after a crash: it is stable before
    /// the message is written.
    fn record_sending(
        &mut self,
        id: SessionId,
        connection: ConnectionId,
        packet_id: Option<PacketId>,
        delivery: &Delivery,
    ) {
        let packet_id = packet_id.expect("a message of QoS 2 has one");
        let group = delivery.origin.as_ref().map(|origin| origin.group.clone());
        let (session, parked) = (self.sessions[id].log_id, delivery.parked());
        self.settlement.append(|| Record::Sending {
            session,
            packet_id,
            parked,
            group,
        });
        self.shut(connection, self.settlement.ticket());
    }

    /// Whether a message is within the Maximum Packet Size of the Client.
    fn fits(
        &self,
        now: Timestamp,
        id: SessionId,
        connection: ConnectionId,
        sending: &Sending,
        delivery: &Delivery,
    ) -> bool {
        self.connections.get(connection).is_none_or(|connection| {
            let mount_point = self.sessions[id].mount_point();
            let head = publish_head(now, sending, delivery, mount_point);
            let length = head.encoded_len(connection.version);
            length <= connection.maximum_packet_size as usize
        })
    }

    fn write_publish(
        &mut self,
        now: Timestamp,
        id: SessionId,
        connection: ConnectionId,
        sending: Sending,
        delivery: &Delivery,
    ) -> Result<(), TooLarge> {
        let Clients {
            sessions,
            connections,
            outputs,
            dirty,
            counters,
            pending_output,
            ..
        } = self;
        let connection = connections
            .get_mut(connection)
            .expect("a Session's connection is there");
        let message = &delivery.message;
        let mut head = publish_head(now, &sending, delivery, sessions[id].mount_point());
        let version = connection.version;
        if connection.maximum_packet_size != u32::MAX
            && head.encoded_len(version) > connection.maximum_packet_size as usize
        {
            return Err(TooLarge);
        }
        // A repeated packet could come before the one that sets its alias: it says it all.
        if let Some(aliases) = connection.aliases_out.as_mut().filter(|_| !sending.dup) {
            use_alias(&mut head, aliases, connection.maximum_packet_size);
        }
        let output = connection.output(outputs);
        *pending_output += output.append(|bytes| head.encode(version, bytes));
        *pending_output += output.append_payload(message);
        counters.packets_sent.count(PacketType::Publish);
        counters.publishes_sent += 1;
        counters.payload_bytes_sent += message.payload().len() as u64;
        mark_dirty(connection, dirty);
        Ok(())
    }

    /// Sends again, on a new connection, what was in flight on the last one, as far as its quota and
    /// its output allow. The rest follows when it has been acknowledged.
    fn resend(&mut self, now: Timestamp, id: SessionId) {
        let Some(connection) = self.sessions[id].connection else {
            return;
        };
        while let Some(quota) = self.quota_with_room(connection)
            && let Some(outgoing) = &mut self.sessions[id].outgoing
            && let Some((packet_id, stage)) = outgoing.next_to_resend(quota)
        {
            match stage {
                Stage::Published(delivery) => {
                    let qos = delivery.qos;
                    let sending = Sending {
                        qos,
                        packet_id: Some(packet_id),
                        dup: true,
                    };
                    let written = self.write_publish(now, id, connection, sending, &delivery);
                    if let Err(TooLarge) = written {
                        self.give_up(id, packet_id, qos);
                    }
                }
                Stage::Released => self.send_pubrel(connection, packet_id),
                Stage::Done => {}
            }
        }
    }

    fn give_up(&mut self, id: SessionId, packet_id: PacketId, qos: QoS) {
        let Some(outgoing) = &mut self.sessions[id].outgoing else {
            return;
        };
        let acknowledged = match qos {
            QoS::ExactlyOnce => {
                outgoing.pubrec(packet_id, dunlin_packet::ReasonCode::PacketTooLarge)
            }
            _ => outgoing.puback(packet_id),
        };
        if let Acknowledged::Completed(delivery) = acknowledged {
            self.counters.drop_for(DropReason::PacketTooLarge);
            self.abandon(id, packet_id, &delivery);
        }
        self.tidy(id);
    }

    pub(crate) fn send_pubrel(&mut self, connection: ConnectionId, packet_id: PacketId) {
        use dunlin_packet::{Properties, PubRel, ReasonCode};
        let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
        self.send(
            connection,
            &Packet::PubRel(PubRel {
                packet_id,
                reason,
                properties,
            }),
        );
    }

    // ------------------------------------------------------------- ends of deliveries

    /// A delivery ends without having reached its Client.
    pub(crate) fn drop_delivery(&mut self, id: SessionId, delivery: Delivery, reason: DropReason) {
        self.counters.drop_for(reason);
        self.end_delivery(id, &delivery);
    }

    /// A delivery has ended, one way or another: for its Shared Subscription, or for the log.
    pub(crate) fn end_delivery(&mut self, id: SessionId, delivery: &Delivery) {
        if let Some(origin) = delivery.origin.as_deref() {
            let GroupOrigin {
                home,
                membership,
                sequence,
                ..
            } = *origin;
            self.reports.push_back((
                home,
                PeerMessage::GroupDone {
                    membership,
                    sequence,
                },
            ));
        } else if self.is_in_log(id, delivery) {
            let (session, message) = (self.sessions[id].log_id, delivery.message.id());
            self.settlement
                .append_later(|| Record::Done { session, message });
        }
    }

    /// A delivery that was in flight has reached its Client. At QoS 2 the log knows of it by its Packet
    /// Identifier, and learns of its end by what follows.
    pub(crate) fn end_in_flight(&mut self, id: SessionId, delivery: &Delivery) {
        if delivery.qos != QoS::ExactlyOnce || delivery.origin.is_some() {
            self.end_delivery(id, delivery);
        }
    }

    /// A delivery that was in flight ends, and nothing follows.
    pub(crate) fn abandon(&mut self, id: SessionId, packet_id: PacketId, delivery: &Delivery) {
        if delivery.qos == QoS::ExactlyOnce {
            self.record_later(id, |session| Record::Freed { session, packet_id });
        }
        self.end_in_flight(id, delivery);
    }

    /// Whether changes of a Session go into the log.
    pub(crate) fn is_recorded(&self, id: SessionId) -> bool {
        self.settlement.has_log()
            && self
                .sessions
                .get(id)
                .is_some_and(|session| session.log_id.is_some())
    }

    /// Appends a change of a Session to the log, if it is one that is recorded. What is
    /// acknowledged next waits for it.
    pub(crate) fn record(&mut self, id: SessionId, record: impl FnOnce(LogId) -> Record) {
        if self.is_recorded(id) {
            let session = self.sessions[id].log_id;
            self.settlement.append(|| record(session));
        }
    }

    /// As [`record`](Self::record), for a change that nothing waits for.
    pub(crate) fn record_later(&mut self, id: SessionId, record: impl FnOnce(LogId) -> Record) {
        if self.is_recorded(id) {
            let session = self.sessions[id].log_id;
            self.settlement.append_later(|| record(session));
        }
    }

    /// Gives back what a Session has that is empty.
    pub(crate) fn tidy(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.forget_rarities();
        if let Some(mut outgoing) = session.outgoing.take_if(|outgoing| outgoing.is_empty()) {
            outgoing.expiry.stop(&mut self.timers, Timer::Queue(id));
            self.waiting_bytes -= outgoing.memory_bytes();
            self.queues.put(outgoing);
        }
    }
}

/// Whether the message of a delivery is in the log, for as long as a durable Session needs it.
pub(crate) fn is_logged(delivery: &Delivery) -> bool {
    delivery.qos > QoS::AtMostOnce && delivery.message.id().is_some() && delivery.origin.is_none()
}

/// A PUBLISH without Topic Alias.
#[inline]
fn publish_head<'a>(
    now: Timestamp,
    sending: &Sending,
    delivery: &'a Delivery,
    mount_point: Option<&MountPoint>,
) -> PublishHead<'a> {
    let message = &delivery.message;
    let topic = match mount_point {
        None => message.topic_bytes(),
        // What is outside of the mount point is not delivered.
        Some(mount_point) => {
            let topic = message.topic();
            mount_point.rest(topic).unwrap_or(topic).as_bytes()
        }
    };
    let expires_at = message.expires_at();
    PublishHead {
        dup: sending.dup,
        retain: delivery.retain,
        qos: sending.qos,
        topic,
        packet_id: sending.packet_id,
        message_expiry_interval: (expires_at != Timestamp::NEVER)
            .then(|| now.seconds_until(expires_at)),
        topic_alias: None,
        subscription_identifiers: delivery.subscription_ids.as_slice(),
        forwarded: message.properties(),
        payload_len: message.payload().len(),
    }
}

fn mark_dirty(connection: &mut Connection, dirty: &mut Vec<ConnectionId>) {
    if !connection.dirty {
        connection.dirty = true;
        dirty.push(connection.id);
    }
}

/// Replaces the Topic Name by an alias where there is one, or sets one. `[MQTT-3.3.2-8]`
///
/// A Topic Name that is no longer than an alias is left as it is: the packet would only grow.
fn use_alias(head: &mut PublishHead<'_>, aliases: &mut AliasesOut, maximum_packet_size: u32) {
    const ALIAS_BYTES: usize = 3;
    if head.topic.len() <= ALIAS_BYTES {
        return;
    }
    match aliases.look_up(head.topic) {
        Alias::None => {}
        Alias::Use(alias) => {
            head.topic = b"";
            head.topic_alias = Some(alias);
        }
        Alias::Set(alias) => head.topic_alias = Some(alias),
    }
    let too_large = maximum_packet_size != u32::MAX
        && head.encoded_len(ProtocolVersion::V5) > maximum_packet_size as usize;
    if too_large && !head.topic.is_empty() {
        // The three bytes that set the alias are too many: the next message may set it.
        aliases.forget(head.topic);
        head.topic_alias = None;
    }
}
