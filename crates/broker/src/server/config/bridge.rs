//! Connections that the broker itself makes to another one.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use dunlin_packet::{ProtocolVersion, QoS};

/// A bridge: a Client of another broker that passes messages on, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgeConfig {
    /// The name of the connection.
    pub(crate) name: String,
    /// Host and port of each server to try.
    pub(crate) addresses: Vec<(String, u16)>,
    /// All addresses are equal; otherwise the first is gone back to whenever it can be reached.
    pub(crate) round_robin: bool,
    /// The local address to connect from.
    pub(crate) bind_address: Option<IpAddr>,
    pub(crate) start: BridgeStart,
    /// How long to wait before connecting again.
    pub(crate) restart: BridgeRestart,
    pub(crate) version: ProtocolVersion,
    /// Says with the highest bit of the protocol level that it is a bridge (3.x), so that a
    /// Mosquitto at the other end keeps RETAIN and sends nothing back.
    pub(crate) try_private: bool,
    /// Client Identifier there. `None`: the name, a dot, and this host's name.
    pub(crate) remote_client_id: Option<String>,
    pub(crate) remote_user_name: Option<String>,
    pub(crate) remote_password: Option<String>,
    /// Client Identifier here. `None`: `local.` and the remote one.
    pub(crate) local_client_id: Option<String>,
    pub(crate) local_user_name: Option<String>,
    pub(crate) local_password: Option<String>,
    /// Clean Session there.
    pub(crate) clean_session: bool,
    /// Whether what waits here is forgotten when the connection ends.
    pub(crate) local_clean_session: bool,
    pub(crate) keep_alive: Duration,
    pub(crate) notifications: BridgeNotifications,
    /// What is passed on, in the order of the file.
    pub(crate) topics: Vec<BridgeTopic>,
    /// Unsubscribes there from what is only sent.
    pub(crate) attempt_unsubscribe: bool,
    /// Whether messages may be sent with RETAIN.
    pub(crate) outgoing_retain: bool,
    /// Bytes of the largest packet that is sent.
    pub(crate) max_packet_size: Option<u32>,
    /// `None`: plain TCP.
    pub(crate) tls: Option<BridgeTls>,
}

/// When a bridge connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeStart {
    /// At the start, and again whenever the connection is lost.
    Automatic,
    /// When so many messages wait; and it ends after so long without any.
    Lazy {
        threshold: u32,
        idle_timeout: Duration,
    },
    /// At the start, and never again.
    Once,
}

/// How long a bridge waits before it connects again: a time by chance between `base` and, growing
/// with each failure, `cap`. A constant time has both equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BridgeRestart {
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
}

/// Whether and where the state of a bridge (`1` or `0`) is published, retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BridgeNotifications {
    Off,
    /// Here and there, on `topic` or `$SYS/broker/connection/{remote client id}/state`.
    Both {
        topic: Option<String>,
    },
    /// Here only.
    LocalOnly {
        topic: Option<String>,
    },
}

/// What a bridge passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgeTopic {
    /// A Topic Filter; empty: exactly the two prefixes are topics that stand for each other.
    pub(crate) pattern: String,
    pub(crate) direction: BridgeDirection,
    pub(crate) qos: QoS,
    /// What topics here begin with, before the pattern.
    pub(crate) local_prefix: String,
    /// What topics there begin with, before the pattern.
    pub(crate) remote_prefix: String,
}

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeDirection {
    Out,
    In,
    Both,
}

/// How a bridge speaks TLS. Files are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BridgeTls {
    /// Certificates of the authorities that the server's certificate must come from.
    pub(crate) cafile: Option<PathBuf>,
    /// A directory with more of these.
    pub(crate) capath: Option<PathBuf>,
    /// The authorities that the system trusts count as well.
    pub(crate) use_os_certs: bool,
    /// The certificate to show, and its key.
    pub(crate) certfile: Option<PathBuf>,
    pub(crate) keyfile: Option<PathBuf>,
    /// The server's certificate may be for another name.
    pub(crate) insecure: bool,
    pub(crate) alpn: Option<String>,
    pub(crate) minimum_version: super::TlsVersion,
}
