//! What a seed decides before the run begins: shards, limits, Clients, and how bad the world is.

use std::time::Duration;

use dunlin_core::{Durability, Limits};
use dunlin_packet::ProtocolVersion;

use crate::rng::Rng;

/// Topic Names that Clients publish to.
pub const TOPICS: &[&str] = &["a", "b", "a/b", "a/c", "a/b/c", "b/c/d", "$x/a", "a//c"];

/// Topic Filters of Clients that subscribe by themselves.
pub const FILTERS: &[&str] = &[
    "a", "b", "a/b", "a/+", "+/b", "+", "#", "a/#", "a/b/#", "b/c/d", "+/+/+", "$x/#", "will/#",
    "a/+/c",
];

/// Filters of Shared Subscriptions; one group each.
pub const SHARED: &[&str] = &["$share/g1/a/#", "$share/g2/+", "$share/g1/b", "$share/g3/#"];

/// Topic Filters of Clients that read the log again.
pub const READ_FILTERS: &[&str] = &["#", "a/#", "+", "a/b", "+/b/#"];

/// The listener whose Clients are promised what the broker's durability promises.
pub const LASTING: u32 = 0;

/// The listener without durability.
pub const PASSING: u32 = 1;

/// Everything about a run that does not happen in it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many shards the broker has.
    pub shards: usize,
    /// The seed of the shards' own hashing.
    pub placement: u64,
    /// Whether anything outlives a crash.
    pub durability: Durability,
    /// The bounds of every shard.
    pub limits: Limits,
    /// Messages of a queue that are held in memory, if there is a log.
    pub held_messages: usize,
    /// Topic Filters of the messages that are kept to be read again.
    pub replayable: Vec<String>,
    /// Whether these are so low that messages may be dropped.
    pub tiny: bool,
    /// All Clients.
    pub clients: Vec<ClientPlan>,
    /// Each topic's Retained Messages come from one Client, so that "the last" means something.
    pub one_retainer: bool,
    /// Milliseconds of virtual time until faults end and everything is drained.
    pub duration: u64,
    /// How much goes wrong.
    pub faults: Faults,
}

/// What a Client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Publishes, and subscribes by itself.
    Peer,
    /// Is a member of Shared Subscriptions, and nothing else.
    Worker,
    /// Reads the log again, and does nothing else.
    Reader,
    /// Joins when all is over, to see what is retained.
    Probe,
}

/// One Client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// What it may do.
    pub role: Role,
    /// Which protocol it speaks.
    pub version: ProtocolVersion,
    /// Which listener it comes in by: [`LASTING`] or [`PASSING`].
    pub listener: u32,
    /// In how many of a hundred cases it connects with Clean Start.
    pub clean_percent: u64,
    /// Session Expiry Interval in seconds; in 3.x 0 means Clean Session.
    pub session_expiry: u32,
    /// In seconds.
    pub keep_alive: u16,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Maximum Packet Size; only where messages may be dropped.
    pub maximum_packet_size: Option<u32>,
    /// In how many of a hundred cases it has a Will.
    pub will_percent: u64,
    /// Milliseconds between two things that it does, on average.
    pub pace: u64,
    /// The Shared Subscriptions that it may be a member of.
    pub shared: Vec<&'static str>,
    /// The highest QoS that it asks for in them.
    pub shared_qos: u8,
}

/// How often something goes wrong, in a thousand of a Client's deeds.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Bytes are late by up to this many milliseconds, rarely by ten times as much.
    pub delay: u64,
    /// Connections break.
    pub breaks: u64,
    /// Clients stop reading for a while.
    pub stalls: u64,
    /// Clients fall silent.
    pub silences: u64,
    /// Clients open a second connection.
    pub takeovers: u64,
    /// When the broker's process dies.
    pub crashes: Vec<u64>,
    /// When old parts of the log are to become free, in milliseconds, if there is a log.
    pub checkpoints: Vec<u64>,
    /// When the disk is full for a while, in milliseconds.
    pub full: Vec<u64>,
    /// When a bit on the disk flips, in milliseconds.
    pub flips: Vec<u64>,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(rng: &mut Rng, durability: Durability) -> Self {
        let tiny = rng.percent(15);
        let calm = rng.percent(15);
        let duration = rng.between(5_000, 25_000);
        let peers = rng.between(2, 6) as usize;
        let workers = if rng.percent(60) {
            rng.between(1, 4)
        } else {
            0
        };
        let pace = rng.between(50, 600);
        let mut clients: Vec<_> = (0..peers).map(|_| peer(rng, tiny, calm, pace)).collect();
        clients.extend((0..workers).map(|_| worker(rng, tiny, calm, pace)));
        if durability == Durability::Log && rng.percent(30) {
            for client in &mut clients {
                client.listener = rng.pick(&[LASTING, PASSING]);
            }
        }
        let is_read = durability == Durability::Log && rng.percent(30);
        let readers = if is_read { rng.between(1, 2) } else { 0 };
        clients.extend((0..readers).map(|_| reader(rng, tiny, calm, pace)));
        let kept: &[&[&str]] = if is_read {
            &[&["#"], &["a/#", "b"]]
        } else {
            &[&[]]
        };
        let replayable = rng.pick(kept).iter().map(|filter| (*filter).to_owned());
        Plan {
            replayable: replayable.collect(),
            shards: rng.between(1, 4) as usize,
            placement: rng.bits(),
            durability,
            limits: if tiny {
                tiny_limits(rng)
            } else {
                generous_limits(rng)
            },
            held_messages: rng.pick(&[1, 2, 5, 64]),
            tiny,
            clients,
            one_retainer: rng.percent(60),
            duration,
            faults: if calm {
                calm_faults()
            } else {
                faults(rng, duration, durability)
            },
        }
    }
}

fn peer(rng: &mut Rng, tiny: bool, calm: bool, pace: u64) -> ClientPlan {
    let version = match rng.below(10) {
        0 => ProtocolVersion::V3_1,
        1..4 => ProtocolVersion::V3_1_1,
        _ => ProtocolVersion::V5,
    };
    let is_v5 = version == ProtocolVersion::V5;
    // 3.1 has no Session Present, without which a Client cannot know what to send again.
    let lasting = version != ProtocolVersion::V3_1 && (calm || rng.percent(75));
    let short = !calm && is_v5 && rng.percent(30);
    ClientPlan {
        role: Role::Peer,
        version,
        listener: LASTING,
        clean_percent: if !lasting {
            100
        } else if calm {
            0
        } else {
            rng.pick(&[0, 0, 10, 30])
        },
        session_expiry: match (lasting, short) {
            (false, _) => 0,
            (true, true) => rng.between(1, 5) as u32,
            (true, false) => u32::MAX,
        },
        keep_alive: if calm { 0 } else { rng.pick(&[0, 0, 2, 5, 10]) },
        receive_maximum: (is_v5 && rng.percent(50)).then(|| rng.pick(&[1, 2, 5, 20])),
        topic_alias_maximum: if is_v5 { rng.pick(&[0, 0, 2, 20]) } else { 0 },
        maximum_packet_size: (is_v5 && tiny && rng.percent(50)).then(|| rng.pick(&[40, 100, 1000])),
        will_percent: if calm { 0 } else { rng.pick(&[0, 50, 100]) },
        pace: rng.between(pace / 2, pace * 2),
        shared: Vec::new(),
        shared_qos: 0,
    }
}

fn worker(rng: &mut Rng, tiny: bool, calm: bool, pace: u64) -> ClientPlan {
    let mut plan = peer(rng, tiny, calm, pace);
    plan.role = Role::Worker;
    plan.will_percent = 0;
    // Only Subscription Identifiers tell the messages of two groups apart.
    let first = rng.below(SHARED.len());
    plan.shared = match plan.version {
        ProtocolVersion::V5 => SHARED.to_vec(),
        _ => vec![SHARED[first]],
    };
    plan.shared_qos = if rng.percent(85) { 2 } else { 0 };
    plan
}

fn reader(rng: &mut Rng, tiny: bool, calm: bool, pace: u64) -> ClientPlan {
    ClientPlan {
        role: Role::Reader,
        version: ProtocolVersion::V5,
        // What is left of the last connection would come on the next one.
        clean_percent: 100,
        session_expiry: rng.pick(&[0, u32::MAX]),
        will_percent: 0,
        ..peer(rng, tiny, calm, pace)
    }
}

fn calm_faults() -> Faults {
    Faults {
        delay: 3,
        breaks: 0,
        stalls: 0,
        silences: 0,
        takeovers: 0,
        crashes: Vec::new(),
        checkpoints: Vec::new(),
        full: Vec::new(),
        flips: Vec::new(),
    }
}

fn faults(rng: &mut Rng, duration: u64, durability: Durability) -> Faults {
    let often = if durability == Durability::Log {
        80
    } else {
        20
    };
    let crashes = if rng.percent(often) {
        rng.between(1, 2)
    } else {
        0
    };
    let checkpoints = match durability {
        Durability::Log => rng.between(0, 4),
        Durability::Memory => 0,
    };
    let is_filling = durability == Durability::Log && rng.percent(20);
    let flips = match durability {
        Durability::Log if rng.percent(30) => rng.between(1, 8),
        _ => 0,
    };
    Faults {
        full: (0..u64::from(is_filling))
            .map(|_| rng.between(0, duration))
            .collect(),
        flips: (0..flips).map(|_| rng.between(0, duration)).collect(),
        delay: rng.pick(&[1, 20, 200]),
        breaks: rng.pick(&[0, 20, 100]),
        stalls: rng.pick(&[0, 20, 50]),
        silences: rng.pick(&[0, 10]),
        takeovers: rng.pick(&[0, 10, 60]),
        crashes: (0..crashes).map(|_| rng.between(0, duration)).collect(),
        checkpoints: (0..checkpoints).map(|_| rng.between(0, duration)).collect(),
    }
}

/// Nothing has to be dropped, but packets wait and reading pauses.
fn generous_limits(rng: &mut Rng) -> Limits {
    Limits {
        receive_maximum: rng.pick(&[3, 20, 64]),
        in_flight: rng.pick(&[1, 3, 20, 64]),
        topic_aliases_in: rng.pick(&[0, 3, 32]),
        topic_aliases_out: rng.pick(&[0, 3, 32]),
        output_bytes: rng.pick(&[200, 4096, 256 * 1024]),
        ..Limits::default()
    }
}

/// Everything is too small.
fn tiny_limits(rng: &mut Rng) -> Limits {
    Limits {
        retain_available: true,
        queue_qos0: false,
        payload_size: None,
        packet_size: 8192,
        receive_maximum: rng.pick(&[1, 3]),
        in_flight: rng.pick(&[1, 3]),
        topic_aliases_in: 2,
        topic_aliases_out: 2,
        queued_messages: rng.pick(&[1, 3, 10]),
        queued_bytes: rng.pick(&[500, 3000]),
        output_bytes: rng.pick(&[50, 500]),
        output_bytes_hard: rng.pick(&[1000, 10_000]),
        all_output_bytes: rng.pick(&[100, 2000]),
        sessions: rng.pick(&[1, 3]),
        subscriptions: rng.pick(&[1, 3]),
        all_subscriptions: rng.pick(&[2, 10]),
        topic_levels: 3,
        retained_messages: rng.pick(&[1, 3]),
        retained_bytes: rng.pick(&[300, 3000]),
        group_messages: rng.pick(&[1, 3]),
        group_bytes: rng.pick(&[500, 3000]),
        waiting_bytes: rng.pick(&[1000, 5000]),
        partial_bytes: rng.pick(&[300, 3000]),
        session_expiry: rng.pick(&[2, 60]),
        keep_alive: rng.pick(&[None, Some(3)]),
        message_rate: None,
        byte_rate: None,
        rate_patience: 1,
        flapping_connects: None,
        flapping_window: Duration::from_secs(1),
        flapping_ban: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(2),
        close_timeout: Duration::from_secs(1),
    }
}
