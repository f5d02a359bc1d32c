//! The whole broker in one thread, from a seed: virtual time, network, several shards, scripted
//! Clients, faults, and a checker for every promise.
//!
//! The shards are [`dunlin_core::Shard`]s, driven by the calling contract that the broker process
//! keeps to; everything around them is made here. Whatever is random comes from one generator, so
//! a seed is a run: `cargo run -p dunlin-sim --release -- --seed 42 --trace` shows it again.
//! With `--durable` the broker has a log, and must come back from crashes with all that it promised.
//!
//! | module | what is there |
//! |---|---|
//! | [`plan`] | what a seed decides before the run: shards, limits, Clients, how much goes wrong |
//! | [`world`] | the events of a run, in virtual time: bytes, turns, shards' messages, faults |
//! | [`network`] | Network Connections that delay, break, stall and lose |
//! | [`client`] | model Clients that keep to the specification |
//! | [`history`] | what was promised and what happened |
//! | [`checkers`] | one file for each promise |

pub mod checkers;
pub mod client;
pub mod history;
pub mod network;
pub mod plan;
pub mod rng;
pub mod trace;
pub mod world;

use dunlin_core::Durability;
use history::Violation;
use plan::Plan;
use rng::Rng;
use trace::Trace;
use world::World;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// Tells two runs apart.
    pub trace_hash: u64,
    /// How much happened.
    pub tally: Tally,
}

/// How much happened in a run: a simulation in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events of the world.
    pub events: u64,
    /// Messages published.
    pub publications: usize,
    /// Messages that reached Clients.
    pub deliveries: usize,
    /// Sessions.
    pub sessions: usize,
    /// Network Connections.
    pub connections: usize,
    /// Messages that shards gave up for lack of room.
    pub dropped: u64,
    /// Frames of the log with a flipped bit that was put right.
    pub mended: u64,
}

impl Tally {
    /// Adds that of another run.
    pub fn add(&mut self, other: &Tally) {
        self.events += other.events;
        self.publications += other.publications;
        self.deliveries += other.deliveries;
        self.sessions += other.sessions;
        self.connections += other.connections;
        self.dropped += other.dropped;
        self.mended += other.mended;
    }
}

/// Runs a seed, with a broker that keeps everything in memory, or one with a log, which crashes often.
pub fn run(seed: u64, durability: Durability, trace: Trace) -> Outcome {
    let mut rng = Rng::new(seed);
    let plan = Plan::new(&mut rng, durability);
    World::new(plan, rng, trace).run()
}
