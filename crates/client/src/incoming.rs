//! Messages from the Server: whether each is new, and how many are unacknowledged.
//!
//! ```text
//!  QoS 1   PUBLISH ──▶ (Pending) ── PUBACK ──▶ forgotten
//!  QoS 2   PUBLISH ──▶ (Pending) ── PUBREC ──▶ Received ── PUBREL, PUBCOMP ──▶ forgotten
//! ```
//!
//! `Pending` exists with manual acknowledgement only. It belongs to the Network Connection: if that
//! ends, the Server sends the message again. `Received` is Session State [MQTT-4.3.3-10].

use std::collections::{HashMap, HashSet};

use dunlin_packet::{PacketId, QoS};

use crate::ServerFault;

/// The receiving half of the Session.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// QoS 2 messages that were taken over; a repeat of the PUBLISH is not delivered again.
    received: HashSet<PacketId>,
    /// Handed to the application and not yet acknowledged by it.
    pending: HashMap<PacketId, QoS>,
    /// What counts against our Receive Maximum: published on this Network Connection, and neither
    /// PUBACK nor PUBCOMP sent.
    window: HashSet<PacketId>,
}

/// What to do about a QoS 1 or 2 PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Deliver it.
    New,
    /// A repeat of what the application is still working on: nothing.
    Pending,
    /// A repeat of a QoS 2 message taken over before: only PUBREC.
    Repeated,
}

impl Incoming {
    /// Forgets what belongs to the former Network Connection.
    pub(crate) fn begin_connection(&mut self) {
        self.pending.clear();
        self.window.clear();
    }

    /// Forgets the Session.
    pub(crate) fn discard_session(&mut self) {
        self.received.clear();
    }

    /// Takes note of a PUBLISH.
    pub(crate) fn publish(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        receive_maximum: u16,
    ) -> Result<Arrival, ServerFault> {
        if self.pending.contains_key(&packet_id) {
            return Ok(Arrival::Pending);
        }
        self.window.insert(packet_id);
        if self.window.len() > usize::from(receive_maximum) {
            return Err(ServerFault::ReceiveMaximumExceeded(receive_maximum));
        }
        if qos == QoS::ExactlyOnce && self.received.contains(&packet_id) {
            return Ok(Arrival::Repeated);
        }
        self.pending.insert(packet_id, qos);
        Ok(Arrival::New)
    }

    /// The application has taken over a message: which QoS it had, hence which packet to answer.
    pub(crate) fn acknowledge(&mut self, packet_id: PacketId) -> Option<QoS> {
        let qos = self.pending.remove(&packet_id)?;
        if qos == QoS::ExactlyOnce {
            self.received.insert(packet_id);
        } else {
            self.window.remove(&packet_id);
        }
        Some(qos)
    }

    /// Takes note of a PUBREL; false if its Packet Identifier is unknown.
    pub(crate) fn release(&mut self, packet_id: PacketId) -> bool {
        self.window.remove(&packet_id);
        self.received.remove(&packet_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn exactly_once_survives_the_connection() {
        let mut incoming = Incoming::default();
        assert_eq!(
            incoming.publish(id(1), QoS::ExactlyOnce, 10),
            Ok(Arrival::New)
        );
        assert_eq!(incoming.acknowledge(id(1)), Some(QoS::ExactlyOnce));
        incoming.begin_connection();
        assert_eq!(
            incoming.publish(id(1), QoS::ExactlyOnce, 10),
            Ok(Arrival::Repeated)
        );
        assert!(incoming.release(id(1)));
        assert!(!incoming.release(id(1)));
        assert_eq!(
            incoming.publish(id(1), QoS::ExactlyOnce, 10),
            Ok(Arrival::New)
        );
    }

    #[test]
    fn unacknowledged_messages_fill_the_window() {
        let mut incoming = Incoming::default();
        assert_eq!(
            incoming.publish(id(1), QoS::AtLeastOnce, 2),
            Ok(Arrival::New)
        );
        assert_eq!(
            incoming.publish(id(2), QoS::ExactlyOnce, 2),
            Ok(Arrival::New)
        );
        assert_eq!(
            incoming.publish(id(3), QoS::AtLeastOnce, 2),
            Err(ServerFault::ReceiveMaximumExceeded(2))
        );
    }
}
