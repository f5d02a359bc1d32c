//! What `dunlin check` says of a file, and what `dunlin import` makes of it.

use std::fmt;
use std::path::Path;

use super::error::ConfigError;
use super::mosquitto::{JudgedLine, Judgement};
use super::{meant, served, source, toml_file};
use crate::server::options::ServerOptions;

/// What was found in a file.
pub(crate) struct Report {
    /// The lines of a `mosquitto.conf`.
    lines: Vec<JudgedLine>,
    /// What is wrong with the file as a whole, or what it means.
    outcome: Result<String, ConfigError>,
}

impl Report {
    /// Whether the broker would start with the file.
    pub(crate) fn is_accepted(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// Looks at a file without starting anything. The environment is left out.
pub(crate) fn check(file: &Path) -> Report {
    let options = ServerOptions {
        config: Some(file.to_owned()),
        ..ServerOptions::default()
    };
    let written = match source::read(&options, std::iter::empty()) {
        Ok(written) => written,
        Err(error) => {
            return Report {
                lines: Vec::new(),
                outcome: Err(error),
            };
        }
    };
    let outcome = understand(&written);
    Report {
        lines: written.lines,
        outcome,
    }
}

fn understand(written: &source::Written) -> Result<String, ConfigError> {
    written.refused()?;
    let config = meant::meant(&written.settings, &written.file)?;
    served::all(&config)?;
    let listeners: Vec<_> = config.listeners.iter().map(|it| it.name.clone()).collect();
    Ok(format!("listens on {}", listeners.join(", ")))
}

/// A configuration file as `dunlin.toml`, with what is lost on the way as comments.
///
/// # Errors
/// The file cannot be read, or lines in it are refused.
pub(crate) fn import(file: &Path) -> Result<String, ConfigError> {
    let options = ServerOptions {
        config: Some(file.to_owned()),
        ..ServerOptions::default()
    };
    let written = source::read(&options, std::iter::empty())?;
    written.refused()?;
    meant::meant(&written.settings, &written.file)?;
    let mut out = format!("# Made by `dunlin import` from {}.\n", file.display());
    for line in &written.lines {
        let (what, reason) = match &line.judgement {
            Judgement::Changed(reason) => ("changed", reason),
            Judgement::Ignored(reason) => ("left out", reason),
            _ => continue,
        };
        let text = format!("# {what}: {} ({reason})\n", line.text);
        out.push_str(&text);
    }
    out.push('\n');
    out.push_str(&toml_file::write(&written.settings));
    Ok(out)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            let (word, reason) = match &line.judgement {
                Judgement::Accepted => ("accepted", None),
                Judgement::Changed(reason) => ("changed", Some(reason)),
                Judgement::Ignored(reason) => ("ignored", Some(reason)),
                Judgement::Refused(reason) => ("refused", Some(reason)),
            };
            write!(
                f,
                "{word:8}  {}:{}: {}",
                line.path.display(),
                line.number,
                line.text
            )?;
            match reason {
                Some(reason) => writeln!(f, "  ({reason})")?,
                None => writeln!(f)?,
            }
        }
        match &self.outcome {
            Ok(summary) => writeln!(f, "the broker starts with this file, and {summary}"),
            Err(error) => {
                let already_told = self
                    .lines
                    .iter()
                    .any(|line| matches!(line.judgement, Judgement::Refused(_)));
                if !already_told {
                    for line in error.to_string().lines() {
                        writeln!(f, "refused   {line}")?;
                    }
                }
                writeln!(f, "the broker does not start with this file")
            }
        }
    }
}
