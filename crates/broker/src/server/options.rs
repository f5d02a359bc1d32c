//! The command line of the server.

use std::path::PathBuf;

use clap::Parser;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// What an operator should know.
    #[default]
    Normal,
    /// Every connection and subscription as well.
    Verbose,
}

/// The options of `dunlin` when it is the server.
#[derive(Debug, Parser)]
#[command(
    name = "dunlin",
    version,
    about = "An MQTT broker. Without options it serves this machine on port 1883.",
    after_help = "Other commands: dunlin pub, dunlin sub, dunlin rr (see their --help)"
)]
struct Arguments {
    /// Read this configuration file (TOML)
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this port of this machine's loopback address; 0 chooses one
    #[arg(short, long)]
    port: Option<u16>,
    /// Log every connection and subscription
    #[arg(short, long)]
    verbose: bool,
    /// How many shards (threads) to run; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: Option<u16>,
}

/// The options of the server, as meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) verbose: Verbosity,
    pub(crate) shards: Option<usize>,
}

impl ServerOptions {
    /// Reads the command line; ends the process with a message if it is wrong or asks for help.
    pub(crate) fn from_command_line() -> Self {
        let Arguments {
            config,
            port,
            verbose,
            shards,
        } = Arguments::parse();
        let verbose = if verbose {
            Verbosity::Verbose
        } else {
            Verbosity::Normal
        };
        ServerOptions {
            config,
            port,
            verbose,
            shards: shards.map(usize::from),
        }
    }
}
