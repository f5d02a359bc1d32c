//! The configuration as written, from whatever source, before anything is concluded from it.
//!
//! A file, the environment and the command line set fields here; [`meant`](super::meant) makes a
//! [`Config`](super::Config) of them. A field that is `Option` has no value of its own: what holds
//! then follows from others.

use std::path::PathBuf;
use std::time::Duration;

use dunlin_core::Limits;

use super::field::{Field, choice};
use super::value::Value;
use super::{
    AuthenticationConfig, BridgeConfig, Durability, LogConfig, Protocol, RetentionConfig,
    TlsVersion, UserNameFrom,
};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Addresses of listeners that have nothing of their own.
    pub(super) listen: Option<Vec<String>>,
    /// What listeners have that do not say otherwise.
    pub(super) defaults: ListenerSettings,
    /// Listeners with settings of their own.
    pub(super) listeners: Vec<ListenerSettings>,
    pub(super) bridges: Vec<BridgeConfig>,
    pub(super) shards: Option<usize>,
    pub(super) admission: AdmissionSettings,
    pub(super) bans: BanSettings,
    /// 0: none.
    pub(super) login_delay: Duration,
    /// Limits as written: those of the process are not shared out yet.
    pub(super) limits: Limits,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) mosquitto_db: Option<PathBuf>,
    pub(super) durability: Durability,
    pub(super) data_limit: Option<usize>,
    pub(super) retention: RetentionConfig,
    /// 0: none.
    pub(super) sys_interval: Duration,
    pub(super) log: LogConfig,
    /// The table `[auth]`, which is read as a whole.
    pub(super) authentication: AuthenticationConfig,
    pub(super) user: Option<String>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) control_socket: Option<PathBuf>,
}

/// How many connections may come, and how fast, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AdmissionSettings {
    pub(super) connections: Option<usize>,
    pub(super) connections_per_address: Option<usize>,
    pub(super) connect_rate: Option<u32>,
    pub(super) connect_rate_per_address: Option<u32>,
}

/// Who is not let in, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BanSettings {
    pub(super) addresses: Vec<String>,
    pub(super) client_ids: Vec<String>,
    pub(super) user_names: Vec<String>,
}

/// A listener as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListenerSettings {
    pub(super) name: Option<String>,
    pub(super) address: Option<String>,
    pub(super) protocols: Option<Vec<Protocol>>,
    pub(super) proxy_protocol: Option<bool>,
    pub(super) origins: Option<Vec<String>>,
    pub(super) allow_anonymous: Option<bool>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) acl_file: Option<PathBuf>,
    pub(super) allow_zero_length_client_id: Option<bool>,
    pub(super) auto_id_prefix: Option<String>,
    pub(super) use_user_name_as_client_id: Option<bool>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_qos: Option<u16>,
    pub(super) max_topic_alias: Option<u16>,
    pub(super) durability: Option<Durability>,
    pub(super) mount_point: Option<String>,
    pub(super) tls: TlsSettings,
}

/// TLS as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) certfile: Option<PathBuf>,
    pub(super) keyfile: Option<PathBuf>,
    pub(super) acme: AcmeSettings,
    pub(super) cafile: Option<PathBuf>,
    pub(super) capath: Option<PathBuf>,
    pub(super) crlfile: Option<PathBuf>,
    pub(super) require_certificate: Option<bool>,
    pub(super) request_certificate: Option<bool>,
    pub(super) minimum_version: Option<TlsVersion>,
    pub(super) ciphers: Option<Vec<String>>,
    pub(super) ciphers_tls13: Option<Vec<String>>,
    pub(super) user_name: Option<UserNameFrom>,
    pub(super) keylog: Option<PathBuf>,
}

/// Where certificates come from by themselves, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AcmeSettings {
    pub(super) domain: Option<String>,
    pub(super) email: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) cafile: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: None,
            defaults: ListenerSettings::default(),
            listeners: Vec::new(),
            bridges: Vec::new(),
            shards: None,
            admission: AdmissionSettings::default(),
            bans: BanSettings::default(),
            login_delay: Duration::from_secs(4),
            limits: Limits::default(),
            data_dir: None,
            mosquitto_db: None,
            durability: Durability::default(),
            data_limit: None,
            retention: RetentionConfig::default(),
            sys_interval: Duration::from_secs(10),
            log: LogConfig::default(),
            authentication: AuthenticationConfig::default(),
            user: None,
            pid_file: None,
            control_socket: None,
        }
    }
}

choice!(Durability { Fsync = "fsync", Os = "os", None = "none" });

impl Field for Vec<Protocol> {
    fn read(value: Value) -> Result<Self, String> {
        let list = Vec::<String>::read(value)?;
        list.into_iter()
            .map(|word| Protocol::read(Value::Text(word)))
            .collect()
    }

    fn write(&self) -> Value {
        Value::List(self.iter().map(|it| it.word().to_owned()).collect())
    }
}
