//! What is logged, and where to.

use std::path::PathBuf;

/// The log, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Where lines go, to each of these. Empty: nowhere.
    pub(crate) destinations: Vec<LogDestination>,
    /// How much is logged.
    pub(crate) level: LogLevel,
    /// Whether connections and disconnections are logged.
    pub(crate) connections: bool,
    /// Whether subscriptions are logged.
    pub(crate) subscriptions: bool,
    pub(crate) timestamp: LogTimestamp,
}

/// The least important lines that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Error,
    Warning,
    Info,
    Debug,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogDestination {
    Stdout,
    Stderr,
    /// Opened anew on SIGHUP, so that it can be rotated.
    File(PathBuf),
    /// The system's log, as facility `daemon` (3) or another.
    Syslog {
        facility: u8,
    },
    /// `$SYS/broker/log/` and a letter for the severity.
    Topic,
}

/// What a line of the log begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTimestamp {
    None,
    /// RFC 3339, in UTC.
    Utc,
    /// Seconds since 1970.
    Seconds,
    /// As strftime(3) writes it, in local time.
    Format(String),
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            destinations: vec![LogDestination::Stderr],
            level: LogLevel::Info,
            connections: false,
            subscriptions: false,
            timestamp: LogTimestamp::Utc,
        }
    }
}
