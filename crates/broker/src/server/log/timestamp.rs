//! What a line of the log begins with.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::server::config::LogTimestamp;

/// Writes the time.
pub(super) enum Timestamp {
    None,
    Utc(tracing_subscriber::fmt::time::SystemTime),
    Seconds,
    /// In local time, as strftime(3) has it.
    Format(String),
}

impl From<&LogTimestamp> for Timestamp {
    fn from(timestamp: &LogTimestamp) -> Self {
        match timestamp {
            LogTimestamp::None => Timestamp::None,
            LogTimestamp::Utc => Timestamp::Utc(tracing_subscriber::fmt::time::SystemTime),
            LogTimestamp::Seconds => Timestamp::Seconds,
            LogTimestamp::Format(format) => Timestamp::Format(format.clone()),
        }
    }
}

impl FormatTime for Timestamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        match self {
            Timestamp::None => Ok(()),
            Timestamp::Utc(time) => time.format_time(writer),
            Timestamp::Seconds => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                write!(writer, "{}:", now.unwrap_or_default().as_secs())
            }
            Timestamp::Format(format) => {
                let now = jiff::ZonedDateTime::now();
                // A format that makes no sense is shown as it is.
                match jiff::fmt::strtime::format(format, &now) {
                    Ok(time) => write!(writer, "{time}:"),
                    Err(_) => write!(writer, "{format}:"),
                }
            }
        }
    }
}
