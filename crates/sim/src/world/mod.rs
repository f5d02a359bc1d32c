//! The world around the broker: virtual time, and all that can happen next.
//!
//! Everything that is to happen has a time: bytes and messages arrive after a random delay, Clients
//! act at a random pace, shards say when they are due. Among all that is ripe one is drawn; when
//! nothing is, the clock jumps to what comes first. So every order that the delays allow can occur.

mod broker;
mod clients;
mod crash;
mod durable;
mod log;
mod observe;
mod seat;

use std::collections::{BTreeMap, VecDeque};

use dunlin_core::{LogId, MessageId, PeerMessage, Reader, ReplayStart};

use crate::Outcome;
use crate::checkers::{self, End, Live};
use crate::client::Client;
use crate::history::{History, SessionNumber};
use crate::network::{Link, LinkNumber, Place};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use log::Log;
use seat::Seat;

/// Virtual time that a run may take to come to rest, in milliseconds.
const PATIENCE: u64 = 120_000;

/// Events of one run at most: more mean that it does not come to rest.
const EVENTS: u64 = 400_000;

/// Everything that there is.
pub struct World {
    /// What the seed has decided.
    pub plan: Plan,
    /// The virtual time in milliseconds.
    pub now: u64,
    /// What was promised and what happened.
    pub history: History,
    rng: Rng,
    trace: Trace,
    seats: Vec<Seat>,
    /// By sender and receiver: what shards say to each other.
    talks: Vec<Talk>,
    links: Vec<Link>,
    clients: Vec<Client>,
    live: Live,
    log: Log,
    /// Durable Sessions that have begun and have no name in the log yet, by Client, oldest first.
    unnamed: BTreeMap<usize, VecDeque<SessionNumber>>,
    /// What Sessions are called in the log.
    named: BTreeMap<LogId, SessionNumber>,
    /// When the disk has room again.
    disk_full_until: Option<u64>,
    /// Messages that shards wait for: which shard, for whom, which, and when they are read.
    reads: Vec<(usize, Reader, Vec<MessageId>, u64)>,
    /// Replays that want to be read on, and when they are; the others wait for something new.
    replays: Vec<(usize, Reader, ReplayStart, Option<u64>)>,
    draining: bool,
    events: u64,
    /// What shards dropped before they crashed.
    dropped: u64,
}

/// What one shard has said to another, and the other has not heard.
#[derive(Default)]
struct Talk {
    messages: Vec<PeerMessage>,
    ready_at: u64,
}

/// Something that can happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A connection arrives at a shard.
    Arrive(LinkNumber),
    /// Bytes reach the broker.
    Up(LinkNumber),
    /// Bytes reach the Client.
    Down(LinkNumber),
    /// The broker can write again.
    Write(LinkNumber),
    /// The broker learns that a connection has ended.
    TellBroker(LinkNumber),
    /// The Client learns it.
    TellClient(LinkNumber),
    /// A shard hears another.
    Hear(usize, usize),
    /// What a shard has put out is taken.
    Turn(usize),
    /// Something of what has to be done with the log is done.
    Log,
    /// The disk is full, or has room again.
    Room,
    /// A bit on the disk flips.
    Flip,
    /// What a shard wants to read is read.
    Read(usize),
    /// A replay is read on.
    Replay(usize),
    /// Old parts of the log are to become free.
    Checkpoint,
    /// A shard's deadline has come.
    Due(usize),
    /// A Client does something.
    Act(usize),
    /// A Client says that it is there.
    Ping(usize),
    /// The broker's process dies and starts again.
    Crash,
}

impl World {
    /// The world of a plan, before anything has happened.
    pub fn new(plan: Plan, mut rng: Rng, trace: Trace) -> Self {
        let seed = rng.bits();
        let mut world = World {
            now: 0,
            history: History::default(),
            rng,
            trace,
            seats: Vec::new(),
            talks: Vec::new(),
            links: Vec::new(),
            clients: Vec::new(),
            live: Live::default(),
            log: Log::new(seed, !plan.replayable.is_empty()),
            unnamed: BTreeMap::new(),
            named: BTreeMap::new(),
            disk_full_until: None,
            reads: Vec::new(),
            replays: Vec::new(),
            draining: false,
            events: 0,
            dropped: 0,
            plan,
        };
        world.start_broker();
        for plan in world.plan.clients.clone() {
            world.add_client(plan);
        }
        world
    }

    /// Lets everything happen: faults until the plan's end, then peace until all is at rest.
    pub fn run(mut self) -> Outcome {
        self.trace.log(0, format_args!("{:?}", self.plan));
        self.run_until(self.plan.duration);
        self.drain();
        if self.history.violations.is_empty() {
            self.settle();
        }
        if self.history.violations.is_empty() {
            self.probe();
        }
        if self.history.violations.is_empty() {
            let end = End {
                plan: &self.plan,
                history: &self.history,
                now: self.now,
                shards: self.seats.iter().map(|seat| &seat.shard).collect(),
                dropped: self.dropped,
                links: &self.links,
                kept: self.log.kept(),
            };
            let violations = checkers::check(&end);
            self.history.violations.extend(violations);
        }
        self.outcome()
    }

    fn outcome(self) -> Outcome {
        let shards = self.seats.iter().map(|seat| &seat.shard);
        let dropped = shards
            .map(|shard| shard.counters().dropped.iter().sum::<u64>())
            .sum::<u64>();
        Outcome {
            trace_hash: self.trace.hash(),
            tally: crate::Tally {
                events: self.events,
                publications: self.history.publications.len(),
                deliveries: self.history.deliveries.len(),
                sessions: self.history.sessions.len(),
                connections: self.links.len(),
                dropped: dropped + self.dropped,
                mended: self.log.mended(),
            },
            violations: self.history.violations,
        }
    }

    /// Lets everything happen until a time, or until a promise is broken.
    pub fn run_until(&mut self, end: u64) {
        while self.history.violations.is_empty() {
            match self.next_step() {
                Some((step, at)) if at <= end => self.step(step, at),
                _ => break,
            }
        }
        self.now = self.now.max(end);
    }

    /// Lets everything happen until nobody has anything to say any more.
    pub fn settle(&mut self) {
        let patience = self.now + PATIENCE;
        // Far more than what any single delay can be.
        let calm = self.now + 20_000;
        while self.history.violations.is_empty() {
            if self.now >= calm && self.is_quiet() {
                return;
            }
            match self.next_step() {
                Some((step, at)) if at <= patience => self.step(step, at),
                _ => break,
            }
            if self.events > EVENTS {
                self.history
                    .violation("rest", "the run does not come to rest".to_owned());
            }
        }
        if !self.is_quiet() && self.history.violations.is_empty() {
            let what = format!("still busy after {PATIENCE} ms of peace");
            self.history.violation("rest", what);
        }
    }

    /// Whether nothing is underway, waits to be written, or is to be answered.
    fn is_quiet(&self) -> bool {
        let links = self.links.iter().enumerate();
        let mut used = links.filter(|(n, link)| self.clients[link.client].link == Some(*n));
        let underway = |(_, link): (LinkNumber, &Link)| {
            !link.up.is_empty() || !link.down.is_empty() || link.blocked_until.is_some()
        };
        let moving = |link: &Link| matches!(link.place, Place::Moving { .. });
        let due = |seat: &Seat| {
            let deadline = seat.shard.next_deadline();
            seat.turn_at.is_some() || deadline.is_some_and(|at| at.as_millis() <= self.now)
        };
        self.talks.iter().all(|talk| talk.messages.is_empty())
            && !self.log.is_pending()
            && self.reads.is_empty()
            && self.replays.iter().all(|(.., at)| at.is_none())
            && !self.seats.iter().any(due)
            && !used.any(underway)
            && !self.links.iter().any(moving)
            && self.everybody_is_there()
    }

    /// All that can happen now: one of it, drawn at random; or what comes next.
    fn next_step(&mut self) -> Option<(Step, u64)> {
        let mut ripe = Vec::new();
        let mut first: Option<u64> = None;
        let now = self.now;
        self.each_step(|step, at| {
            if at <= now {
                ripe.push(step);
            }
            first = Some(first.map_or(at, |first| first.min(at)));
        });
        if !ripe.is_empty() {
            return Some((self.rng.pick(&ripe), now));
        }
        let next = first?;
        self.each_step(|step, at| {
            if at == next {
                ripe.push(step);
            }
        });
        Some((self.rng.pick(&ripe), next))
    }

    /// Every step that is going to happen if nothing else does, and when.
    fn each_step(&self, mut each: impl FnMut(Step, u64)) {
        for (n, link) in self.links.iter().enumerate() {
            link_steps(
                n,
                link,
                self.clients[link.client].link == Some(n),
                &mut each,
            );
        }
        for (n, talk) in self.talks.iter().enumerate() {
            if !talk.messages.is_empty() {
                each(
                    Step::Hear(n / self.plan.shards, n % self.plan.shards),
                    talk.ready_at,
                );
            }
        }
        for (n, seat) in self.seats.iter().enumerate() {
            if let Some(at) = seat.turn_at {
                each(Step::Turn(n), at);
            }
            if let Some(at) = seat.shard.next_deadline() {
                each(Step::Due(n), at.as_millis());
            }
        }
        for (n, client) in self.clients.iter().enumerate() {
            each(Step::Act(n), client.acts_at);
            if let Some(at) = client.pings_at() {
                each(Step::Ping(n), at);
            }
        }
        if let Some(at) = self.log.acts_at {
            each(Step::Log, at);
        }
        let full_at = self.plan.faults.full.first().copied();
        if let Some(at) = self.disk_full_until.or(full_at) {
            each(Step::Room, at);
        }
        if let Some(&at) = self.plan.faults.flips.first() {
            each(Step::Flip, at);
        }
        for (n, (.., at)) in self.reads.iter().enumerate() {
            each(Step::Read(n), *at);
        }
        for (n, (.., at)) in self.replays.iter().enumerate() {
            if let Some(at) = at {
                each(Step::Replay(n), *at);
            }
        }
        if let Some(&at) = self.plan.faults.checkpoints.first() {
            each(Step::Checkpoint, at);
        }
        if let Some(&at) = self.plan.faults.crashes.first() {
            each(Step::Crash, at);
        }
    }

    fn step(&mut self, step: Step, at: u64) {
        self.now = self.now.max(at);
        self.events += 1;
        match step {
            Step::Arrive(link) => self.arrive(link),
            Step::Up(link) => self.up(link),
            Step::Down(link) => self.down(link),
            Step::Write(link) => self.write_again(link),
            Step::TellBroker(link) => self.tell_broker(link),
            Step::TellClient(link) => self.tell_client(link),
            Step::Hear(from, to) => self.hear(from, to),
            Step::Turn(seat) => self.turn(seat),
            Step::Log => self.act_on_log(),
            Step::Room => self.change_room(),
            Step::Flip => self.flip(),
            Step::Read(read) => self.read(read),
            Step::Replay(replay) => self.replay(replay),
            Step::Checkpoint => {
                self.plan.faults.checkpoints.remove(0);
                self.checkpoint();
            }
            Step::Due(seat) => self.due(seat),
            Step::Act(client) => self.act(client),
            Step::Ping(client) => self.ping(client),
            Step::Crash => {
                self.plan.faults.crashes.remove(0);
                self.fail();
            }
        }
        if self.talks.iter().all(|talk| talk.messages.is_empty())
            && self.seats.iter().all(|seat| seat.turn_at.is_none())
        {
            self.history.quiet = self.history.moment();
        }
    }

    /// How long something is underway.
    fn delay(&mut self) -> u64 {
        let most = if self.draining {
            2
        } else {
            self.plan.faults.delay
        };
        match self.rng.below(20) {
            0 => self.rng.between(0, most * 10),
            1..8 => self.rng.between(0, most),
            _ => 0,
        }
    }
}

fn link_steps(n: LinkNumber, link: &Link, is_used: bool, each: &mut impl FnMut(Step, u64)) {
    if let Place::Moving { at, .. } = link.place {
        each(Step::Arrive(n), at);
    }
    if let Place::At(..) = link.place {
        let arrival = link.up.arrival().filter(|_| !link.broken);
        if let Some(at) = arrival {
            each(Step::Up(n), at);
        } else if link.closed_by_client && !link.broken && link.up.is_empty() {
            each(Step::TellBroker(n), 0);
        }
        if let Some(at) = link.broker_told_at {
            each(Step::TellBroker(n), at);
        }
        let room = link.down.len() < link.capacity;
        if let Some(at) = link.blocked_until.filter(|_| room) {
            each(Step::Write(n), at);
        }
    }
    if is_used {
        match link.down.arrival() {
            Some(at) if !link.broken => each(Step::Down(n), at.max(link.stalled_until)),
            None if !link.broken && !link.is_open() => each(Step::TellClient(n), 0),
            _ => {}
        }
        if let Some(at) = link.client_told_at {
            each(Step::TellClient(n), at);
        }
    }
}
