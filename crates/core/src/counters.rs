//! What a shard counts. Every accepted message can be found in these numbers.

use dunlin_packet::PacketType;

/// Why a message that was due to somebody was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum DropReason {
    /// Its queue was full: that of the Session or of the Shared Subscription.
    QueueFull,
    /// All messages that wait in Sessions of the shard were together at their bound.
    MemoryFull,
    /// QoS 0, and the Session had no connection.
    NotConnected,
    /// The Session ended while it waited.
    SessionEnded,
    /// Larger than the Maximum Packet Size of the Client. `[MQTT-3.1.2-25]`
    PacketTooLarge,
    /// The Client answered with a Reason Code of 0x80 or more.
    RefusedByClient,
    /// The last member of a Shared Subscription left while it waited.
    GroupEnded,
    /// The Client may not receive messages of this topic.
    NotAuthorized,
    /// It was in the log and could not be read back.
    Unreadable,
    /// It was due to somebody who is in the log, and there was no room for it there. Its publisher
    /// could not be told, as that subscription was too new to be known to his shard.
    LogFull,
    /// The last who wanted it in a shard unsubscribed while it was on its way there.
    Unsubscribed,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [DropReason; 11] = [
        DropReason::QueueFull,
        DropReason::MemoryFull,
        DropReason::NotConnected,
        DropReason::SessionEnded,
        DropReason::PacketTooLarge,
        DropReason::RefusedByClient,
        DropReason::GroupEnded,
        DropReason::NotAuthorized,
        DropReason::Unreadable,
        DropReason::LogFull,
        DropReason::Unsubscribed,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::MemoryFull => "memory_full",
            DropReason::NotConnected => "not_connected",
            DropReason::SessionEnded => "session_ended",
            DropReason::PacketTooLarge => "packet_too_large",
            DropReason::RefusedByClient => "refused_by_client",
            DropReason::GroupEnded => "group_ended",
            DropReason::NotAuthorized => "not_authorized",
            DropReason::Unreadable => "unreadable",
            DropReason::LogFull => "log_full",
            DropReason::Unsubscribed => "unsubscribed",
        }
    }
}

/// Counts of Control Packets, by their type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts([u64; 16]);

impl PacketCounts {
    /// One more.
    #[inline]
    pub fn count(&mut self, packet_type: PacketType) {
        self.0[packet_type as usize] += 1;
    }

    /// One less: it is counted elsewhere.
    pub(crate) fn discount(&mut self, packet_type: PacketType) {
        self.0[packet_type as usize] -= 1;
    }

    /// Those of one type.
    pub const fn of(&self, packet_type: PacketType) -> u64 {
        self.0[packet_type as usize]
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, other: &PacketCounts) {
        for (sum, n) in self.0.iter_mut().zip(other.0) {
            *sum += n;
        }
    }
}

/// The counts of one shard since it started.
///
/// An accepted message is due to some number of Sessions and Shared Subscriptions. If that is none
/// it is counted in `no_subscriber`; otherwise each of these deliveries is counted in `due` and
/// ends in exactly one of `delivered`, `expired` and `dropped`. So over all shards, at any time,
/// `due = delivered + expired + Σ dropped + waiting`, where what waits is queued or in flight.
///
/// A message that crosses to another shard while the last subscription there ends was due to
/// somebody, and nobody is left: that is a delivery which is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Network Connections that were opened.
    pub connections_opened: u64,
    /// Network Connections that have ended.
    pub connections_closed: u64,
    /// CONNECT packets that were accepted.
    pub connects_accepted: u64,
    /// CONNECT packets that were refused.
    pub connects_refused: u64,
    /// Of these, as a name was banned or the Client came too often.
    pub connects_banned: u64,
    /// Client Identifiers that were banned as they came too often.
    pub clients_banned: u64,
    /// Connections that were closed for a Malformed Packet or a Protocol Error.
    pub violations: u64,
    /// Times that a Client began to be held back, as it sent too fast.
    pub clients_slowed: u64,
    /// Connections that were closed as their Client went on being too fast.
    pub clients_too_fast: u64,
    /// Control Packets received.
    pub packets_received: PacketCounts,
    /// Control Packets written.
    pub packets_sent: PacketCounts,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes written.
    pub bytes_sent: u64,
    /// PUBLISH packets received, repeated ones included.
    pub publishes_received: u64,
    /// PUBLISH packets written, repeated ones included.
    pub publishes_sent: u64,
    /// Bytes of the payloads of PUBLISH packets received.
    pub payload_bytes_received: u64,
    /// Bytes of the payloads of PUBLISH packets written.
    pub payload_bytes_sent: u64,
    /// Sessions that ended as they were not resumed in time.
    pub sessions_expired: u64,
    /// Application Messages accepted: published by Clients, Wills, and the broker's own.
    pub accepted: u64,
    /// PUBLISH packets refused with a Reason Code of 0x80 or more, or by closing the connection.
    pub refused: u64,
    /// Accepted messages that nobody on any shard had subscribed to.
    pub no_subscriber: u64,
    /// Deliveries that came to be in this shard.
    pub due: u64,
    /// Deliveries completed: written at QoS 0, acknowledged at QoS 1 and 2.
    pub delivered: u64,
    /// Deliveries whose message expired first.
    pub expired: u64,
    /// Deliveries given up, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Retained Messages of this shard.
    pub retained: u64,
    /// Messages that were to be retained, and were not for lack of room.
    pub retained_refused: u64,
    /// Retained Messages sent because of a SUBSCRIBE.
    pub retained_sent: u64,
}

impl Counters {
    pub(crate) fn drop_for(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }

    /// Deliveries dropped for one reason.
    pub const fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Deliveries that have come to be and have not ended: those that must wait somewhere.
    ///
    /// Of all shards together: a delivery may come to be in one and end in another. 0 where the
    /// counters of some shards are newer than those of others, and it looks as if more had ended.
    pub fn waiting(&self) -> u64 {
        let ended = self.delivered + self.expired + self.dropped.iter().sum::<u64>();
        self.due.saturating_sub(ended)
    }

    /// Adds those of another shard.
    pub fn add(&mut self, other: &Counters) {
        let Counters {
            connections_opened,
            connections_closed,
            connects_accepted,
            connects_refused,
            connects_banned,
            clients_banned,
            violations,
            clients_slowed,
            clients_too_fast,
            packets_received,
            packets_sent,
            bytes_received,
            bytes_sent,
            publishes_received,
            publishes_sent,
            payload_bytes_received,
            payload_bytes_sent,
            sessions_expired,
            accepted,
            refused,
            no_subscriber,
            due,
            delivered,
            expired,
            dropped,
            retained,
            retained_refused,
            retained_sent,
        } = other;
        self.connections_opened += connections_opened;
        self.connections_closed += connections_closed;
        self.connects_accepted += connects_accepted;
        self.connects_refused += connects_refused;
        self.violations += violations;
        self.connects_banned += connects_banned;
        self.clients_banned += clients_banned;
        self.clients_slowed += clients_slowed;
        self.clients_too_fast += clients_too_fast;
        self.packets_received.add(packets_received);
        self.packets_sent.add(packets_sent);
        self.bytes_received += bytes_received;
        self.bytes_sent += bytes_sent;
        self.publishes_received += publishes_received;
        self.publishes_sent += publishes_sent;
        self.payload_bytes_received += payload_bytes_received;
        self.payload_bytes_sent += payload_bytes_sent;
        self.sessions_expired += sessions_expired;
        self.accepted += accepted;
        self.refused += refused;
        self.no_subscriber += no_subscriber;
        self.due += due;
        self.delivered += delivered;
        self.expired += expired;
        for (sum, n) in self.dropped.iter_mut().zip(dropped) {
            *sum += n;
        }
        self.retained += retained;
        self.retained_refused += retained_refused;
        self.retained_sent += retained_sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_different_moments_do_not_make_less_than_nothing_wait() {
        let mut all = Counters {
            due: 2,
            ..Counters::default()
        };
        assert_eq!(all.waiting(), 2);
        all.add(&Counters {
            delivered: 2,
            expired: 1,
            ..Counters::default()
        });
        assert_eq!(all.waiting(), 0);
    }
}
