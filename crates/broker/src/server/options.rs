//! The command line of the server: some options of its own, and a flag for every key of the
//! configuration.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::config::flags::{self, KeyFlag};

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Nothing at all.
    Quiet,
    /// What the configuration says; without it, what an operator should know.
    #[default]
    Normal,
    /// Every connection and subscription as well.
    Verbose,
}

/// The options of `dunlin` when it is the server.
#[derive(Debug, Args)]
struct Arguments {
    /// Read this configuration file: dunlin.toml, or a mosquitto.conf
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this port of this machine's loopback address; 0 chooses one
    #[arg(short, long)]
    port: Option<u16>,
    /// Log every connection and subscription
    #[arg(short, long)]
    verbose: bool,
    /// Log nothing, and say nothing at the start; also with --verbose
    #[arg(short, long)]
    quiet: bool,
    /// Go on in the background
    #[arg(short, long)]
    daemon: bool,
    /// Say whether the configuration is right, and end
    #[arg(long)]
    test_config: bool,
    /// This is the process that goes on in the background
    #[arg(long, hide = true)]
    in_background: bool,
}

/// What the process is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve.
    #[default]
    Serve,
    /// Serve, without a terminal.
    ServeInBackground,
    /// Start a process that serves, and end.
    StartInBackground,
    /// Look at the configuration, and end.
    TestConfiguration,
}

/// The options of the server, as meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerOptions {
    pub(crate) config: Option<PathBuf>,
    pub(crate) port: Option<u16>,
    pub(crate) verbose: Verbosity,
    pub(crate) task: Task,
    /// Keys of the configuration by their path, as they were given.
    pub(crate) keys: Vec<(&'static str, String)>,
}

impl ServerOptions {
    /// Reads the command line; ends the process with a message if it is wrong or asks for help.
    pub(crate) fn from_command_line() -> Self {
        let matches = command().get_matches();
        Self::from_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Arguments {
            config,
            port,
            verbose,
            quiet,
            daemon,
            test_config,
            in_background,
        } = Arguments::from_arg_matches(matches)?;
        let given = |flag: KeyFlag| {
            let text = matches.get_one::<String>(flag.path)?;
            Some((flag.path, text.clone()))
        };
        Ok(ServerOptions {
            config,
            port,
            verbose: match (quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (false, true) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
            task: match (test_config, in_background, daemon) {
                (true, ..) => Task::TestConfiguration,
                (false, true, _) => Task::ServeInBackground,
                (false, false, true) => Task::StartInBackground,
                (false, false, false) => Task::Serve,
            },
            keys: flags::all().filter_map(given).collect(),
        })
    }
}

fn command() -> Command {
    Arguments::augment_args(Command::new("dunlin"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("An MQTT broker. Without options it serves this machine on port 1883.")
        .after_help(
            "Other commands: dunlin check, pub, sub, rr (see their --help)\n\
             Every key of the configuration is a flag, too: see --help",
        )
        .after_long_help("Other commands: dunlin check, pub, sub, rr (see their --help)")
        .args(flags::all().map(argument))
}

/// The flag of a key. The value of one that is true or false may be left out, for true.
fn argument(flag: KeyFlag) -> Arg {
    let argument = Arg::new(flag.path)
        .long(flag.name)
        .help(flag.help)
        .help_heading("Keys of the configuration")
        .hide_short_help(true)
        .overrides_with(flag.path);
    if flag.is_switch {
        argument
            .value_name("true|false")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        argument.value_name("VALUE").allow_hyphen_values(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<ServerOptions, String> {
        let args = std::iter::once(&"dunlin").chain(args);
        let matches = command()
            .try_get_matches_from(args)
            .map_err(|error| error.to_string())?;
        ServerOptions::from_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_a_flag() {
        let options = options(&[
            "--limits-packet-size",
            "4MiB",
            "--allow-anonymous",
            "-p",
            "7",
        ]);
        let options = options.unwrap();
        assert_eq!(options.port, Some(7));
        assert_eq!(
            options.keys,
            [
                ("limits.packet_size", "4MiB".to_owned()),
                ("allow_anonymous", "true".to_owned())
            ]
        );
    }

    #[test]
    fn flags_that_there_are_not_are_refused() {
        assert!(options(&["--limits-paket-size", "4MiB"]).is_err());
        command().debug_assert();
    }
}
