//! `mosquitto.conf`: every option of Mosquitto 2.0 and 2.1, and what is made of it here.
//!
//! A line is an option and its value, and its meaning depends on those before it: `listener` and
//! `connection` begin something to which later lines belong. Each line is judged: it is taken as
//! written, taken otherwise, without effect, or refused; all lines are read, so that all that is wrong
//! is told at once.
//!
//! | file | owns |
//! |---|---|
//! | `line` | bytes to lines to names and values |
//! | `value` | true and false, numbers and durations as Mosquitto reads them |
//! | `files` | the main file and those of `include_dir` |
//! | `reader` | what has been read so far, and to what a line belongs |
//! | `general`, `listener`, `bridge`, `logging` | the options |
//! | `elsewhere` | options that are refused or without effect, with the reason |
//! | `defaults` | what holds in Mosquitto 2.1 without any option |

mod bridge;
mod defaults;
mod elsewhere;
mod files;
mod general;
mod line;
mod listener;
mod logging;
mod reader;
mod value;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(super) use defaults::settings as defaults;
pub(super) use files::{Disk, Files};
pub(super) use reader::read;

use super::settings::Settings;

/// A `mosquitto.conf` that has been read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) settings: Settings,
    /// Every line that says something, in the order of reading.
    pub(super) lines: Vec<JudgedLine>,
}

/// A line, and what is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JudgedLine {
    pub(super) path: PathBuf,
    /// From 1.
    pub(super) number: usize,
    /// As written, without passwords.
    pub(super) text: String,
    pub(super) judgement: Judgement,
}

/// What is made of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It means here what it means there.
    Accepted,
    /// It is taken otherwise, for this reason.
    Changed(String),
    /// It has no effect, for this reason; nothing that a Client could notice is lost.
    Ignored(String),
    /// The broker does not start with it.
    Refused(String),
}

/// What comes of an option: `Err` is the reason for which it is refused.
type Verdict = Result<Judgement, String>;

const ACCEPTED: Verdict = Ok(Judgement::Accepted);

fn changed(reason: &str) -> Verdict {
    Ok(Judgement::Changed(reason.to_owned()))
}

fn ignored(reason: &str) -> Verdict {
    Ok(Judgement::Ignored(reason.to_owned()))
}

fn refused(reason: &str) -> Verdict {
    Err(reason.to_owned())
}
