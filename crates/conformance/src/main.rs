//! `dunlin-conformance`: checks a broker against the statements of MQTT 3.1.1 and 5.0.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use dunlin_conformance::{Broker, Case, Version, cases, runner, table};

const USAGE: &str = "\
usage: dunlin-conformance [--broker HOST:PORT] [--websocket HOST:PORT] [--filter TEXT]
                          [--version 3.1|3.1.1|5] [--jobs N] [--list]
       dunlin-conformance --table

Runs one test per normative statement of MQTT against a broker and exits with 1 if any fails.

  --broker HOST:PORT     MQTT over TCP (default 127.0.0.1:1883)
  --websocket HOST:PORT  MQTT over WebSocket; without it those cases are left out
  --filter TEXT          only cases whose number or name contains TEXT
  --version V            only cases of this protocol version
  --jobs N               cases run at the same time (default 8)
  --list                 print the cases instead of running them
  --table                print docs/conformance.md";

struct Options {
    broker: String,
    websocket: Option<String>,
    filter: String,
    version: Option<Version>,
    jobs: usize,
    task: Task,
}

enum Task {
    Run,
    List,
    Table,
    Help,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| perform(&options)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("dunlin-conformance: {message}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        broker: "127.0.0.1:1883".into(),
        websocket: None,
        filter: String::new(),
        version: None,
        jobs: 8,
        task: Task::Run,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value\n\n{USAGE}"))
        };
        match argument.as_str() {
            "--broker" => options.broker = value()?,
            "--websocket" => options.websocket = Some(value()?),
            "--filter" => options.filter = value()?,
            "--version" => options.version = Some(version(&value()?)?),
            "--jobs" => {
                options.jobs = value()?
                    .parse()
                    .map_err(|_| "--jobs needs a number".to_owned())?;
            }
            "--list" => options.task = Task::List,
            "--table" => options.task = Task::Table,
            "--help" | "-h" => options.task = Task::Help,
            other => return Err(format!("unknown argument {other}\n\n{USAGE}")),
        }
    }
    Ok(options)
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "3.1" | "3" => Ok(Version::V3_1),
        "3.1.1" | "4" => Ok(Version::V3_1_1),
        "5" | "5.0" => Ok(Version::V5),
        other => Err(format!(
            "unknown version {other}; known are 3.1, 3.1.1 and 5"
        )),
    }
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    address
        .to_socket_addrs()
        .map_err(|error| format!("{address}: {error}"))?
        .next()
        .ok_or_else(|| format!("{address} has no address"))
}

fn perform(options: &Options) -> Result<ExitCode, String> {
    match options.task {
        Task::Help => println!("{USAGE}"),
        Task::Table => print!("{}", table::markdown()),
        Task::List => {
            for case in selected(options) {
                println!("{:<32} {:<44} {}", case.id, case.name, case.title);
            }
        }
        Task::Run => {
            let websocket = options.websocket.as_deref().map(resolve).transpose()?;
            let broker = Broker::new(resolve(&options.broker)?, websocket);
            let cases = selected(options);
            let summary = runner::run_all(&broker, &cases, options.jobs);
            if options.websocket.is_none() {
                println!("note: without --websocket the cases of chapter 6 are left out");
            }
            println!("{} passed, {} failed", summary.passed, summary.failed);
            if summary.failed > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn selected(options: &Options) -> Vec<Case> {
    cases::all()
        .filter(|case| {
            options
                .version
                .is_none_or(|version| version == case.version())
        })
        .filter(|case| case.full_name().contains(&options.filter))
        .filter(|case| options.websocket.is_some() || !cases::needs_websocket(case))
        .collect()
}
