//! Commands about the server that are not the server: they look at files, say what they found, and
//! end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use rustix::process::{Pid, Signal};

use crate::explain::{Explain, explain};
use crate::mosquitto_db::Database;
use crate::server::config::{self, Loaded, pages::Page};
use crate::server::{ServerOptions, import_database};

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
    /// Print a mosquitto.conf as dunlin.toml, and take over a mosquitto.db
    Import(Import),
    /// Print what is in a mosquitto.db, as lines of JSON
    Dump {
        /// The mosquitto.db
        file: PathBuf,
    },
    /// Make a running broker read its configuration again
    Reload {
        /// The configuration that names the pid_file; it is checked first
        #[arg(short, long, value_name = "FILE", required_unless_present = "pid_file")]
        config: Option<PathBuf>,
        /// The file with the number of the process
        #[arg(long, value_name = "FILE")]
        pid_file: Option<PathBuf>,
    },
    /// Say what a configuration, or a running broker, allows a Client to do, and which part of it decides
    Explain(Explain),
    /// Print what is written about the keys of the configuration
    #[command(hide = true)]
    Config {
        /// reference, example or schema
        page: String,
    },
}

/// What is to be taken from a Mosquitto.
#[derive(Debug, Args)]
struct Import {
    /// The mosquitto.conf
    #[arg(required_unless_present = "db")]
    file: Option<PathBuf>,
    /// A mosquitto.db; what is in it goes into the data directory, which must be empty
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    /// The data directory, if it is not that of the configuration
    #[arg(long, value_name = "DIR", requires = "db")]
    data_dir: Option<PathBuf>,
}

/// Whether the first argument is one of these commands.
pub(crate) fn knows(name: &str) -> bool {
    matches!(
        name,
        "check" | "dump" | "explain" | "import" | "reload" | "config"
    )
}

/// Runs the command in `args`, the whole command line. The exit code is 0 if all is well, 1 if not,
/// 2 if the command line is wrong.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::parse_from(args).command {
        Command::Check { file } => check(&file),
        Command::Import(what) => match import(&what) {
            Ok(toml) => {
                print!("{toml}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Dump { file } => match dump(&file) {
            Ok(database) => {
                print!("{database}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Error: {}: {error:#}", file.display());
                ExitCode::FAILURE
            }
        },
        Command::Explain(question) => match explain(&question) {
            Ok(answer) => {
                print!("{}", answer.text);
                match answer.is_yes {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::FAILURE,
                }
            }
            Err(error) => {
                eprintln!("Error: {error:#}");
                ExitCode::FAILURE
            }
        },
        Command::Reload { config, pid_file } => match reload(config, pid_file) {
            Ok(process) => {
                println!(
                    "process {process} reads its configuration again; its log says what has changed"
                );
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Error: {error:#}");
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

/// Takes over the database, if there is one, and says so on standard error; gives the configuration as
/// `dunlin.toml`.
fn import(what: &Import) -> anyhow::Result<String> {
    let toml = match &what.file {
        Some(file) => config::import(file)?,
        None => String::new(),
    };
    if let Some(database) = &what.db {
        let options = ServerOptions {
            config: what.file.clone(),
            ..ServerOptions::default()
        };
        let mut config = Loaded::read(&options)?.config;
        config.data_dir = what.data_dir.clone().or(config.data_dir);
        eprintln!("{}", import_database(&config, database)?);
    }
    Ok(toml)
}

fn dump(file: &std::path::Path) -> anyhow::Result<Database> {
    Ok(Database::read(&std::fs::read(file)?)?)
}

/// Sends SIGHUP to the broker; gives the number of its process.
fn reload(config: Option<PathBuf>, pid_file: Option<PathBuf>) -> anyhow::Result<i32> {
    let mut named = None;
    if config.is_some() {
        let options = ServerOptions {
            config,
            ..ServerOptions::default()
        };
        named = Loaded::read(&options)?.config.pid_file;
    }
    let path = pid_file
        .or(named)
        .context("the configuration names no pid_file: use --pid-file")?;
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let process = text.trim().parse().ok().and_then(Pid::from_raw);
    let process =
        process.with_context(|| format!("{} holds no number of a process", path.display()))?;
    rustix::process::kill_process(process, Signal::HUP)
        .with_context(|| format!("cannot send a signal to process {process}"))?;
    Ok(process.as_raw_nonzero().get())
}

fn check(file: &std::path::Path) -> ExitCode {
    let report = config::check(file);
    print!("{report}");
    match report.is_accepted() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
