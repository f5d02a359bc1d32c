//! The configuration as written in TOML.

use std::net::SocketAddr;
use std::path::Path;

use dunlin_core::{Limits, ShardId};
use serde::Deserialize;

use super::super::options::ServerOptions;
use super::{
    AccessConfig, AuthenticationConfig, Config, ConfigError, Durability, ListenAddress,
    ListenerConfig, LogConfig,
};

/// The configuration as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<Vec<SocketAddr>>,
    allow_anonymous: bool,
    shards: Option<usize>,
    limits: FileLimits,
}

/// The limits as written; what is not there keeps its default. Sizes are bytes, times seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLimits {
    packet_size: Option<u32>,
    receive_maximum: Option<u16>,
    in_flight: Option<u16>,
    topic_aliases_in: Option<u16>,
    topic_aliases_out: Option<u16>,
    queued_messages: Option<usize>,
    queued_bytes: Option<usize>,
    output_bytes: Option<usize>,
    output_bytes_hard: Option<usize>,
    all_output_bytes: Option<usize>,
    sessions: Option<usize>,
    subscriptions: Option<usize>,
    all_subscriptions: Option<usize>,
    topic_levels: Option<usize>,
    retained_messages: Option<usize>,
    retained_bytes: Option<usize>,
    group_messages: Option<usize>,
    group_bytes: Option<usize>,
    waiting_bytes: Option<usize>,
    partial_bytes: Option<usize>,
    session_expiry: Option<u32>,
    keep_alive: Option<u16>,
    connect_timeout: Option<u32>,
    close_timeout: Option<u32>,
}

/// The configuration that the command line and the file it names ask for.
pub(super) fn load(options: &ServerOptions) -> Result<Config, ConfigError> {
    let (file, path) = match &options.config {
        Some(path) => (read(path)?, path.display().to_string()),
        None => (File::default(), String::new()),
    };
    file.meant(options, &path)
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ConfigError::Invalid {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

impl File {
    fn meant(self, options: &ServerOptions, path: &str) -> Result<Config, ConfigError> {
        let loopback = |port| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        let listen = match (options.port, self.listen) {
            (Some(port), _) => loopback(port),
            (None, Some(listen)) => listen,
            (None, None) => loopback(1883),
        };
        let remote = listen.iter().find(|address| !address.ip().is_loopback());
        if let Some(&address) = remote.filter(|_| !self.allow_anonymous) {
            return Err(ConfigError::RemoteAnonymous {
                path: path.to_owned(),
                address: ListenAddress::Ip(address),
            });
        }
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let shards = options.shards.or(self.shards).unwrap_or_else(processors);
        if shards == 0 || shards > ShardId::MAXIMUM && options.shards.or(self.shards).is_some() {
            let (key, must) = ("shards", "from 1 to 64");
            return Err(ConfigError::Value {
                path: path.to_owned(),
                key,
                must,
            });
        }
        let shards = shards.min(ShardId::MAXIMUM);
        let access = AccessConfig {
            allow_anonymous: true,
            ..AccessConfig::default()
        };
        let listener = |address| ListenerConfig {
            access: access.clone(),
            ..ListenerConfig::new(ListenAddress::Ip(address))
        };
        Ok(Config {
            listeners: listen.into_iter().map(listener).collect(),
            shards,
            limits: self.limits.meant(shards, path)?,
            data_dir: None,
            durability: Durability::default(),
            sys_interval: None,
            log: LogConfig::default(),
            authentication: AuthenticationConfig::default(),
            bridges: Vec::new(),
            user: None,
            pid_file: None,
        })
    }
}

impl FileLimits {
    /// Bounds that are meant for the whole process are shared out to the shards, those that keep
    /// their default too.
    fn meant(self, shards: usize, path: &str) -> Result<Limits, ConfigError> {
        let mut limits = Limits::default();
        macro_rules! take {
            ($($key:ident),*) => {
                $(if let Some(value) = self.$key { limits.$key = value; })*
            };
        }
        take!(
            packet_size,
            receive_maximum,
            in_flight,
            topic_aliases_in,
            topic_aliases_out,
            queued_messages,
            queued_bytes,
            output_bytes,
            output_bytes_hard,
            all_output_bytes,
            sessions,
            subscriptions,
            all_subscriptions,
            topic_levels,
            retained_messages,
            retained_bytes,
            group_messages,
            group_bytes,
            waiting_bytes,
            partial_bytes,
            session_expiry
        );
        if self.keep_alive.is_some() {
            limits.keep_alive = self.keep_alive;
        }
        if let Some(seconds) = self.connect_timeout {
            limits.connect_timeout = std::time::Duration::from_secs(seconds.into());
        }
        if let Some(seconds) = self.close_timeout {
            limits.close_timeout = std::time::Duration::from_secs(seconds.into());
        }
        // However much a Client is sent at once, it may answer while it reads.
        let largest_packet = limits.packet_size as usize;
        limits.output_bytes_hard = limits
            .output_bytes_hard
            .max(2 * (limits.output_bytes + largest_packet));
        for total in [
            &mut limits.all_output_bytes,
            &mut limits.sessions,
            &mut limits.all_subscriptions,
            &mut limits.retained_messages,
            &mut limits.retained_bytes,
            &mut limits.waiting_bytes,
            &mut limits.partial_bytes,
        ] {
            *total = total.div_ceil(shards);
        }
        let zero = [
            ("limits.receive_maximum", limits.receive_maximum == 0),
            ("limits.in_flight", limits.in_flight == 0),
            ("limits.packet_size", limits.packet_size < 128),
        ];
        match zero.into_iter().find(|(_, wrong)| *wrong) {
            Some((key, _)) => {
                let must = "more than 0 (packet_size: at least 128)";
                Err(ConfigError::Value {
                    path: path.to_owned(),
                    key,
                    must,
                })
            }
            None => Ok(limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        file.meant(&ServerOptions::default(), "f")
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_file_it_serves_loopback() {
        let config = Config::load(&ServerOptions::default()).unwrap();
        let address = ListenAddress::Ip("127.0.0.1:1883".parse().unwrap());
        assert_eq!(config.listeners[0].address, address);
        assert_eq!(config.listeners.len(), 1);
    }

    #[test]
    fn a_limit_of_the_process_is_shared_out() {
        let config = parse("shards = 4\n[limits]\nsessions = 10\nqueued_messages = 7").unwrap();
        assert_eq!(
            (config.limits.sessions, config.limits.queued_messages),
            (3, 7)
        );
    }

    #[test]
    fn strangers_are_let_in_only_on_purpose() {
        let error = parse("listen = ['0.0.0.0:1883']").unwrap_err();
        assert!(error.contains("allow_anonymous"), "{error}");
        assert!(parse("listen = ['0.0.0.0:1883']\nallow_anonymous = true").is_ok());
    }

    #[test]
    fn unknown_keys_and_senseless_values_are_errors() {
        for text in [
            "lisen = []",
            "shards = 0",
            "shards = 65",
            "[limits]\nin_flight = 0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
