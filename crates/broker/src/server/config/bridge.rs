//! Connections that the broker itself makes to another one.

use std::path::PathBuf;
use std::time::Duration;

use super::TlsVersion;
use super::field::choice;

/// A bridge: a Client of another broker that passes messages on, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgeConfig {
    /// The name of the connection.
    pub(crate) name: String,
    /// Host and port of each server to try, as `host:port`.
    pub(crate) addresses: Vec<String>,
    /// All addresses are equal; otherwise the first is gone back to whenever it can be reached.
    pub(crate) round_robin: bool,
    /// The local address to connect from.
    pub(crate) bind_address: Option<String>,
    pub(crate) start: BridgeStart,
    pub(crate) lazy_threshold: u32,
    pub(crate) lazy_idle_timeout: Duration,
    /// How long to wait before connecting again: a time by chance between this and, growing with
    /// each failure, `restart_cap`. A constant time has both equal.
    pub(crate) restart_base: Duration,
    pub(crate) restart_cap: Duration,
    pub(crate) version: BridgeVersion,
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
    /// Whether what waits here is forgotten when the connection ends. `None`: as `clean_session`.
    pub(crate) local_clean_session: Option<bool>,
    pub(crate) keep_alive: Duration,
    pub(crate) notifications: BridgeNotifications,
    /// Where. `None`: `$SYS/broker/connection/{remote client id}/state`.
    pub(crate) notification_topic: Option<String>,
    /// What is passed on, in the order of the file.
    pub(crate) topics: Vec<BridgeTopic>,
    /// Unsubscribes there from what is only sent.
    pub(crate) attempt_unsubscribe: bool,
    /// Whether messages may be sent with RETAIN.
    pub(crate) outgoing_retain: bool,
    /// Bytes of the largest packet that is sent.
    pub(crate) max_packet_size: Option<u32>,
    pub(crate) tls: BridgeTls,
}

/// When a bridge connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeStart {
    /// At the start, and again whenever the connection is lost.
    Automatic,
    /// When `lazy_threshold` messages wait; and it ends after `lazy_idle_timeout` without any.
    Lazy,
    /// At the start, and never again.
    Once,
}

/// Whether the state of a bridge (`1` or `0`) is published, retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeNotifications {
    Off,
    /// Here and there.
    Both,
    /// Here only.
    Local,
}

/// With which version of MQTT a bridge connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeVersion {
    V3_1,
    V3_1_1,
    V5,
}

/// What a bridge passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgeTopic {
    /// A Topic Filter; empty: exactly the two prefixes are topics that stand for each other.
    pub(crate) pattern: String,
    pub(crate) direction: BridgeDirection,
    /// 0, 1 or 2.
    pub(crate) qos: u16,
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

/// How a bridge speaks TLS, if anything but the version is set. Files are PEM.
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
    pub(crate) minimum_version: TlsVersion,
}

impl BridgeTls {
    /// Whether the bridge is to speak TLS at all.
    #[allow(dead_code, reason = "a bridge that runs asks")]
    pub(crate) fn is_wanted(&self) -> bool {
        let BridgeTls {
            cafile,
            capath,
            use_os_certs,
            certfile,
            ..
        } = self;
        cafile.is_some() || capath.is_some() || *use_os_certs || certfile.is_some()
    }
}

impl Default for BridgeConfig {
    fn default() -> Self {
        BridgeConfig {
            name: String::new(),
            addresses: Vec::new(),
            round_robin: false,
            bind_address: None,
            start: BridgeStart::Automatic,
            lazy_threshold: 10,
            lazy_idle_timeout: Duration::from_secs(60),
            restart_base: Duration::from_secs(5),
            restart_cap: Duration::from_secs(30),
            version: BridgeVersion::V3_1_1,
            try_private: true,
            remote_client_id: None,
            remote_user_name: None,
            remote_password: None,
            local_client_id: None,
            local_user_name: None,
            local_password: None,
            clean_session: false,
            local_clean_session: None,
            keep_alive: Duration::from_secs(60),
            notifications: BridgeNotifications::Both,
            notification_topic: None,
            topics: Vec::new(),
            attempt_unsubscribe: true,
            outgoing_retain: true,
            max_packet_size: None,
            tls: BridgeTls::default(),
        }
    }
}

impl Default for BridgeTopic {
    fn default() -> Self {
        BridgeTopic {
            pattern: String::new(),
            direction: BridgeDirection::Out,
            qos: 0,
            local_prefix: String::new(),
            remote_prefix: String::new(),
        }
    }
}

choice!(BridgeStart { Automatic = "automatic", Lazy = "lazy", Once = "once" });
choice!(BridgeNotifications { Off = "off", Both = "both", Local = "local" });
choice!(BridgeVersion { V3_1 = "3.1", V3_1_1 = "3.1.1", V5 = "5.0" });
choice!(BridgeDirection { Out = "out", In = "in", Both = "both" });
