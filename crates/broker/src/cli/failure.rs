//! Error texts and exit codes, as mosquitto's tools give them.

use std::process::ExitCode;

use dunlin_client::Closed;
use dunlin_packet::{ProtocolVersion, ReasonCode};

/// Why a tool ends without success: one line for standard error and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: Message,
    exit_code: u8,
}

#[derive(Debug)]
enum Message {
    Error(String),
    /// Not an error: asked for, and for standard output.
    Shown(String),
    /// Told already, or `--quiet`.
    Silent,
}

/// Wrong flags, files that cannot be read, a server that cannot be reached.
const GENERAL: u8 = 1;
/// The server broke the protocol.
const PROTOCOL: u8 = 2;
/// The Network Connection ended.
const CONNECTION_LOST: u8 = 7;
/// The server does not answer.
const KEEP_ALIVE: u8 = 19;
/// `-W` ran out.
const TIMED_OUT: u8 = 27;

impl Failure {
    fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self {
            message: Message::Error(message.into()),
            exit_code,
        }
    }

    /// The command line makes no sense, or names things that are not there.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(GENERAL, format!("Error: {}", message.into().trim_end()))
    }

    /// Help or version, which are no failure.
    pub(crate) fn shown(text: String) -> Self {
        Self {
            message: Message::Shown(text),
            exit_code: 0,
        }
    }

    /// `-W` ran out.
    pub(crate) fn timed_out() -> Self {
        Self::new(TIMED_OUT, "Timed out")
    }

    /// A signal ended the tool as the user wished, which is no failure.
    pub(crate) fn interrupted() -> Self {
        Self {
            message: Message::Silent,
            exit_code: 0,
        }
    }

    /// The server could not be reached.
    pub(crate) fn unreachable(address: &str, error: impl std::fmt::Display) -> Self {
        Self::new(
            GENERAL,
            format!("Error: Unable to connect to {address}: {error}"),
        )
    }

    /// The server refused what was asked, with its Reason Code as exit code.
    pub(crate) fn refused(what: &str, reason: ReasonCode) -> Self {
        Self::new(reason as u8, format!("Error: {what}: {reason}"))
    }

    /// The Network Connection ended before the work was done.
    pub(crate) fn closed(closed: &Closed, version: ProtocolVersion) -> Self {
        match closed {
            Closed::Refused { reason, properties } => {
                let exit_code = if version.has_properties() {
                    *reason as u8
                } else {
                    reason.connect_return_code()
                };
                let why = properties.as_properties().reason_string();
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                Self::new(exit_code, format!("Connection error: {reason}{why}"))
            }
            Closed::ByServer { reason, properties } => {
                let why = properties.as_properties().reason_string();
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                let message = format!("Error: The server ended the connection: {reason}{why}");
                Self::new(CONNECTION_LOST, message)
            }
            Closed::Lost | Closed::ByClient => {
                Self::new(CONNECTION_LOST, "Error: The connection was lost.")
            }
            Closed::ConnAckTimeout => {
                Self::new(KEEP_ALIVE, "Error: The server did not answer CONNECT.")
            }
            Closed::KeepAliveTimeout => {
                Self::new(KEEP_ALIVE, "Error: The server does not answer any more.")
            }
            Closed::Fault(fault) => {
                let statement = fault
                    .statement()
                    .map(|s| format!(" [{s}]"))
                    .unwrap_or_default();
                Self::new(PROTOCOL, format!("Error: {fault}{statement}"))
            }
        }
    }

    /// The same exit code without a word, where `--quiet` asks for that.
    pub(crate) fn silenced(mut self, quiet: bool) -> Self {
        if quiet {
            self.message = Message::Silent;
        }
        self
    }

    /// Tells the user, and turns into the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self.message {
            Message::Error(line) => eprintln!("{line}"),
            Message::Shown(text) => print!("{text}"),
            Message::Silent => {}
        }
        ExitCode::from(self.exit_code)
    }
}
