//! Messages on their way to the Server: Packet Identifiers, send quota, retransmission.
//!
//! ```text
//!  QoS 1   Unanswered ── PUBACK ──▶ done
//!  QoS 2   Unanswered ── PUBREC, PUBREL ──▶ Released ── PUBCOMP ──▶ done
//! ```
//!
//! All of it is Session State. On a new Network Connection of the same Session everything in flight
//! is sent again in the original order [MQTT-4.4.0-1, MQTT-4.6.0-1], as the send quota allows.

use std::collections::{HashMap, VecDeque};

use dunlin_packet::PacketId;

use crate::Message;

/// The sending half of the Session.
#[derive(Debug)]
pub(crate) struct Outgoing {
    in_flight: HashMap<PacketId, InFlight>,
    /// In flight, but not yet sent again on this Network Connection; oldest first.
    resend: VecDeque<PacketId>,
    /// Order of publishing.
    next_sequence: u64,
    last_id: PacketId,
}

#[derive(Debug)]
struct InFlight {
    sequence: u64,
    stage: Stage,
}

/// How far a message has got.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBLISH is to be answered with PUBACK or PUBREC.
    Unanswered(Message),
    /// PUBREL is to be answered with PUBCOMP.
    Released,
}

impl Default for Outgoing {
    fn default() -> Self {
        let last_id = PacketId::new(u16::MAX).expect("65535 is not zero");
        Self {
            in_flight: HashMap::new(),
            resend: VecDeque::new(),
            next_sequence: 0,
            last_id,
        }
    }
}

impl Outgoing {
    /// Puts everything in flight up for retransmission.
    pub(crate) fn begin_resend(&mut self) {
        let mut ids: Vec<PacketId> = self.in_flight.keys().copied().collect();
        ids.sort_unstable_by_key(|id| self.in_flight[id].sequence);
        self.resend = ids.into();
    }

    /// Forgets the Session; returns what was in flight, oldest first.
    pub(crate) fn discard_session(&mut self) -> Vec<(PacketId, Stage)> {
        self.resend.clear();
        let mut in_flight: Vec<_> = self.in_flight.drain().collect();
        in_flight.sort_unstable_by_key(|(_, in_flight)| in_flight.sequence);
        in_flight
            .into_iter()
            .map(|(id, in_flight)| (id, in_flight.stage))
            .collect()
    }

    /// Messages that were sent on this Network Connection and are not done: what the send quota bounds.
    pub(crate) fn quota_used(&self) -> usize {
        self.in_flight.len() - self.resend.len()
    }

    /// Whether older messages have to go first.
    pub(crate) fn is_resending(&self) -> bool {
        !self.resend.is_empty()
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The next message to send again, if any.
    pub(crate) fn pop_resend(&mut self) -> Option<(PacketId, &Stage)> {
        let packet_id = self.resend.pop_front()?;
        Some((packet_id, &self.in_flight[&packet_id].stage))
    }

    /// Whether `packet_id` is in flight but not sent on this Network Connection, so that nothing
    /// can answer it yet.
    fn awaits_resend(&self, packet_id: PacketId) -> bool {
        !self.resend.is_empty() && self.resend.contains(&packet_id)
    }

    /// A Packet Identifier that neither this nor `is_taken` knows; `None` if all 65,535 are in use.
    pub(crate) fn allocate(&mut self, is_taken: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        let mut id = self.last_id;
        for _ in 0..u16::MAX {
            id = id.next();
            if !self.in_flight.contains_key(&id) && !is_taken(id) {
                self.last_id = id;
                return Some(id);
            }
        }
        None
    }

    /// Takes note of a QoS 1 or 2 message that has been sent as `packet_id`.
    pub(crate) fn insert(&mut self, packet_id: PacketId, message: Message) {
        let stage = Stage::Unanswered(message);
        self.in_flight.insert(
            packet_id,
            InFlight {
                sequence: self.next_sequence,
                stage,
            },
        );
        self.next_sequence += 1;
    }

    /// How far `packet_id` has got; `None` if it is not on its way on this Network Connection.
    pub(crate) fn stage(&self, packet_id: PacketId) -> Option<&Stage> {
        if self.awaits_resend(packet_id) {
            return None;
        }
        self.in_flight
            .get(&packet_id)
            .map(|in_flight| &in_flight.stage)
    }

    /// PUBREC came: the message itself is no longer needed.
    pub(crate) fn release(&mut self, packet_id: PacketId) {
        if let Some(in_flight) = self.in_flight.get_mut(&packet_id) {
            in_flight.stage = Stage::Released;
        }
    }

    /// Done with `packet_id`, which has been sent on this Network Connection.
    pub(crate) fn remove(&mut self, packet_id: PacketId) -> Option<Stage> {
        self.in_flight
            .remove(&packet_id)
            .map(|in_flight| in_flight.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn identifiers_start_at_one_wrap_and_skip_those_in_use() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.allocate(|_| false), Some(id(1)));
        outgoing.insert(id(3), Message::new("t", ""));
        assert_eq!(outgoing.allocate(|taken| taken == id(2)), Some(id(4)));
        outgoing.last_id = id(65535);
        assert_eq!(outgoing.allocate(|_| false), Some(id(1)));
        assert_eq!(outgoing.allocate(|_| true), None);
    }

    #[test]
    fn resends_in_the_order_of_publishing() {
        let mut outgoing = Outgoing::default();
        for value in [9, 2, 7] {
            outgoing.insert(id(value), Message::new("t", ""));
        }
        assert_eq!(outgoing.quota_used(), 3);
        outgoing.begin_resend();
        assert_eq!(outgoing.quota_used(), 0);
        let order: Vec<u16> =
            std::iter::from_fn(|| outgoing.pop_resend().map(|(id, _)| id.get())).collect();
        assert_eq!(order, [9, 2, 7]);
        assert_eq!(outgoing.quota_used(), 3);
    }
}
