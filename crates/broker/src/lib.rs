//! `dunlin`: the broker, and the client tools that come with it.
//!
//! A library only so that its parsers can be fuzzed: the program is [`main`].

mod admin;
mod cli;
mod explain;
pub mod fuzzing;
mod mosquitto_db;
mod passwd;
mod server;
mod store;
mod tls;

use std::process::ExitCode;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    let name = first.as_ref().and_then(|name| name.to_str());
    if name.is_some_and(admin::knows) {
        return admin::run(std::env::args_os());
    }
    if name == Some("passwd") {
        return passwd::run(args);
    }
    if name == Some("store") {
        return store::run(args);
    }
    if name == Some("tls") {
        return tls::run(args);
    }
    match name.and_then(cli::Tool::from_name) {
        Some(tool) => cli::run(tool, args),
        None => serve(),
    }
}

fn serve() -> ExitCode {
    match server::run(&server::ServerOptions::from_command_line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
