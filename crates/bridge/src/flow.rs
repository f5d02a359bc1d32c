//! The messages that come from one side: what is on its way to the other, and what waits for that.
//!
//! It belongs to one connection of each side, and is forgotten with them: the Sessions know.

use std::collections::{HashMap, HashSet, VecDeque};

use dunlin_packet::{PacketId, QoS};

/// Bytes that may wait in a bridge for the other side. Beyond, nothing is read from this one.
const HELD_BYTES: usize = 8 << 20;

/// Messages from one side.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Sent to the other side and not acknowledged there, with the QoS that they came with.
    in_flight: HashMap<PacketId, QoS>,
    /// Whole packets that wait: the other side is not open yet, or has as much as it takes.
    held: VecDeque<Box<[u8]>>,
    held_bytes: usize,
    /// QoS 2 messages that were acknowledged here, without the other side: their PUBREL as well.
    pub(crate) answered: HashSet<PacketId>,
    /// What the other side's Session may know of an earlier one.
    pub(crate) stale: Stale,
}

/// Packet Identifiers that the Session of the receiving side may hold from messages whose sender has
/// forgotten them: a Session of the sending side that is gone. A new message with such an identifier
/// would be taken for a repetition, and lost. So PUBREL releases each before its first use.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    /// Released already. `None`: there is nothing to be released.
    released: Option<HashSet<PacketId>>,
    /// PUBREL was sent, PUBCOMP has not come.
    awaited: HashSet<PacketId>,
}

impl Flow {
    /// Forgets the connection.
    pub(crate) fn close(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        *self = Self::default();
        self.stale.released = stale.released;
    }

    pub(crate) fn hold(&mut self, packet: &[u8]) {
        self.held_bytes += packet.len();
        self.held.push_back(packet.into());
    }

    pub(crate) fn pop_held(&mut self) -> Option<Box<[u8]>> {
        let packet = self.held.pop_front()?;
        self.held_bytes -= packet.len();
        Some(packet)
    }

    pub(crate) fn first_held(&self) -> Option<&[u8]> {
        self.held.front().map(|packet| &packet[..])
    }

    /// How many packets wait.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether more may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.held_bytes < HELD_BYTES
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.held.is_empty()
    }

    /// How many messages are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn send(&mut self, id: PacketId, qos: QoS) {
        self.in_flight.insert(id, qos);
    }

    /// The QoS that a message in flight came with.
    pub(crate) fn qos(&self, id: PacketId) -> Option<QoS> {
        self.in_flight.get(&id).copied()
    }

    pub(crate) fn finish(&mut self, id: PacketId) -> Option<QoS> {
        self.in_flight.remove(&id)
    }
}

impl Stale {
    /// A connection begins: whether each side knew its Session.
    pub(crate) fn begin(&mut self, sender_present: bool, receiver_present: bool) {
        if !receiver_present {
            self.released = None;
        } else if !sender_present {
            self.released = Some(HashSet::new());
        }
    }

    /// Whether PUBREL has to go before a QoS 2 message; then it is taken to be sent.
    pub(crate) fn release_before(&mut self, id: PacketId) -> bool {
        let Some(released) = &mut self.released else {
            return false;
        };
        let is_new = released.insert(id);
        if is_new {
            self.awaited.insert(id);
        }
        is_new
    }

    /// A PUBCOMP has come. True: it answers such a PUBREL, and nobody else waits for it.
    pub(crate) fn completed(&mut self, id: PacketId) -> bool {
        self.awaited.remove(&id)
    }
}
