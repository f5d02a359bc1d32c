//! The client tools `dunlin pub`, `dunlin sub` and `dunlin rr`.
//!
//! They take the flags of `mosquitto_pub`, `mosquitto_sub` and `mosquitto_rr`, as far as those
//! apply to plain TCP, and give the same exit codes. Each tool is one file; the rest is shared:
//!
//! | file | owns |
//! |---|---|
//! | `connection` | flags that say where, as whom and with which Will to connect |
//! | `property` | `-D`: 5.0 properties by name |
//! | `options_file` | `-o` and the default files with more flags |
//! | `url` | `-L` |
//! | `payload` | where the bytes to publish come from |
//! | `filter`, `output`, `format` | which received messages are shown, and how |
//! | `link` | the Network Connection and all that is waited for |
//! | `packet_log` | `-d` |
//! | `failure` | error texts and exit codes |

mod connection;
mod failure;
mod filter;
mod format;
mod link;
mod options_file;
mod output;
mod packet_log;
mod payload;
mod property;
mod publish;
mod request;
mod subscribe;
mod url;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, FromArgMatches};

use failure::Failure;

/// One of the client tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `dunlin pub`
    Publish,
    /// `dunlin sub`
    Subscribe,
    /// `dunlin rr`
    Request,
}

/// Flags that mosquitto's tools have and these do not, with what they are about.
const UNSUPPORTED: [(&str, &str); 20] = [
    ("--cafile", "TLS"),
    ("--capath", "TLS"),
    ("--cert", "TLS"),
    ("--key", "TLS"),
    ("--keyform", "TLS"),
    ("--ciphers", "TLS"),
    ("--insecure", "TLS"),
    ("--tls-alpn", "TLS"),
    ("--tls-engine", "TLS"),
    ("--tls-engine-kpass-sha1", "TLS"),
    ("--tls-keylog", "TLS"),
    ("--tls-use-os-certs", "TLS"),
    ("--tls-version", "TLS"),
    ("--psk", "TLS"),
    ("--psk-identity", "TLS"),
    ("--unix", "Unix sockets"),
    ("--ws", "WebSocket"),
    ("--proxy", "a SOCKS proxy"),
    ("--message-rate", "counting messages"),
    ("-S", "DNS service records"),
];

impl Tool {
    /// The tool that the first command line argument names.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "pub" => Some(Self::Publish),
            "sub" => Some(Self::Subscribe),
            "rr" => Some(Self::Request),
            _ => None,
        }
    }

    /// What comes after `dunlin` on the command line, and in the default options file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "pub",
            Self::Subscribe => "sub",
            Self::Request => "rr",
        }
    }

    /// Its command line, for parsing and for help.
    pub(crate) fn command(self) -> clap::Command {
        let command = clap::Command::new(self.name())
            .version(env!("CARGO_PKG_VERSION"))
            .display_name(format!("dunlin {}", self.name()))
            .bin_name(format!("dunlin {}", self.name()))
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args_override_self(true);
        let command = match self {
            Self::Publish => publish::PublishArgs::augment_args(command)
                .about("Publish messages on one topic and exit"),
            Self::Subscribe => subscribe::SubscribeArgs::augment_args(command)
                .about("Subscribe to topics and print the messages received"),
            Self::Request => request::RequestArgs::augment_args(command)
                .about("Publish a request, print the response and exit"),
        };
        // As with mosquitto's tools, a value may begin with a hyphen: `-m -5`.
        command.mut_args(|arg| {
            let takes_one_value = arg.get_action().takes_values() && arg.get_id() != "properties";
            if takes_one_value {
                arg.allow_hyphen_values(true)
            } else {
                arg
            }
        })
    }
}

/// Runs a tool with the arguments that follow its name.
pub(crate) fn run(tool: Tool, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = parse(tool, args.into_iter().collect()).and_then(|matches| match tool {
        Tool::Publish => publish::run(from_matches(&matches)?),
        Tool::Subscribe => subscribe::run(from_matches(&matches)?),
        Tool::Request => request::run(from_matches(&matches)?),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn parse(tool: Tool, args: Vec<OsString>) -> Result<clap::ArgMatches, Failure> {
    let args = options_file::prepend(tool, args)?;
    tool.command()
        .no_binary_name(true)
        .try_get_matches_from(args)
        .map_err(|error| refuse(tool, error))
}

fn from_matches<A: FromArgMatches>(matches: &clap::ArgMatches) -> Result<A, Failure> {
    A::from_arg_matches(matches).map_err(|error| Failure::usage(error.to_string()))
}

/// One line for what clap says in several; help and version go to standard output.
fn refuse(tool: Tool, error: clap::Error) -> Failure {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Failure::shown(error.render().to_string());
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) => Some(value.clone()),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument => match UNSUPPORTED.iter().find(|(flag, _)| *flag == option) {
            Some((flag, what)) => {
                return Failure::usage(format!(
                    "{flag}: {what} is not supported by this tool yet."
                ));
            }
            None => format!("Unknown option '{option}'."),
        },
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}.", first.trim_start_matches("error: "))
        }
    };
    Failure::usage(format!(
        "{message} Use 'dunlin {} --help' to see usage.",
        tool.name()
    ))
}
