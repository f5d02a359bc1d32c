//! What the broker itself brings about: its own messages, and new limits.

use dunlin_packet::QoS;

use super::Shard;
use crate::limits::Limits;
use crate::message::Message;
use crate::time::Timestamp;

/// Seconds that the broker's own messages wait in queues; as long as Mosquitto's.
const OWN_MESSAGES_WAIT: u32 = 60;

impl Shard {
    /// Publishes a message of the broker's own. It goes to all who want it and is retained if it says
    /// so, but nobody is told what has become of it, and no record is made: after a restart the
    /// broker says it anew. It does not wait for long for those who are not there.
    pub(super) fn publish_own(&mut self, now: Timestamp, kept: Message) {
        let message = match kept.qos() {
            QoS::AtMostOnce => kept.clone(),
            _ => kept.expiring_at(now.after_seconds(OWN_MESSAGES_WAIT)),
        };
        self.clients.counters.accepted += 1;
        let mut matches = std::mem::take(&mut self.matches);
        self.routes.find_for(&message, &mut matches);
        for peer in matches.peers.iter() {
            self.pass_on(peer, &message);
        }
        let wanted = self.deliver_here(now, message, &matches, None);
        if !wanted && matches.peers.is_empty() {
            self.clients.counters.no_subscriber += 1;
        }
        self.matches = matches;
        if kept.retain() {
            self.retain(kept);
        }
    }

    /// Keeps to other limits from now on. What is above them already stays. Clients that are connected
    /// are held to them as well, whatever their CONNACK has announced; but for Topic Aliases, which
    /// belong to the connection.
    pub(super) fn limit(&mut self, limits: &Limits) {
        self.clients.limits.clone_from(limits);
    }
}
