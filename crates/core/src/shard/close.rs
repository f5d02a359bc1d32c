//! Ends: of connections, of Sessions, and what a Will makes of them.

use dunlin_packet::{
    Disconnect, Packet, Properties, PropertiesBuf, Property, ProtocolVersion, QoS, ReasonCode,
};

use super::{Command, Shard};
use crate::connection::Phase;
use crate::counters::DropReason;
use crate::event::Event;
use crate::fault::{Ending, Violation};
use crate::id::{ConnectionId, SessionId};
use crate::journal::{Durability, LogId, Record, Told};
use crate::policy::Action;
use crate::session::Delivery;
use crate::time::Timestamp;
use crate::timers::Timer;

impl Shard {
    /// DISCONNECT of a Client: gives the way in which its connection ends.
    pub(super) fn disconnect(&mut self, id: SessionId, disconnect: Disconnect<'_>) -> Ending {
        if let Some(wanted) = disconnect.properties.session_expiry_interval() {
            let session = &mut self.clients.sessions[id];
            // [MQTT-3.1.2-23]
            if session.expiry_interval == 0 && wanted > 0 {
                return Violation::SessionExpiryRaised.into();
            }
            let interval = wanted.min(self.clients.limits.session_expiry);
            session.expiry_interval = interval;
            self.record_expiry(id, interval);
        }
        Ending::Disconnected(disconnect.reason)
    }

    /// Ends a connection: tells the Client why where it can be told, and takes its Session from it.
    pub(super) fn close(&mut self, now: Timestamp, id: ConnectionId, ending: Ending) {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        let phase = std::mem::replace(&mut connection.phase, Phase::Closing);
        let version = connection.version;
        let explain = connection.problem_information;
        if matches!(phase, Phase::Closing) {
            if ending == Ending::ConnectionLost {
                self.clients.remove_connection(id);
            }
            return;
        }
        if matches!(ending, Ending::Malformed(_) | Ending::Violation(_)) {
            self.clients.counters.violations += 1;
        }
        let session = match phase {
            Phase::Open(session) => Some(session),
            _ => None,
        };
        let name = session.map(|session| self.clients.sessions[session].client_id.clone());
        if version == ProtocolVersion::V5
            && session.is_some()
            && let Some(reason) = ending.reason_code()
        {
            self.send_disconnect(id, reason, explain.then(|| ending.to_string()));
        }
        self.policy.closed(id);
        let client_id = name.unwrap_or_default();
        let lost = ending == Ending::ConnectionLost;
        if let Some(session) = session {
            self.leave_session(now, session, &ending);
        }
        self.emit(Event::Disconnected {
            connection: id,
            client_id,
            ending,
        });
        if lost {
            self.clients.remove_connection(id);
        } else {
            self.begin_closing(now, id);
        }
    }

    fn send_disconnect(&mut self, id: ConnectionId, reason: ReasonCode, why: Option<String>) {
        let mut properties = PropertiesBuf::default();
        if let Some(why) = &why {
            properties.push(Property::ReasonString(why));
        }
        let Some(connection) = self.clients.connections.get(id) else {
            return;
        };
        // [MQTT-3.14.2-3]: not if it made the packet too large.
        let fits = properties.len() + 8 <= connection.maximum_packet_size as usize;
        let properties = if fits {
            properties.as_properties()
        } else {
            Properties::EMPTY
        };
        self.send(id, &Packet::Disconnect(Disconnect { reason, properties }));
    }

    /// Lets a connection go once all has been written to it, but not for ever.
    fn begin_closing(&mut self, now: Timestamp, id: ConnectionId) {
        let deadline = now.after(self.clients.limits.close_timeout);
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        if connection.pending_output() == 0 {
            self.clients.remove_connection(id);
            self.commands.push(Command::Close(id));
            return;
        }
        self.clients.partial_bytes -= connection.partial.len();
        connection.partial = Vec::new();
        let timer = Timer::Connection(id.index() as u32);
        self.clients
            .timers
            .set(timer, &mut connection.deadline, deadline);
    }

    /// Some of a connection's output was written.
    pub(super) fn written(&mut self, now: Timestamp, id: ConnectionId, count: usize) {
        let all = self.clients.written(id, count);
        let takes_more = self.clients.takes_more(id);
        let Some(connection) = self.clients.connections.get(id) else {
            return;
        };
        match connection.phase {
            Phase::Closing if all => {
                self.clients.remove_connection(id);
                self.commands.push(Command::Close(id));
            }
            Phase::Open(session) if takes_more => self.clients.pump(now, session),
            _ => {}
        }
    }

    /// A connection's timer has run out.
    pub(super) fn connection_due(&mut self, now: Timestamp, index: u32) {
        let Some(id) = self.clients.connections.at(index) else {
            return;
        };
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        connection.deadline = Timestamp::NEVER;
        match connection.phase {
            Phase::Opening | Phase::Authenticating(_) | Phase::Deciding(_) => {
                self.close(now, id, Ending::ConnectTimeout);
            }
            Phase::Open(_) => {
                if connection.expires_at <= now {
                    return self.close(now, id, Ending::GrantExpired);
                }
                if connection.held_until().is_some_and(|until| until <= now) {
                    return self.go_on(now, id);
                }
                let deadline = connection.due_at(connection.last_received);
                if deadline <= now {
                    return self.close(now, id, Ending::KeepAliveTimeout);
                }
                let timer = Timer::Connection(index);
                self.clients
                    .timers
                    .set(timer, &mut connection.deadline, deadline);
            }
            Phase::Closing => {
                self.clients.remove_connection(id);
                self.commands.push(Command::Abort(id));
            }
        }
    }

    // ----------------------------------------------------------------------- Sessions

    /// Notes in the log that a Session outlives its connection by this many seconds. One that is in
    /// the log stays there until it ends, also if that will be with its connection.
    pub(super) fn record_expiry(&mut self, id: SessionId, expiry_interval: u32) {
        let holder = self.clients.sessions[id].holder();
        let promised = |connection| self.promises_durability(connection);
        if self.clients.is_recorded(id) {
            self.clients.record(id, |session| Record::Attached {
                session,
                expiry_interval,
                holder,
            });
        } else if expiry_interval > 0 && self.clients.sessions[id].connection.is_some_and(promised)
        {
            let log_id = LogId::new(self.next_number(), self.id);
            let session = &mut self.clients.sessions[id];
            session.log_id = log_id;
            let client_id = session.client_id.clone();
            self.clients.record(id, |session| Record::Session {
                session,
                client_id,
                expiry_interval,
                holder,
                told: Told::First,
            });
        }
    }

    /// Whether the Client of a connection is promised that anything outlives the process.
    pub(super) fn promises_durability(&self, id: ConnectionId) -> bool {
        let connection = self.clients.connections.get(id);
        self.clients.settlement.has_log()
            && connection.is_some_and(|connection| connection.durability == Durability::Log)
    }

    /// Notes in the log which Will a durable Session has now.
    pub(super) fn record_will(&mut self, id: SessionId) {
        let will = self.clients.sessions[id].will.as_ref();
        let will = will.map(|will| Box::new(will.recorded()));
        self.clients
            .record(id, |session| Record::Will { session, will });
    }

    /// A Session loses its connection.
    fn leave_session(&mut self, now: Timestamp, id: SessionId, ending: &Ending) {
        self.end_replays(id, |_| true);
        let session = &mut self.clients.sessions[id];
        if session.connection.take().is_some() {
            self.clients.connected -= 1;
        }
        match ending {
            // [MQTT-3.14.4-3]
            Ending::Disconnected(ReasonCode::Success) => {
                if session.will.take().is_some() {
                    self.record_will(id);
                }
            }
            // What the broker's own end makes of a Will is decided when it starts again.
            Ending::ShuttingDown => {}
            _ => {
                if let Some(will) = &mut session.will {
                    let due_at = now.after_seconds(will.delay_interval);
                    self.clients
                        .timers
                        .set(Timer::Will(id), &mut will.due_at, due_at);
                    if due_at <= now {
                        self.will_due(now, id);
                    }
                }
            }
        }
        let session = &mut self.clients.sessions[id];
        if session.expiry_interval == 0 {
            return self.end_session(now, id);
        }
        let expires_at = now.after_seconds(session.expiry_interval);
        self.clients
            .timers
            .set(Timer::Session(id), &mut session.expires_at, expires_at);
        self.clients
            .record_later(id, |session| Record::Detached { session, at: now });
        self.suspend_memberships(id);
        self.drop_queued_qos0(id);
        self.clients.park(id);
    }

    /// QoS 0 messages do not wait for a Client to come back, unless that is wanted.
    fn drop_queued_qos0(&mut self, id: SessionId) {
        if self.clients.limits.queue_qos0 {
            return;
        }
        let is_qos0 = |delivery: &Delivery, _| delivery.qos == QoS::AtMostOnce;
        let dropped = self
            .clients
            .change_queue(id, |outgoing| outgoing.take_back(is_qos0));
        for delivery in dropped {
            self.clients
                .drop_delivery(id, delivery, DropReason::NotConnected);
        }
        self.clients.tidy(id);
    }

    /// Publishes the Will of a Session that has lost its connection. `[MQTT-3.1.2-8]`
    pub(super) fn will_due(&mut self, now: Timestamp, id: SessionId) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let Some(mut will) = session.will.take() else {
            return;
        };
        self.clients
            .timers
            .set(Timer::Will(id), &mut will.due_at, Timestamp::NEVER);
        self.record_will(id);
        let message = match will.expiry_interval {
            Some(seconds) => will.message.expiring_at(now.after_seconds(seconds)),
            None => will.message,
        };
        if self.clients.sessions[id].may(Action::Publish, message.topic()) {
            // Even if the log is full for what is new: this has been promised.
            let is_logged = self.is_to_be_logged(message.qos(), message.retain(), message.topic());
            let message = match is_logged {
                true => message.identified(self.next_message_id()),
                false => message,
            };
            self.accept_message(now, message, Some(id));
        }
    }

    /// Ends a Session: its Will is due now at the latest, its subscriptions and messages go.
    pub(super) fn end_session(&mut self, now: Timestamp, id: SessionId) {
        let Some(session) = self.clients.sessions.get(id) else {
            return;
        };
        if session.connection.is_none() && session.will.is_some() {
            self.will_due(now, id);
        }
        self.end_memberships(id);
        self.end_subscriptions(id);
        self.end_streams(id);
        self.clients
            .record(id, |session| Record::SessionEnded { session });
        let mut session = self.clients.sessions.remove(id);
        let timers = &mut self.clients.timers;
        timers.set(
            Timer::Session(id),
            &mut session.expires_at,
            Timestamp::NEVER,
        );
        if let Some(will) = &mut session.will {
            timers.set(Timer::Will(id), &mut will.due_at, Timestamp::NEVER);
        }
        if let Some(mut outgoing) = session.outgoing.take() {
            outgoing.expiry.stop(timers, Timer::Queue(id));
            self.clients.waiting_bytes -= outgoing.memory_bytes();
            for delivery in outgoing.drain() {
                self.clients
                    .drop_delivery(id, delivery, DropReason::SessionEnded);
            }
        }
        self.emit(Event::SessionEnded {
            client_id: session.client_id,
        });
    }
}
