//! `dunlin`: the broker, and the client tools that come with it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    match first
        .as_ref()
        .and_then(|name| name.to_str())
        .and_then(cli::Tool::from_name)
    {
        Some(tool) => cli::run(tool, args),
        None => {
            eprintln!(
                "Error: the server is not part of this build; use 'dunlin pub', 'sub' or 'rr'."
            );
            ExitCode::FAILURE
        }
    }
}
