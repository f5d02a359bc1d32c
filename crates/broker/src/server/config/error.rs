//! What can be wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Something in it.
    #[error("{place}{problem}")]
    At { place: Place, problem: Problem },
    /// Several things in it.
    #[error("{}", list(.0))]
    Many(Vec<(Place, Problem)>),
    /// Something that this version cannot do.
    #[error("{key} is not served yet by this version")]
    NotServed { key: String },
}

impl ConfigError {
    pub(super) fn at(place: Place, problem: Problem) -> Self {
        ConfigError::At { place, problem }
    }
}

fn list(problems: &[(Place, Problem)]) -> String {
    let lines = problems
        .iter()
        .map(|(place, problem)| format!("{place}{problem}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A line of a file, from 1; without it, the whole file.
    File { path: PathBuf, line: Option<usize> },
    /// A flag of the command line.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// Nowhere: it follows from what was not written.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}: ", path.display()),
            Place::File { path, line: None } => write!(f, "{}: ", path.display()),
            Place::Flag(flag) => write!(f, "{flag}: "),
            Place::Variable(variable) => write!(f, "{variable}: "),
            Place::Nowhere => Ok(()),
        }
    }
}

/// What is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no key {key}{}", meant(.nearest))]
    UnknownKey {
        key: String,
        nearest: Option<&'static str>,
    },
    #[error("{key}: {wrong}")]
    Value { key: String, wrong: String },
    #[error("{key} is a table: write [[{key}]]")]
    NotATable { key: String },
    #[error("a listener needs an address")]
    NoAddress,
    #[error("{0}")]
    Refused(String),
}

fn meant(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(key) => format!("; did you mean {key}?"),
        None => String::new(),
    }
}
