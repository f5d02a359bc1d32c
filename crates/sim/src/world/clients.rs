//! The Clients' side of the world: their connections, and what they do with them.

use super::World;
use crate::client::{Client, Deed, Desk, Phase, Verdict};
use crate::network::{Link, LinkNumber};
use crate::plan::{ClientPlan, LASTING, Role};

impl World {
    /// A further Client; gives its place.
    pub fn add_client(&mut self, plan: ClientPlan) -> usize {
        let index = self.clients.len();
        let acts_at = self.now + self.rng.between(0, 200);
        self.clients.push(Client::new(index, plan, acts_at));
        index
    }

    /// Lets a Client do something with its connection, and sends what it says.
    pub(super) fn with_desk<T>(
        &mut self,
        client: usize,
        link: LinkNumber,
        act: impl FnOnce(&mut Client, &mut Desk<'_>) -> T,
    ) -> T {
        let mut desk = Desk {
            now: self.now,
            rng: &mut self.rng,
            history: &mut self.history,
            trace: &mut self.trace,
            out: Vec::new(),
            link,
            session: self.links.get(link).and_then(|link| link.session),
            in_flight: self.plan.limits.in_flight,
        };
        let result = act(&mut self.clients[client], &mut desk);
        let out = desk.out;
        if !out.is_empty() {
            let arrival = self.now + self.delay();
            if let Some(link) = self.links.get_mut(link).filter(|link| !link.broken) {
                link.up.push(&out, arrival);
            }
        }
        result
    }

    pub(super) fn act(&mut self, number: usize) {
        let pace = if self.draining {
            500
        } else {
            self.clients[number].plan.pace
        };
        self.clients[number].acts_at = self.now + self.rng.between(1, pace * 2);
        let link = self.clients[number].link.unwrap_or(usize::MAX);
        let faults = self.plan.faults.clone();
        let retainer = self.plan.one_retainer.then_some(self.plan.clients.len());
        let deed = self.with_desk(number, link, |client, desk| {
            client.act(desk, &faults, retainer)
        });
        match deed {
            Deed::Nothing => {}
            Deed::Connect => self.connect(number),
            Deed::Disconnect(expiry) => {
                self.links[link].disconnect_expiry = expiry;
                self.close_by_client(number, link);
            }
            Deed::Break => self.break_link(link),
            Deed::Stall => {
                let until = self.now + self.rng.between(100, 5000);
                self.trace.log(
                    self.now,
                    format_args!("link {link} is not read until {until}"),
                );
                self.links[link].stalled_until = until;
            }
        }
    }

    /// Opens a connection at a random shard. One that the Client has is left to itself.
    pub fn connect(&mut self, number: usize) {
        let World {
            clients,
            rng,
            history,
            ..
        } = self;
        let client = &mut clients[number];
        let hello = client.greet(self.now, rng, history);
        client.lost();
        let link = self.links.len();
        client.link = Some(link);
        let to = self.rng.below(self.plan.shards);
        let at = self.now + self.delay();
        let capacity = self.rng.pick(&[64, 1000, 100_000]);
        self.links
            .push(Link::new(number, hello.clone(), to, at, capacity));
        self.with_desk(number, link, |client, desk| client.connect(desk, hello));
    }

    fn close_by_client(&mut self, number: usize, link: LinkNumber) {
        self.links[link].closed_by_client = true;
        self.clients[number].lost();
    }

    /// A connection breaks: what is underway is lost, and each side learns of it or not.
    fn break_link(&mut self, link: LinkNumber) {
        self.trace.log(self.now, format_args!("link {link} breaks"));
        let broker = (!self.rng.percent(20)).then(|| self.now + self.delay() * 3);
        let client_told_at = self.now + self.delay() * 3;
        let broken = &mut self.links[link];
        broken.broken = true;
        broken.up.cut();
        broken.down.cut();
        broken.broker_told_at = broker;
        broken.client_told_at = Some(client_told_at);
    }

    pub(super) fn tell_client(&mut self, link: LinkNumber) {
        self.links[link].client_told_at = None;
        let number = self.links[link].client;
        if self.clients[number].link == Some(link) {
            let name = &self.clients[number].name;
            self.trace
                .log(self.now, format_args!("{name}: link {link} lost"));
            self.clients[number].lost();
            self.links[link].closed_by_client = true;
        }
    }

    pub(super) fn down(&mut self, link: LinkNumber) {
        let later = self.now + self.delay();
        let number = self.links[link].client;
        let bytes = self.links[link].down.take(&mut self.rng, later);
        let verdict = self.with_desk(number, link, |client, desk| client.receive(desk, &bytes));
        if verdict == Verdict::Close {
            self.close_by_client(number, link);
        }
    }

    pub(super) fn ping(&mut self, number: usize) {
        if let Some(link) = self.clients[number].link {
            self.with_desk(number, link, |client, desk| client.ping(desk));
        }
    }

    // ---------------------------------------------------------------------------- the end

    /// No more faults, and no Client begins anything new.
    pub(super) fn drain(&mut self) {
        self.trace.log(self.now, format_args!("DRAIN"));
        self.draining = true;
        self.plan.faults.crashes.clear();
        self.plan.faults.checkpoints.clear();
        self.plan.faults.full.clear();
        self.plan.faults.flips.clear();
        self.disk_full_until = None;
        self.log.heal();
        self.expect_log();
        for link in &mut self.links {
            link.stalled_until = 0;
            link.capacity = link.capacity.max(1000);
        }
        for number in 0..self.clients.len() {
            let link = self.clients[number].link.unwrap_or(usize::MAX);
            self.with_desk(number, link, |client, desk| client.drain(desk));
        }
    }

    /// A new Client subscribes to everything, to see what is retained.
    pub(super) fn probe(&mut self) {
        let plan = ClientPlan {
            role: Role::Probe,
            version: dunlin_packet::ProtocolVersion::V5,
            listener: LASTING,
            clean_percent: 100,
            session_expiry: 0,
            keep_alive: 0,
            receive_maximum: None,
            topic_alias_maximum: 0,
            maximum_packet_size: None,
            will_percent: 0,
            pace: 100,
            shared: Vec::new(),
            shared_qos: 0,
        };
        let number = self.add_client(plan);
        self.clients[number].draining = true;
        self.settle();
        let Some(link) = self.clients[number].link else {
            return;
        };
        let options = dunlin_packet::SubscriptionOptions::new(dunlin_packet::QoS::ExactlyOnce);
        self.with_desk(number, link, |client, desk| {
            if let Some(session) = desk.session {
                client.send_subscribe(desk, session, &[("#", options)], None);
            }
        });
        self.settle();
    }

    /// Whether all Clients that can be connected are.
    pub(super) fn everybody_is_there(&self) -> bool {
        let there = |client: &Client| {
            client.phase == Phase::Online
                && client.link.is_some_and(|link| !self.links[link].broken)
        };
        self.plan.tiny || self.clients.iter().all(there)
    }
}
