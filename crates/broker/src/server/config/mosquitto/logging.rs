//! `log_…`, and `connection_messages`.

use super::reader::Reader;
use super::value::{flag, number_within, text};
use super::{ACCEPTED, Verdict, changed, ignored, refused};
use crate::server::config::{LogConfig, LogDestination, LogLevel, LogTimestamp};

/// What has been said about the log.
pub(super) struct Log {
    destinations: Vec<LogDestination>,
    /// `log_dest none` was given, or nothing.
    silent: bool,
    facility: u8,
    level: Option<LogLevel>,
    subscriptions: bool,
    connections: bool,
    timestamp: LogTimestamp,
}

impl Default for Log {
    fn default() -> Self {
        Log {
            destinations: Vec::new(),
            silent: false,
            facility: 3,
            level: None,
            subscriptions: false,
            connections: true,
            timestamp: LogTimestamp::Seconds,
        }
    }
}

impl Log {
    /// The log that is meant.
    pub(super) fn meant(self) -> LogConfig {
        let facility = self.facility;
        let mut destinations = self.destinations;
        if destinations.is_empty() && !self.silent {
            destinations.push(LogDestination::Stderr);
        }
        for destination in &mut destinations {
            if let LogDestination::Syslog { facility: own } = destination {
                *own = facility;
            }
        }
        let level = self.level.unwrap_or(LogLevel::Info);
        LogConfig {
            destinations,
            level,
            connections: self.connections && level >= LogLevel::Info,
            subscriptions: self.subscriptions,
            timestamp: self.timestamp,
        }
    }
}

/// Takes an option of this file; `None`: it is of another.
pub(super) fn take(reader: &mut Reader<'_>, name: &str, value: &str) -> Option<Verdict> {
    Some(match name {
        "log_dest" => destination(&mut reader.log, value),
        "log_type" => kind(&mut reader.log, value),
        "log_facility" => number_within(value, 0, 7).and_then(|local| {
            // local0 is 16.
            reader.log.facility = u8::try_from(16 + local).map_err(|error| error.to_string())?;
            ACCEPTED
        }),
        "log_timestamp" => flag(value).and_then(|wanted| {
            match (wanted, &reader.log.timestamp) {
                (false, _) => reader.log.timestamp = LogTimestamp::None,
                (true, LogTimestamp::None) => reader.log.timestamp = LogTimestamp::Seconds,
                (true, _) => {}
            }
            ACCEPTED
        }),
        "log_timestamp_format" => text(value).and_then(|format| {
            reader.once(name, None)?;
            if reader.log.timestamp != LogTimestamp::None {
                reader.log.timestamp = LogTimestamp::Format(format);
            }
            ACCEPTED
        }),
        "connection_messages" => flag(value).and_then(|wanted| {
            reader.log.connections = wanted;
            ACCEPTED
        }),
        _ => return None,
    })
}

fn destination(log: &mut Log, value: &str) -> Verdict {
    let value = text(value)?;
    let (kind, rest) = value.split_once(' ').unwrap_or((&value, ""));
    let destination = match kind {
        "none" => {
            log.silent = true;
            log.destinations.clear();
            return ACCEPTED;
        }
        "stdout" => LogDestination::Stdout,
        "stderr" => LogDestination::Stderr,
        "syslog" => LogDestination::Syslog { facility: 3 },
        "topic" => LogDestination::Topic,
        "file" if rest.trim().is_empty() => return refused("the file is missing"),
        "file" => LogDestination::File(rest.trim().into()),
        "dlt" | "android" => return refused("there is no such log here"),
        other => {
            return Err(format!(
                "`{other}` is not one of none, stdout, stderr, syslog, topic, file"
            ));
        }
    };
    let second_file = matches!(destination, LogDestination::File(_))
        && log
            .destinations
            .iter()
            .any(|it| matches!(it, LogDestination::File(_)));
    if second_file {
        return refused("only one file can be logged to");
    }
    if !log.destinations.contains(&destination) {
        log.destinations.push(destination);
    }
    ACCEPTED
}

fn kind(log: &mut Log, value: &str) -> Verdict {
    let word = super::value::word(value)?;
    let level = match word {
        "none" => return ignored("errors are always logged; `log_dest none` silences the log"),
        "all" | "debug" => LogLevel::Debug,
        "information" | "notice" => LogLevel::Info,
        "warning" => LogLevel::Warning,
        "error" => LogLevel::Error,
        "subscribe" | "unsubscribe" => {
            log.subscriptions = true;
            return ACCEPTED;
        }
        "websockets" => return ignored("there is no log of that kind here"),
        other => return Err(format!("`{other}` is not a kind of line")),
    };
    if word == "all" {
        log.subscriptions = true;
    }
    // Mosquitto's kinds are a set; ours are a level. The least important one that is asked for counts.
    log.level = log.level.max(Some(level));
    match word {
        "all" => ACCEPTED,
        _ => changed("lines of more weight are logged as well"),
    }
}
