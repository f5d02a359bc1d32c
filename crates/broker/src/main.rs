//! `dunlin`: the broker, and the client tools that come with it.

mod cli;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    let tool = first
        .as_ref()
        .and_then(|name| name.to_str())
        .and_then(cli::Tool::from_name);
    match tool {
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
