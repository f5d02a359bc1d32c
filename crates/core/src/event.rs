//! What a shard tells those who watch: logs, traces, the live view.

use std::sync::Arc;

use dunlin_packet::{ProtocolVersion, ReasonCode};

use crate::fault::Ending;
use crate::id::ConnectionId;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A CONNECT was accepted.
    Connected {
        /// On which connection.
        connection: ConnectionId,
        /// Whose.
        client_id: Box<str>,
        /// As whom it is known.
        user_name: Option<Arc<str>>,
        /// The protocol version.
        version: ProtocolVersion,
        /// Whether an earlier Session goes on.
        session_present: bool,
        /// In seconds.
        keep_alive: u16,
        /// In seconds.
        session_expiry_interval: u32,
    },
    /// A CONNECT was refused.
    Refused {
        /// On which connection.
        connection: ConnectionId,
        /// Whose.
        client_id: Box<str>,
        /// Why.
        reason: ReasonCode,
    },
    /// A connection has ended.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// Whose; empty before CONNECT.
        client_id: Box<str>,
        /// Why.
        ending: Ending,
    },
    /// A Client has connected too often, and is banned for a while.
    Banned {
        /// Whose.
        client_id: Box<str>,
    },
    /// A Client sends too fast, and is held back from now on.
    Slowed {
        /// Whose.
        client_id: Box<str>,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// Whose.
        client_id: Box<str>,
        /// To what.
        filter: Box<str>,
        /// What SUBACK says.
        reason: ReasonCode,
    },
    /// A subscription was ended by its Client.
    Unsubscribed {
        /// Whose.
        client_id: Box<str>,
        /// To what.
        filter: Box<str>,
    },
    /// A Session has ended.
    SessionEnded {
        /// Whose.
        client_id: Box<str>,
    },
}
