//! `dunlin store`: what is in the data directory of a broker that does not run.

mod contents;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use dunlin_core::{MessageId, Record};
use dunlin_store::{Directory, Inspection, Replayed};

use contents::Contents;

#[derive(Debug, Parser)]
#[command(name = "dunlin store", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Look at the data directory of a broker that does not run
#[derive(Debug, Subcommand)]
enum Command {
    /// Say what files there are, and what they hold
    Stat {
        /// The data directory
        directory: PathBuf,
    },
    /// Read everything; the exit code is 1 if anything is damaged
    Check {
        /// The data directory
        directory: PathBuf,
    },
    /// Print Sessions, Shared Subscriptions and Retained Messages, as lines of JSON
    Dump {
        /// The data directory
        directory: PathBuf,
    },
}

/// Runs the command. The exit code is 0 if all is well, 1 if not, 2 if the command line is wrong.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let name = std::iter::once(OsString::from("dunlin store"));
    let done = match Arguments::parse_from(name.chain(args)).command {
        Command::Stat { directory } => stat(&directory).map(|()| true),
        Command::Check { directory } => check(&directory),
        Command::Dump { directory } => dump(&directory).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn stat(directory: &Path) -> anyhow::Result<()> {
    let (contents, inspection) = read(directory)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:>12} {:>12} {:>12}  replayed",
        "file", "bytes", "on disk"
    )?;
    for segment in &inspection.segments {
        let name = format!("{:08}.log", segment.number);
        let replayed = if segment.is_replayed { "yes" } else { "no" };
        let (bytes, disk) = (segment.bytes, segment.disk);
        writeln!(out, "{name:>12} {bytes:>12} {disk:>12}  {replayed}")?;
    }
    let recovery = &inspection.recovery;
    writeln!(
        out,
        "{} records in {} frames",
        recovery.entries, recovery.frames
    )?;
    writeln!(out, "{}", contents.totals())?;
    Ok(())
}

/// True: nothing is damaged.
fn check(directory: &Path) -> anyhow::Result<bool> {
    let (contents, inspection) = read(directory)?;
    let recovery = &inspection.recovery;
    let mut out = std::io::stdout().lock();
    for damage in &recovery.damage {
        writeln!(
            out,
            "damaged from {} to {}: {}",
            damage.from, damage.to, damage.cause
        )?;
    }
    for place in &recovery.mended {
        writeln!(
            out,
            "one bit is wrong in the frame at {place}: nothing is lost"
        )?;
    }
    if contents.unknown > 0 {
        writeln!(
            out,
            "{} records are of a kind that is not known",
            contents.unknown
        )?;
    }
    if recovery.torn > 0 {
        writeln!(
            out,
            "{} frames at the end never became stable",
            recovery.torn
        )?;
    }
    let is_whole =
        recovery.damage.is_empty() && recovery.mended.is_empty() && contents.unknown == 0;
    if is_whole {
        writeln!(out, "all {} records are whole", recovery.entries)?;
    }
    Ok(is_whole)
}

fn dump(directory: &Path) -> anyhow::Result<()> {
    let (contents, _) = read(directory)?;
    contents.print(&mut std::io::stdout().lock())?;
    Ok(())
}

/// Reads the directory; changes nothing in it.
fn read(directory: &Path) -> anyhow::Result<(Contents, Inspection)> {
    let shown = directory.display();
    anyhow::ensure!(directory.is_dir(), "{shown} is no directory");
    let mut contents = Contents::default();
    let take = |entry: Replayed<'_>| {
        let key = entry.key.map(|key| MessageId::from_u64(key.get()));
        match Record::decode(key, entry.content) {
            Ok(record) => contents.take(record),
            Err(_) => contents.unknown += 1,
        }
    };
    let files = Directory::open(directory).with_context(|| format!("cannot open {shown}"))?;
    let inspection =
        dunlin_store::inspect(files, take).with_context(|| format!("cannot read {shown}"))?;
    Ok((contents, inspection))
}
