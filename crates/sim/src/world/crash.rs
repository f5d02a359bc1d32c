//! The broker's process starts, dies, and starts again with what is in the log.

use dunlin_core::{Durability, Input, Record, ShardId, Told};

use super::seat::Seat;
use super::{Talk, World};
use crate::client::Phase;
use crate::network::Place;
use crate::plan::PASSING;

impl World {
    /// Starts all shards from the log, and lets them talk until they are silent.
    pub(super) fn start_broker(&mut self) {
        let shards = self.plan.shards;
        self.seats = (0..shards).map(|n| Seat::new(&self.plan, n)).collect();
        self.talks = (0..shards * shards).map(|_| Talk::default()).collect();
        if self.plan.durability == Durability::Log
            && let Err(what) = self.log.open(&mut self.rng)
        {
            self.history.violation("log", format!("the log {what}"));
        }
        for seat in &mut self.seats {
            seat.restore(self.now, self.log.records());
        }
        while (0..shards).any(|n| self.talk(n)) {}
    }

    /// Passes on at once what a shard has to say. True: there was something.
    fn talk(&mut self, from: usize) -> bool {
        let mut records = Vec::new();
        let count = self.seats[from].shard.take_records(&mut records);
        self.log.append(from, &mut records, count);
        let mut spoke = false;
        for to in 0..self.plan.shards {
            let mut messages = Vec::new();
            let shard = &mut self.seats[from].shard;
            shard.take_peer_messages(ShardId::new(to), &mut messages);
            if !messages.is_empty() {
                spoke = true;
                let (from, messages) = (ShardId::new(from), &mut messages);
                self.seats[to].handle(self.now, Input::Peer { from, messages });
            }
        }
        spoke
    }

    /// The process dies, or the power fails: now, or when the disk is in the middle of something. Or
    /// the disk fails, which ends the process too.
    pub(super) fn fail(&mut self) {
        match self.rng.below(10) {
            _ if self.plan.durability == Durability::Memory => self.crash(),
            0..5 => self.crash(),
            5..9 => self.log.fail_soon(&mut self.rng),
            _ => self.log.fail_to_sync(),
        }
    }

    /// The process dies between two steps and starts again, perhaps with another number of shards.
    /// What is not in the log is lost.
    pub fn crash(&mut self) {
        for seat in &self.seats {
            self.dropped += seat.shard.counters().dropped.iter().sum::<u64>();
        }
        let moment = self.history.moment();
        for n in 0..self.links.len() {
            let told_at = self.now + self.delay();
            let link = &mut self.links[n];
            if link.is_open() {
                link.place = Place::Closed;
                link.broken = true;
                link.client_told_at = Some(told_at);
                self.history.ends.entry(n).or_insert(moment);
            }
        }
        self.log.crash(&mut self.rng);
        self.disk_full_until = self.disk_full_until.map(|_| self.now);
        self.reads.clear();
        self.replays.clear();
        if self.rng.percent(30) {
            self.plan.shards = self.rng.between(1, 4) as usize;
        }
        self.start_broker();
        let records = self.log.records().len();
        self.trace.log(
            self.now,
            format_args!("CRASH: {records} records, {} shards", self.plan.shards),
        );
        self.recognise();
    }

    /// Sees which Sessions have outlived the crash: all durable ones that their Client knows of. One
    /// whose end was not stable is there again.
    fn recognise(&mut self) {
        let World {
            clients,
            seats,
            log,
            live,
            history,
            now,
            plan,
            unnamed,
            named,
            ..
        } = self;
        unnamed.clear();
        let is_there = |name: &str| {
            let mut sessions = seats.iter().flat_map(|seat| seat.shard.sessions());
            sessions.any(|(client_id, _)| client_id == name)
        };
        let is_passing = |client: usize| clients[client].plan.listener == PASSING;
        history.crash(is_passing);
        for client in clients.iter() {
            let restored = log
                .session_of(&client.name)
                .filter(|_| is_there(&client.name));
            let expiry = restored.map(|(_, expiry)| expiry);
            let session = history.session_of(client.index);
            let known = session.filter(|session| client.knows() == Some(*session));
            let link = client.link.filter(|_| client.phase == Phase::Online);
            let is_lost = live.sessions.crash(*now, client.index, expiry, history);
            live.wills.crash(*now, client.index, expiry, link);
            let is_promised = plan.durability == Durability::Log && !is_passing(client.index);
            if is_lost && known.is_some() && is_promised {
                let what = format!("the durable Session of {} is lost", client.name);
                history.violation("sessions", what);
            }
            let restored = restored.and_then(|(name, _)| named.get(&name).copied());
            if session != restored {
                history.end_session(client.index);
                restored.inspect(|number| history.revive(*number));
            }
        }
    }

    /// Notes what the Sessions that have begun are called in the log.
    pub(super) fn name_sessions(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Session {
                session,
                client_id,
                told: Told::First,
                ..
            } = record
                && let Some(client) = self.clients.iter().find(|it| it.name == **client_id)
                && let Some(new) = self.unnamed.get_mut(&client.index)
                && let Some(number) = new.pop_front()
            {
                self.named.insert(*session, number);
            }
        }
    }
}
