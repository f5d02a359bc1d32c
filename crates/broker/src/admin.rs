//! Commands about the server that are not the server: they look at files, say what they found, and
//! end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::server::config::{self, pages::Page};

/// The commands, by the first word of the command line.
#[derive(Debug, Parser)]
#[command(name = "dunlin", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is accepted, changed and refused in a configuration file
    Check {
        /// dunlin.toml, or a mosquitto.conf
        file: PathBuf,
    },
    /// Print a mosquitto.conf as dunlin.toml
    Import {
        /// The mosquitto.conf
        file: PathBuf,
    },
    /// Print what is written about the keys of the configuration
    #[command(hide = true)]
    Config {
        /// reference, example or schema
        page: String,
    },
}

/// Whether the first argument is one of these commands.
pub(crate) fn knows(name: &str) -> bool {
    matches!(name, "check" | "import" | "config")
}

/// Runs the command in `args`, the whole command line. The exit code is 0 if all is well, 1 if not,
/// 2 if the command line is wrong.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::parse_from(args).command {
        Command::Check { file } => check(&file),
        Command::Import { file } => match config::import(&file) {
            Ok(toml) => {
                print!("{toml}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Error: {error}");
                ExitCode::FAILURE
            }
        },
        Command::Config { page } => match Page::from_name(&page) {
            Some(page) => {
                print!("{}", page.text());
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("Error: there is no page {page}: reference, example, schema");
                ExitCode::from(2)
            }
        },
    }
}

fn check(file: &std::path::Path) -> ExitCode {
    let report = config::check(file);
    print!("{report}");
    match report.is_accepted() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
