//! The configuration: what was written, and what is meant by it.
//!
//! [`Config`] is what the rest of the process is made from: complete, checked, and without a trace
//! of how it was written.
//!
//! | file | owns |
//! |---|---|
//! | `listener` | [`ListenerConfig`]: addresses, protocols, TLS, access |
//! | `bridge` | [`BridgeConfig`] |
//! | `logging` | [`LogConfig`] |
//! | `settings` | everything as written, from whatever source |
//! | `keys` | the table of all keys; `value` and `field` are between it and the settings, `table` finds a key by its path |
//! | `toml_file`, `source` | the file; the file, the environment and the command line, in this order |
//! | `mosquitto` | `mosquitto.conf`, read into settings |
//! | `meant` | from settings to [`Config`] |
//! | `changes` | what a reload changes |
//! | `check`, `pages` | what is told of a file, and of all keys |
//! | `served` | what can be written, and is not there yet |

mod address;
mod bridge;
mod changes;
mod check;
mod error;
mod field;
pub(crate) mod flags;
pub(crate) mod fuzzing;
mod keys;
mod listener;
mod logging;
mod meant;
mod mosquitto;
pub(crate) mod pages;
mod quantity;
mod served;
mod settings;
mod source;
mod spelling;
mod table;
mod toml_file;
mod value;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::{Bans, Limits, Policy, Shard, ShardConfig, ShardId, Terms};
use dunlin_net::AdmissionRules;

pub(crate) use bridge::{
    BridgeConfig, BridgeDirection, BridgeNotifications, BridgeStart, BridgeTls, BridgeTopic,
    BridgeVersion,
};
pub(crate) use changes::Difference;
pub(crate) use check::{check, import};
pub(crate) use error::{ConfigError, Place};
pub(crate) use listener::{
    AccessConfig, AcmeConfig, Family, ListenAddress, ListenerConfig, Protocol, Protocols,
    TlsConfig, TlsIdentity, TlsVersion, UserNameFrom,
};
pub(crate) use logging::{LogConfig, LogDestination, LogLevel, LogTimestamp};

use super::options::ServerOptions;
use settings::Settings;

/// The configuration as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where to listen; at least one.
    pub(crate) listeners: Vec<ListenerConfig>,
    /// Whose names are not let in.
    pub(crate) bans: Arc<Bans>,
    /// How many connections are let in, how fast, and from where.
    pub(crate) admission: AdmissionRules,
    /// How many shards to run, from 1 to [`ShardId::MAXIMUM`].
    pub(crate) shards: usize,
    /// The limits of one shard: those of the process are shared out.
    pub(crate) limits: Limits,
    /// Where to keep what must outlive the process. `None`: where such things belong on this system.
    pub(crate) data_dir: Option<PathBuf>,
    /// What a Mosquitto has saved, to be taken over where nothing is kept yet.
    pub(crate) mosquitto_db: Option<PathBuf>,
    /// What an acknowledgement waits for, and whether anything outlives the process.
    pub(crate) durability: Durability,
    /// Bytes that the data may take on disk.
    pub(crate) data_limit: Option<usize>,
    pub(crate) retention: RetentionConfig,
    /// How often the `$SYS` tree is published. `None`: there is none.
    pub(crate) sys_interval: Option<Duration>,
    pub(crate) log: LogConfig,
    pub(crate) authentication: AuthenticationConfig,
    /// The longest that a refusal of wrong credentials is held back.
    pub(crate) login_delay: Duration,
    pub(crate) bridges: Vec<BridgeConfig>,
    /// Whom to become once everything is bound and read, if started as root.
    pub(crate) user: Option<String>,
    /// Where to write the number of the process.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where questions are answered. `None`: in the data directory, if there is one.
    pub(crate) control_socket: Option<PathBuf>,
}

impl Durability {
    /// Whether there is a log at all.
    fn in_core(self) -> dunlin_core::Durability {
        match self {
            Durability::Fsync | Durability::Os => dunlin_core::Durability::Log,
            Durability::None => dunlin_core::Durability::Memory,
        }
    }
}

/// What stays on disk so that it can be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetentionConfig {
    /// Topic Filters. None: nothing stays longer than it is needed.
    pub(crate) filters: Vec<String>,
    pub(crate) age: Duration,
    /// In bytes.
    pub(crate) size: usize,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        RetentionConfig {
            filters: Vec::new(),
            age: Duration::from_secs(24 * 60 * 60),
            size: 1 << 30,
        }
    }
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The message is on stable storage: it outlives a power cut.
    #[default]
    Fsync,
    /// The operating system has it: it outlives the process.
    Os,
    /// Nothing: it may be lost with the process.
    None,
}

/// How Clients are told apart, beyond the files of each listener's [`AccessConfig`].
pub(crate) type AuthenticationConfig = dunlin_auth::AuthConfig;

/// A configuration, and what was written for it.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    settings: Settings,
    file: Place,
    pub(crate) config: Config,
}

impl Loaded {
    /// The configuration that the command line, the environment and the file ask for.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn read(options: &ServerOptions) -> Result<Self, ConfigError> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let written = source::read(options, environment)?;
        written.refused()?;
        let config = meant::meant(&written.settings, &written.file)?;
        served::all(&config)?;
        Ok(Loaded {
            settings: written.settings,
            file: written.file,
            config,
        })
    }

    /// What another one says otherwise.
    pub(crate) fn differences(&self, other: &Loaded) -> Vec<Difference> {
        changes::between(&self.settings, &other.settings)
    }

    /// Takes over from another one whatever a reload can change.
    ///
    /// # Errors
    /// What comes of both makes no sense together; then nothing is taken over.
    pub(crate) fn take_over(&mut self, other: &Loaded) -> Result<(), ConfigError> {
        let mut settings = self.settings.clone();
        changes::take_over(&mut settings, &other.settings);
        self.config = meant::meant(&settings, &self.file)?;
        self.settings = settings;
        Ok(())
    }
}

impl Config {
    /// Whether a listener has its certificate from an authority that issues it.
    pub(super) fn has_issued_certificates(&self) -> bool {
        let mut identities = self.listeners.iter().filter_map(|it| it.tls.as_ref());
        identities.any(|tls| matches!(tls.identity, TlsIdentity::Acme(_)))
    }

    /// Shard `id` of this configuration.
    pub(super) fn shard(&self, id: ShardId, seed: u64, policy: Box<dyn Policy>) -> Shard {
        let limits = self.limits.clone();
        let terms = self.listeners.iter().map(|listener| Terms {
            maximum_qos: listener.max_qos,
            topic_aliases_in: listener.max_topic_alias,
            assigns_client_id: listener.access.allow_zero_length_client_id,
            client_id_prefix: listener.access.auto_id_prefix().into(),
            durability: listener.durability.in_core(),
        });
        let config = ShardConfig {
            limits,
            bans: Arc::clone(&self.bans),
            terms: terms.collect(),
            durability: self.durability.in_core(),
            replayable: self.retention.filters.clone(),
            ..ShardConfig::new(id, self.shards, seed)
        };
        Shard::new(config, policy)
    }
}

#[cfg(test)]
mod tests;
