//! What is logged, and where to.

use std::path::PathBuf;

use super::field::{Field, choice};
use super::value::Value;

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

choice!(LogLevel { Error = "error", Warning = "warning", Info = "info", Debug = "debug" });

impl LogDestination {
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("stdout", "") => Ok(LogDestination::Stdout),
            ("stderr", "") => Ok(LogDestination::Stderr),
            ("topic", "") => Ok(LogDestination::Topic),
            ("syslog", "") => Ok(LogDestination::Syslog { facility: 3 }),
            ("syslog", facility) => match facility.parse() {
                Ok(facility @ 0..=23) => Ok(LogDestination::Syslog { facility }),
                _ => Err(format!("`{facility}` is not a facility from 0 to 23")),
            },
            ("file", path) if !path.is_empty() => Ok(LogDestination::File(path.into())),
            _ => Err(format!(
                "`{text}` is not one of stdout, stderr, topic, syslog, syslog:FACILITY, file:PATH"
            )),
        }
    }

    fn show(&self) -> String {
        match self {
            LogDestination::Stdout => "stdout".to_owned(),
            LogDestination::Stderr => "stderr".to_owned(),
            LogDestination::Topic => "topic".to_owned(),
            LogDestination::Syslog { facility: 3 } => "syslog".to_owned(),
            LogDestination::Syslog { facility } => format!("syslog:{facility}"),
            LogDestination::File(path) => format!("file:{}", path.display()),
        }
    }
}

impl Field for Vec<LogDestination> {
    fn read(value: Value) -> Result<Self, String> {
        let list = Vec::<String>::read(value)?;
        list.iter()
            .map(|text| LogDestination::parse(text))
            .collect()
    }

    fn write(&self) -> Value {
        Value::List(self.iter().map(LogDestination::show).collect())
    }
}

impl Field for LogTimestamp {
    fn read(value: Value) -> Result<Self, String> {
        Ok(match String::read(value)?.as_str() {
            "none" => LogTimestamp::None,
            "utc" => LogTimestamp::Utc,
            "seconds" => LogTimestamp::Seconds,
            format => LogTimestamp::Format(format.to_owned()),
        })
    }

    fn write(&self) -> Value {
        Value::Text(match self {
            LogTimestamp::None => "none".to_owned(),
            LogTimestamp::Utc => "utc".to_owned(),
            LogTimestamp::Seconds => "seconds".to_owned(),
            LogTimestamp::Format(format) => format.clone(),
        })
    }
}
