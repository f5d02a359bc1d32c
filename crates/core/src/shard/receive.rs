//! From bytes to packets, and each packet to the one who handles it.

use dunlin_packet::{Frame, Framing, Packet, PacketType, Publish, split_frame};

use super::pace::Pace;
use super::{Command, Shard};
use crate::connection::{Connection, Phase, is_a_clients};
use crate::fault::{Ending, Violation};
use crate::id::{ConnectionId, SessionId, ShardId};
use crate::policy::Origin;
use crate::time::Timestamp;
use crate::timers::Timer;

/// What becomes of the bytes after a packet.
pub(super) enum Flow {
    /// They are looked at.
    Continue,
    /// The connection is to be handed over; the packet has not been used up.
    Move(ShardId),
}

impl Shard {
    pub(super) fn opened(&mut self, now: Timestamp, id: ConnectionId) {
        self.clients.counters.connections_opened += 1;
        let mut connection = Connection::new(id, now);
        let deadline = now.after(self.clients.limits.connect_timeout);
        let timer = Timer::Connection(id.index() as u32);
        self.clients
            .timers
            .set(timer, &mut connection.deadline, deadline);
        connection.topic_aliases_in = self.clients.limits.topic_aliases_in;
        self.clients.connections.insert(connection);
        if self.stopping {
            self.close(now, id, Ending::ShuttingDown);
        }
    }

    /// It is known where a connection comes from: the terms of its listener hold.
    pub(super) fn identified(&mut self, id: ConnectionId, origin: &Origin) {
        self.policy.opened(id, origin);
        let terms = self.terms.get(origin.listener as usize);
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        connection.listener = origin.listener;
        if let Some(terms) = terms {
            connection.maximum_qos = terms.maximum_qos;
            connection.durability = terms.durability;
            if let Some(aliases) = terms.topic_aliases_in {
                connection.topic_aliases_in = aliases;
            }
        }
    }

    pub(super) fn received(&mut self, now: Timestamp, id: ConnectionId, bytes: &[u8]) {
        self.clients.counters.bytes_received += bytes.len() as u64;
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Closing) {
            return;
        }
        connection.last_received = now;
        if matches!(connection.phase, Phase::Deciding(_)) || connection.held_until().is_some() {
            return self.keep_for_later(now, id, bytes);
        }
        let mut buffer = std::mem::take(&mut connection.partial);
        if buffer.is_empty() {
            let used = self.receive_from(now, id, bytes);
            self.keep_partial(now, id, bytes[used..].to_vec());
            return;
        }
        self.clients.partial_bytes -= buffer.len();
        buffer.extend_from_slice(bytes);
        let used = self.receive_from(now, id, &buffer);
        if used > 0 {
            // A copy, so that what is kept is no larger than it says.
            buffer = buffer[used..].to_vec();
        }
        self.keep_partial(now, id, buffer);
    }

    /// Keeps what comes while nothing is handled; the driver has been asked to read no more.
    fn keep_for_later(&mut self, now: Timestamp, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        let mut buffer = std::mem::take(&mut connection.partial);
        self.clients.partial_bytes -= buffer.len();
        buffer.extend_from_slice(bytes);
        self.keep_partial(now, id, buffer);
    }

    /// Handles all complete packets in `bytes`. Gives how many bytes are done with: all but the
    /// beginning of a packet.
    fn receive_from(&mut self, now: Timestamp, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut used = 0;
        loop {
            let maximum = self.clients.limits.packet_size;
            let rest = &bytes[used..];
            let (frame, length) = match split_frame(rest, maximum) {
                Ok(Framing::Complete { frame, length }) => (frame, length),
                Ok(Framing::Incomplete { .. }) => return used,
                Err(malformed) => {
                    self.close(now, id, malformed.into());
                    return bytes.len();
                }
            };
            if self.clients.limits.bound_rates() {
                match self.pace(now, id, frame.packet_type, length) {
                    Ok(Pace::Go) => {}
                    Ok(Pace::Hold) => return used,
                    Err(ending) => {
                        self.close(now, id, ending);
                        return bytes.len();
                    }
                }
            }
            let received = &mut self.clients.counters.packets_received;
            received.count(frame.packet_type);
            match self.packet(now, id, frame) {
                Ok(Flow::Continue) => used += length,
                Ok(Flow::Move(to)) => {
                    self.hand_over_connection(id, to, rest);
                    return bytes.len();
                }
                Err(ending) => {
                    self.close(now, id, ending);
                    return bytes.len();
                }
            }
            match self.clients.connections.get(id) {
                None
                | Some(Connection {
                    phase: Phase::Closing,
                    ..
                }) => return bytes.len(),
                Some(Connection {
                    phase: Phase::Deciding(_),
                    ..
                }) => return used,
                Some(connection) => {
                    let maximum = self.clients.limits.output_bytes_hard;
                    if connection.pending_output() > maximum {
                        self.close(now, id, Ending::OutputFull);
                        return bytes.len();
                    }
                }
            }
        }
    }

    /// Keeps the beginning of a packet. Where there is no room for it, those go first whose
    /// beginnings take up more.
    fn keep_partial(&mut self, now: Timestamp, id: ConnectionId, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        while self.clients.partial_bytes + bytes.len() > self.clients.limits.partial_bytes {
            let largest = self.clients.connections.largest_partial();
            let other = largest.filter(|connection| connection.partial.len() > bytes.len());
            let culprit = other.map_or(id, |connection| connection.id);
            self.close(now, culprit, Ending::ReceiveBuffersFull);
            if culprit == id {
                return;
            }
        }
        if let Some(connection) = self.clients.connections.get_mut(id) {
            self.clients.partial_bytes += bytes.len();
            connection.partial = bytes;
        }
    }

    fn hand_over_connection(&mut self, id: ConnectionId, to: ShardId, bytes: &[u8]) {
        self.policy.closed(id);
        self.clients.remove_connection(id);
        // Where it goes, all of it is counted as if it came there first.
        let counters = &mut self.clients.counters;
        counters.connections_opened -= 1;
        counters.connections_closed -= 1;
        counters.bytes_received -= bytes.len() as u64;
        counters.packets_received.discount(PacketType::Connect);
        self.commands.push(Command::Move {
            connection: id,
            to,
            bytes: bytes.to_vec(),
        });
    }

    /// Handles one packet.
    fn packet(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        frame: Frame<'_>,
    ) -> Result<Flow, Ending> {
        let Some(connection) = self.clients.connections.get(id) else {
            return Ok(Flow::Continue);
        };
        match &connection.phase {
            Phase::Open(session) => {
                let session = *session;
                self.packet_of_session(now, id, session, frame)?;
                Ok(Flow::Continue)
            }
            Phase::Opening if frame.packet_type != PacketType::Connect => {
                Err(Violation::FirstPacketNotConnect(frame.packet_type).into())
            }
            Phase::Opening => self.connect_packet(now, id, frame.body),
            Phase::Authenticating(_) => {
                self.packet_before_connack(now, id, frame)?;
                Ok(Flow::Continue)
            }
            Phase::Deciding(_) | Phase::Closing => Ok(Flow::Continue),
        }
    }

    fn packet_before_connack(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        frame: Frame<'_>,
    ) -> Result<(), Ending> {
        match Packet::decode(dunlin_packet::ProtocolVersion::V5, frame)? {
            Packet::Auth(auth) => self.auth_before_connack(now, id, auth),
            Packet::Disconnect(disconnect) => Err(Ending::Disconnected(disconnect.reason)),
            _ => Err(Violation::PacketBeforeConnAck(frame.packet_type).into()),
        }
    }

    fn packet_of_session(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session: SessionId,
        frame: Frame<'_>,
    ) -> Result<(), Ending> {
        let Some(connection) = self.clients.connections.get(id) else {
            return Ok(());
        };
        let version = connection.version;
        // Whatever else is wrong with it. [MQTT-3.1.0-2]
        if frame.packet_type == PacketType::Connect {
            return Err(Violation::SecondConnect.into());
        }
        if !is_a_clients(frame.packet_type, version) {
            return Err(Violation::NotAClientsPacket(frame.packet_type).into());
        }
        if frame.packet_type == PacketType::Publish {
            // By far the most of all packets: it does without the way through `Packet`.
            let publish = Publish::decode(version, frame)?;
            return self.publish(now, id, session, frame.body, publish);
        }
        match Packet::decode(version, frame)? {
            Packet::PubAck(puback) => self.puback(now, session, puback),
            Packet::PubRec(pubrec) => self.pubrec(now, id, session, pubrec),
            Packet::PubRel(pubrel) => self.pubrel(id, session, pubrel),
            Packet::PubComp(pubcomp) => self.pubcomp(now, session, pubcomp),
            Packet::Subscribe(subscribe) => self.subscribe(id, session, subscribe)?,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(id, session, unsubscribe),
            Packet::PingReq => self.send(id, &Packet::PingResp),
            Packet::Disconnect(disconnect) => {
                return Err(self.disconnect(session, disconnect));
            }
            Packet::Auth(auth) => self.re_authenticate(now, id, auth)?,
            // PUBLISH was decoded above; the others are a Server's, or came once.
            Packet::Publish(_)
            | Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {
                return Err(Violation::NotAClientsPacket(frame.packet_type).into());
            }
        }
        Ok(())
    }
}
