//! The promises: one file each, with the promise in its head.
//!
//! Some are checked while things happen ([`Live`]), the others when all has come to rest ([`check`]).

pub mod accounts;
pub mod bounds;
pub mod duplicates;
pub mod loss;
pub mod order;
pub mod replays;
pub mod retained;
pub mod sessions;
pub mod shared;
pub mod wills;

use dunlin_core::{Counters, Durability, Shard};

use crate::history::{History, Publication, Violation};
use crate::network::Link;
use crate::plan::Plan;

/// Checkers that watch.
#[derive(Debug, Default)]
pub struct Live {
    /// Which Sessions there must be.
    pub sessions: sessions::Sessions,
    /// Which Wills must be published.
    pub wills: wills::Wills,
    /// What no shard exceeds.
    pub bounds: bounds::Bounds,
}

/// All that is known when a run has come to rest.
pub struct End<'a> {
    /// What the seed had decided.
    pub plan: &'a Plan,
    /// What was promised and what happened.
    pub history: &'a History,
    /// The virtual time.
    pub now: u64,
    /// The broker.
    pub shards: Vec<&'a Shard>,
    /// Messages that were dropped by brokers that have crashed.
    pub dropped: u64,
    /// All connections.
    pub links: &'a [Link],
    /// What the log has to be read again, in its order.
    pub kept: Vec<replays::Kept>,
}

impl End<'_> {
    /// Whether a message may be there still: the broker has not lost everything since.
    pub fn outlives(&self, publication: &Publication) -> bool {
        self.plan.durability == Durability::Log || publication.era == self.history.era
    }

    /// What all shards have counted together since they started.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in &self.shards {
            sum.add(&shard.counters());
        }
        sum
    }
}

type Checker = fn(&End<'_>) -> Vec<String>;

/// Checks everything that can only be told at the end.
pub fn check(end: &End<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let checkers: &[(&'static str, Checker)] = &[
        ("loss", loss::check),
        ("duplicates", duplicates::check),
        ("order", order::check),
        ("retained", retained::check),
        ("replays", replays::check),
        ("shared", shared::check),
        ("accounts", accounts::check),
        ("sessions", sessions::check),
    ];
    for (checker, check) in checkers {
        found.extend(
            check(end)
                .into_iter()
                .map(|what| Violation { checker, what }),
        );
    }
    found
}
