//! `-d`: going on in the background.
//!
//! A process with threads must not fork, and so it starts itself again: the second process has the
//! same command line and a word more, by which it leaves its terminal.

use std::process::{Command, Stdio};

use anyhow::Context;

/// Starts this program again with the same options, to go on in the background.
///
/// # Errors
/// The program cannot be started.
pub(super) fn start() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--in-background")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start in the background")?;
    Ok(())
}

/// Leaves the terminal.
///
/// # Errors
/// The process leads a group already.
pub(super) fn detach() -> anyhow::Result<()> {
    rustix::process::setsid().context("cannot leave the terminal")?;
    Ok(())
}
