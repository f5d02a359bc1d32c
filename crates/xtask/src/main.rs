//! The repository's own tasks, started as `cargo xtask TASK`.
//!
//! | file          | what it holds                                                       |
//! |---------------|---------------------------------------------------------------------|
//! | `main.rs`     | the command line                                                    |
//! | `steps.rs`    | the list of everything that `cargo xtask test` checks               |
//! | `runner.rs`   | running chosen steps, timing them, the summary                      |
//! | `command.rs`  | one child process: its output shown, its test results counted       |
//! | `tally.rs`    | reading "12 passed, 0 failed" out of what test runners print        |
//! | `workspace.rs`| where things are                                                    |
//! | `install.rs`  | Debian packages, Python environments and npm packages, when missing |
//! | `interop.rs`  | the suites in `interop/`, each against a server of its own          |
//! | `server.rs`   | a running `dunlin` with a known address                             |
//! | `licences.rs` | what `deny.toml` says about dependencies, checked without extras    |

mod command;
mod install;
mod interop;
mod licences;
mod runner;
mod server;
mod steps;
mod tally;
mod workspace;

use std::process::ExitCode;

use runner::{OnFailure, Selection};

const USAGE: &str = "\
cargo xtask test [STEP...] [--keep-going]   run every test, or only the steps named
cargo xtask steps                           list the steps

A STEP also stands for every step that begins with it: `interop` runs all of `interop-...`.
Missing tools are installed (Debian packages by apt-get, the rest inside this repository).
DUNLIN_ADDRESS=HOST:PORT runs the interop steps against a broker that is already there.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("test") => test(&arguments[1..]),
        Some("steps") => {
            for step in steps::ALL {
                println!("{:20} {}", step.name, step.about);
            }
            Ok(true)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the steps that `arguments` choose; true when all of them passed.
fn test(arguments: &[String]) -> anyhow::Result<bool> {
    let mut on_failure = OnFailure::Stop;
    let mut names = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "--keep-going" => on_failure = OnFailure::KeepGoing,
            flag if flag.starts_with('-') => anyhow::bail!("unknown option {flag}\n{USAGE}"),
            name => names.push(name.to_owned()),
        }
    }
    let chosen = Selection::new(steps::ALL, &names)?;
    Ok(runner::run(&chosen, on_failure))
}
