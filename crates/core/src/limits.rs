//! The one table of limits: what bounds every queue, buffer and table, and what happens there.

use std::time::Duration;

/// The bounds that a shard keeps to.
///
/// Each line says what is bounded, the unit, and what happens at the bound; what is given up there
/// is counted in [`Counters`](crate::Counters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether messages may be retained; announced as Retain Available. If not, a PUBLISH with RETAIN
    /// closes its connection with Retain not supported (0x9A), and a CONNECT with such a Will is
    /// refused with that.
    pub retain_available: bool,
    /// Whether messages of QoS 0 wait for Sessions without a connection. Their bounds are those of the
    /// queue.
    pub queue_qos0: bool,
    /// Bytes of the payload of a PUBLISH. A larger message is not accepted: at QoS 1 and 2 a publisher
    /// of 5.0 is told Implementation specific error (0x83), others are not. `None`: as large as a
    /// packet may be.
    pub payload_size: Option<u32>,
    /// Bytes of the largest Control Packet that is accepted; announced as Maximum Packet Size.
    /// A larger one closes its connection with Packet too large (0x95).
    pub packet_size: u32,
    /// Messages of QoS 2 from a Client that it has not released; announced as Receive Maximum. One
    /// more message of QoS 1 or 2 closes its connection with Receive Maximum exceeded (0x93). QoS 1
    /// is acknowledged in the turn in which it comes, and counts nothing. A Client of 3.x is not
    /// held to it: Packet Identifiers bound what it may have.
    pub receive_maximum: u16,
    /// Messages of QoS 1 and 2 in flight to a Client; a lower Receive Maximum of its own counts.
    /// The rest waits in its Session.
    pub in_flight: u16,
    /// Topic Aliases that a Client may use; announced as Topic Alias Maximum. A higher one closes
    /// its connection with Topic Alias invalid (0x94).
    pub topic_aliases_in: u16,
    /// Topic Aliases that the broker assigns on its way out; a lower maximum of the Client counts.
    /// Further Topic Names are sent in full.
    pub topic_aliases_out: u16,
    /// Messages that wait in one Session. At the bound the oldest message of QoS 0 goes, or else
    /// the new one; counted as dropped for a full queue.
    pub queued_messages: usize,
    /// Bytes of Topic Name, properties and payload that wait in one Session; as above.
    pub queued_bytes: usize,
    /// Bytes on their way to a connection and not taken by it yet. From there on, messages wait in
    /// the Session.
    pub output_bytes: usize,
    /// Bytes on their way to a connection, of any kind, at which a Client that does not read is
    /// disconnected with Quota exceeded (0x97). As only the answers to its own packets can come to
    /// that, it is looked at after each of these. What the Client was sent again when it connected
    /// does not count.
    pub output_bytes_hard: usize,
    /// Bytes on their way to all connections of this shard. Above it, messages wait in the Session of
    /// every Client to which something else is still on its way.
    pub all_output_bytes: usize,
    /// Sessions in this shard. At the bound a CONNECT for a new one is refused with Quota exceeded
    /// (0x97).
    pub sessions: usize,
    /// Subscriptions of one Session, shared ones included, and searches for Retained Messages that
    /// it has begun, for each shard. One more gets Quota exceeded (0x97) in its SUBACK; one that is
    /// replaced needs no room.
    pub subscriptions: usize,
    /// Subscriptions of all Sessions of this shard; as above.
    pub all_subscriptions: usize,
    /// Topic Levels of a Topic Name. One more closes the connection with Topic Name invalid (0x90).
    /// A Topic Filter may have two more, for `$share` and the ShareName; beyond, it gets Topic
    /// Filter invalid (0x8F) in SUBACK.
    pub topic_levels: usize,
    /// Retained Messages in this shard. A new one beyond is not kept. At QoS 1 and 2 a publisher of
    /// 5.0 that is connected to this shard is refused with Quota exceeded (0x97), before anybody has
    /// the message; others are not told.
    pub retained_messages: usize,
    /// Bytes of all Retained Messages in this shard; as above.
    pub retained_bytes: usize,
    /// Messages that wait in one Shared Subscription. At the bound the first of them goes if it has
    /// QoS 0, or else the new one; counted as dropped for a full queue.
    pub group_messages: usize,
    /// Bytes that wait in one Shared Subscription; as above.
    pub group_bytes: usize,
    /// Bytes of memory of all messages that wait in the Sessions of this shard; and those of its
    /// Shared Subscriptions may be as many again. At the bound, a message that would have to wait is
    /// dropped.
    pub waiting_bytes: usize,
    /// Bytes of incomplete packets of all Clients of this shard. Above it, the connection with the
    /// largest is closed with Quota exceeded (0x97).
    pub partial_bytes: usize,
    /// How long a Session outlives its connection at most, in seconds; a longer wish is lowered,
    /// and the Client is told in its CONNACK.
    pub session_expiry: u32,
    /// Longest Keep Alive, in seconds; a longer one, or none, is replaced by a Server Keep Alive.
    /// A Client of 3.x cannot be told, and is held to it all the same. `None`: the Client's word
    /// counts.
    pub keep_alive: Option<u16>,
    /// PUBLISH packets in a second on one connection, and as many at once after some quiet. What comes
    /// faster waits: nothing is read from its Client meanwhile. `None`: any number.
    pub message_rate: Option<u32>,
    /// Bytes of Control Packets in a second on one connection; as above.
    pub byte_rate: Option<u32>,
    /// How long a Client may go on being faster than that, in seconds, before it is disconnected with
    /// Message rate too high (0x96) or, for bytes, Quota exceeded (0x97). [`u32::MAX`]: for ever.
    pub rate_patience: u32,
    /// CONNECT packets with one Client Identifier that are accepted within `flapping_window`. One more is
    /// refused with Banned (0x8A), and so are all further ones for `flapping_ban`. `None`: any number.
    pub flapping_connects: Option<u32>,
    /// What `flapping_connects` is counted over; from the first on.
    pub flapping_window: Duration,
    /// How long a Client is banned that has connected too often.
    pub flapping_ban: Duration,
    /// How long a connection may take until its CONNECT is there, and each step of an
    /// authentication exchange. Then it is closed.
    pub connect_timeout: Duration,
    /// How long a closing connection may take to read what was written to it.
    pub close_timeout: Duration,
}

impl Limits {
    /// Whether there is a bound of how fast a Client sends.
    pub(crate) fn bound_rates(&self) -> bool {
        self.message_rate.is_some() || self.byte_rate.is_some()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            retain_available: true,
            queue_qos0: false,
            payload_size: None,
            packet_size: 1024 * 1024,
            receive_maximum: 64,
            in_flight: 256,
            topic_aliases_in: 32,
            topic_aliases_out: 32,
            queued_messages: 10_000,
            queued_bytes: 16 * 1024 * 1024,
            output_bytes: 256 * 1024,
            output_bytes_hard: 4 * 1024 * 1024,
            all_output_bytes: 256 * 1024 * 1024,
            sessions: 4_000_000,
            subscriptions: 1_000_000,
            all_subscriptions: 10_000_000,
            topic_levels: 64,
            retained_messages: 10_000_000,
            retained_bytes: 1 << 30,
            group_messages: 100_000,
            group_bytes: 64 * 1024 * 1024,
            waiting_bytes: 1 << 30,
            partial_bytes: 256 * 1024 * 1024,
            session_expiry: 7 * 24 * 3600,
            keep_alive: None,
            message_rate: None,
            byte_rate: None,
            rate_patience: 60,
            flapping_connects: None,
            flapping_window: Duration::from_secs(60),
            flapping_ban: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}
