//! What `dunlin check` says of a file.

use std::fmt;
use std::path::Path;

use super::error::ConfigError;
use super::{meant, served, source};
use crate::server::options::ServerOptions;

/// What was found in a file.
pub(crate) struct Report {
    /// What it means, if it can be used.
    accepted: Option<String>,
    /// Lines for people: what is taken otherwise than written, and what is refused.
    lines: Vec<String>,
}

impl Report {
    /// Whether the broker would start with the file.
    pub(crate) fn is_accepted(&self) -> bool {
        self.accepted.is_some()
    }
}

/// Looks at a file without starting anything. The environment is left out.
pub(crate) fn check(file: &Path) -> Report {
    let options = ServerOptions {
        config: Some(file.to_owned()),
        ..ServerOptions::default()
    };
    let mut lines = Vec::new();
    let accepted = match understand(&options) {
        Ok(summary) => Some(summary),
        Err(error) => {
            lines.extend(
                error
                    .to_string()
                    .lines()
                    .map(|line| format!("refused   {line}")),
            );
            None
        }
    };
    Report { accepted, lines }
}

fn understand(options: &ServerOptions) -> Result<String, ConfigError> {
    let written = source::read(options, std::iter::empty())?;
    let config = meant::meant(&written.settings, &written.file)?;
    served::all(&config)?;
    let listeners: Vec<_> = config.listeners.iter().map(|it| it.name.clone()).collect();
    Ok(format!("listens on {}", listeners.join(", ")))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        match &self.accepted {
            Some(summary) => writeln!(f, "accepted: {summary}"),
            None => writeln!(f, "not accepted"),
        }
    }
}
