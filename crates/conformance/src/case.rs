//! A case: one statement, and the function that shows whether a broker keeps it.

use crate::scene::Scene;
use crate::wire::{Version, WireError};

/// A test of one statement in one protocol version.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The statement: `MQTT-3.1.2-4`, `MQTT311-3.1.2-6`, `MQTT-3.8.3/retain-handling`.
    pub id: &'static str,
    /// The name of the function that runs it.
    pub name: &'static str,
    /// What it shows, in a few words of ours.
    pub title: &'static str,
    run: fn(&Scene<'_>) -> Outcome,
}

/// What a case returns.
pub type Outcome = Result<(), Failure>;

/// What was expected, and what came instead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The broker did something that the statement does not allow.
    #[error("{0}")]
    Unexpected(String),
    /// The broker sent bytes that no Server may send.
    #[error("the broker sent an impossible packet: {0}")]
    Malformed(#[from] WireError),
    /// The connection could not be opened.
    #[error("no connection to the broker: {0}")]
    Unreachable(String),
}

impl Case {
    /// A case; the version is told by the first part of `id`.
    #[must_use]
    pub const fn new(
        id: &'static str,
        name: &'static str,
        title: &'static str,
        run: fn(&Scene<'_>) -> Outcome,
    ) -> Self {
        Self {
            id,
            name,
            title,
            run,
        }
    }

    /// The protocol version it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        match self.id.split_once('-').map_or("", |(prefix, _)| prefix) {
            "MQTT31" => Version::V3_1,
            "MQTT311" => Version::V3_1_1,
            _ => Version::V5,
        }
    }

    /// Statement and function, the name of the test in a harness.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.id, self.name)
    }

    /// Runs the case in its scene.
    ///
    /// # Errors
    /// The broker does not keep the statement.
    pub fn run(&self, scene: &Scene<'_>) -> Outcome {
        (self.run)(scene)
    }
}

/// Fails the case with a formatted message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::case::Failure::Unexpected(format!($($message)+)));
        }
    };
}

/// Fails the case with a formatted message.
macro_rules! fail {
    ($($message:tt)+) => {
        return Err($crate::case::Failure::Unexpected(format!($($message)+)))
    };
}

/// The table at the head of a file of cases: statements, function, title.
macro_rules! cases {
    ($([$($id:literal),+ $(,)?] $run:ident $title:literal;)*) => {
        /// The cases of this file.
        pub(super) const CASES: &[$crate::case::Case] = &[
            $($($crate::case::Case::new($id, stringify!($run), $title, $run),)+)*
        ];
    };
}

pub(crate) use {cases, ensure, fail};
