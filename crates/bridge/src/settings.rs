//! What makes a bridge.

use std::sync::Arc;
use std::time::Duration;

use dunlin_packet::ProtocolVersion;

use crate::{BridgeTls, Rule};

/// Everything that a bridge has to know.
#[derive(Debug, Clone)]
pub struct BridgeSettings {
    /// What logs call it.
    pub name: String,
    /// Where the other broker is, each as `host:port`; at least one.
    pub addresses: Vec<String>,
    /// Which address to try.
    pub order: AddressOrder,
    /// The local address to connect from.
    pub bind_address: Option<String>,
    /// TLS, if it is to be spoken.
    pub tls: Option<Arc<BridgeTls>>,
    /// When to connect.
    pub start: Start,
    /// How long to wait between attempts.
    pub restart: Restart,
    /// Who the bridge is there.
    pub remote: RemoteClient,
    /// Who the bridge is here.
    pub local: LocalClient,
    /// Whether its state is published.
    pub notifications: Option<Notifications>,
    /// Which topics pass, in the order in which they are looked at.
    pub topics: Vec<Rule>,
    /// Unsubscribes there from what is only sent, in case that was different in an earlier life.
    pub attempt_unsubscribe: bool,
    /// Whether messages go out with the RETAIN flag that they have.
    pub outgoing_retain: bool,
    /// Bytes of the largest packet that is sent to the other broker.
    pub maximum_packet_size: Option<u32>,
}

/// Which of several addresses to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressOrder {
    /// The first, as soon as it can be reached; the others meanwhile.
    FirstPreferred,
    /// Whichever comes next.
    RoundRobin,
}

/// When a bridge connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At once, and again whenever the connection is lost.
    Automatic,
    /// When `threshold` messages wait for it; until there have been none for `idle_timeout`.
    Lazy {
        /// At least 1.
        threshold: usize,
        /// Without a message in either direction.
        idle_timeout: Duration,
    },
    /// At once, and when that connection is lost never again.
    Once,
}

/// How long to wait before connecting again: a time by chance between `base` and an upper end that
/// grows with each failure up to `cap`. Both are equal for a constant time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The shortest time.
    pub base: Duration,
    /// The longest.
    pub cap: Duration,
}

/// Whether a 3.x CONNECT says that a bridge sends it; see
/// [`Connect::is_from_bridge`](dunlin_packet::Connect::is_from_bridge).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// It does not.
    Plain,
    /// It does, unless the other broker refuses that.
    Tried,
}

/// The bridge as a Client of the other broker.
#[derive(Debug, Clone)]
pub struct RemoteClient {
    /// The version to speak.
    pub version: ProtocolVersion,
    /// Whether to say that it is a bridge.
    pub privacy: Privacy,
    /// Client Identifier.
    pub client_id: String,
    /// User Name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Begin with an empty Session each time.
    pub clean_start: bool,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
}

/// The bridge as a Client of this broker.
#[derive(Debug, Clone)]
pub struct LocalClient {
    /// Client Identifier.
    pub client_id: String,
    /// User Name: what rules may tell it by.
    pub user_name: Option<String>,
    /// Forget what waits when the connection to the other broker ends.
    pub clean_start: bool,
    /// Topic Levels that this broker takes; a message with more is not passed on.
    pub topic_levels: usize,
}

/// Where the state of a bridge is published: `1` or `0`, retained.
#[derive(Debug, Clone)]
pub struct Notifications {
    /// The topic, on both sides.
    pub topic: String,
    /// Whether the other broker gets it, too.
    pub remote: bool,
}
