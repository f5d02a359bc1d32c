//! One rule: a Topic Filter, what it allows or denies, and where it was written.

use std::fmt;
use std::sync::Arc;

use dunlin_core::Action;

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// No action.
    pub const NONE: Rights = Rights(0);
    /// To publish.
    pub const PUBLISH: Rights = Rights(1);
    /// To receive.
    pub const RECEIVE: Rights = Rights(2);
    /// To subscribe.
    pub const SUBSCRIBE: Rights = Rights(4);
    /// Every action.
    pub const ALL: Rights = Rights(7);

    /// The right to do this.
    pub const fn to(action: Action) -> Rights {
        match action {
            Action::Publish => Rights::PUBLISH,
            Action::Receive => Rights::RECEIVE,
            Action::Subscribe => Rights::SUBSCRIBE,
        }
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    pub const fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A rule as it was written, for whoever asks why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The Topic Filter, in which `%u` and `%c` may stand for User Name and Client Identifier.
    pub filter: Box<str>,
    /// What it allows.
    pub allows: Rights,
    /// What it denies, whatever other rules of its stage allow.
    pub denies: Rights,
    /// Where it stands: a file and a line, or a key.
    pub place: Place,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file, from 1.
    Line(Arc<str>, usize),
    /// A role of the configuration.
    Role(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(file, line) => write!(f, "{file}:{line}"),
            Place::Role(role) => write!(f, "role {role}"),
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Rights::PUBLISH, "publish"),
            (Rights::RECEIVE, "receive"),
            (Rights::SUBSCRIBE, "subscribe"),
        ];
        let mut first = true;
        for (right, name) in names {
            if self.contains(right) {
                write!(f, "{}{name}", if first { "" } else { ", " })?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, rights) = match self.denies {
            Rights::NONE => ("allow", self.allows),
            denied => ("deny", denied),
        };
        write!(f, "{}: {word} {rights} {}", self.place, self.filter)
    }
}
