//! The one table of limits: what bounds every queue, buffer and table, and what happens there.

use std::time::Duration;

/// The bounds that a shard keeps to.
///
/// Each line says what is bounded, the unit, and what happens at the bound; what is given up there
/// is counted in [`Counters`](crate::Counters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest Control Packet that is accepted; announced as Maximum Packet Size.
    /// A larger one closes its connection with Packet too large (0x95).
    pub packet_size: u32,
    /// Messages of QoS 1 and 2 that a Client may have unacknowledged; announced as Receive Maximum.
    /// One more closes its connection with Receive Maximum exceeded (0x93). A Client of 3.x cannot
    /// be told, so the broker stops reading from it instead.
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
    /// Bytes written to a connection and not taken by its peer yet. Above it, messages wait in the
    /// Session.
    pub output_bytes: usize,
    /// Bytes on their way to a connection, of any kind, at which a Client that does not read is
    /// disconnected with Quota exceeded (0x97). Packets other than PUBLISH can come to that.
    pub output_bytes_hard: usize,
    /// Sessions in this shard. At the bound a CONNECT for a new one is refused with Quota exceeded
    /// (0x97).
    pub sessions: usize,
    /// Subscriptions of one Session. One more gets Quota exceeded (0x97) in its SUBACK.
    pub subscriptions: usize,
    /// Topic Levels of a Topic Name or Topic Filter. One more makes it invalid (0x90, 0x8F).
    pub topic_levels: usize,
    /// Retained Messages in this shard. A new one beyond is not kept, and is refused with Quota
    /// exceeded (0x97) at QoS 1 and 2.
    pub retained_messages: usize,
    /// Bytes of all Retained Messages in this shard; as above.
    pub retained_bytes: usize,
    /// Messages that wait in one Shared Subscription; at the bound as in a Session.
    pub group_messages: usize,
    /// Bytes that wait in one Shared Subscription; as above.
    pub group_bytes: usize,
    /// Bytes of all messages that wait in the Sessions and groups of this shard. At the bound, a
    /// message that would have to wait is dropped.
    pub waiting_bytes: usize,
    /// Bytes of incomplete packets of all Clients of this shard. The connection whose bytes exceed it
    /// is closed with Quota exceeded (0x97).
    pub partial_bytes: usize,
    /// How long a Session outlives its connection at most, in seconds; a longer wish is lowered,
    /// and the Client is told in its CONNACK.
    pub session_expiry: u32,
    /// Longest Keep Alive, in seconds; a longer one, or none, is replaced by a Server Keep Alive.
    /// `None`: the Client's word counts.
    pub keep_alive: Option<u16>,
    /// How long a connection may take until its CONNECT is there, and each step of an
    /// authentication exchange. Then it is closed.
    pub connect_timeout: Duration,
    /// How long a closing connection may take to read what was written to it.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            packet_size: 1024 * 1024,
            receive_maximum: 64,
            in_flight: 64,
            topic_aliases_in: 32,
            topic_aliases_out: 32,
            queued_messages: 10_000,
            queued_bytes: 16 * 1024 * 1024,
            output_bytes: 256 * 1024,
            output_bytes_hard: 4 * 1024 * 1024,
            sessions: 4_000_000,
            subscriptions: 1_000_000,
            topic_levels: 64,
            retained_messages: 10_000_000,
            retained_bytes: 1 << 30,
            group_messages: 100_000,
            group_bytes: 64 * 1024 * 1024,
            waiting_bytes: 1 << 30,
            partial_bytes: 256 * 1024 * 1024,
            session_expiry: 7 * 24 * 3600,
            keep_alive: None,
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}
