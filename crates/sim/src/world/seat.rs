//! A shard's place in the world: what the broker process has around each of its shards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dunlin_core::{
    Access, Action, ConnectionId, Decision, Durability, Event, Grant, Input, Policy, Record,
    Review, Shard, ShardConfig, ShardId, Terms, Timestamp,
};
use dunlin_packet::{Connect, ReasonCode};

use crate::network::LinkNumber;
use crate::plan::Plan;

/// A shard, and the names that its connections have there.
pub(super) struct Seat {
    /// The broker's own code.
    pub(super) shard: Shard,
    /// Which connection a name means.
    pub(super) links: BTreeMap<ConnectionId, LinkNumber>,
    /// When what the shard has put out is taken, if there may be something.
    pub(super) turn_at: Option<u64>,
    free: Vec<u32>,
    generations: Vec<u32>,
    wills: Arc<Mutex<Vec<String>>>,
}

/// Lets everybody in, and sees Wills being published.
#[derive(Clone, Debug)]
struct Witness(Arc<Mutex<Vec<String>>>);

impl Policy for Witness {
    fn connect(&mut self, _: ConnectionId, _: &Connect<'_>) -> Decision {
        Decision::accept(self.grant())
    }

    fn review(&mut self, _: &str, _: &Grant) -> Review {
        Review::Replace(self.grant())
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> Decision {
        Decision::refuse(ReasonCode::BadAuthenticationMethod)
    }
}

impl Witness {
    fn grant(&self) -> Grant {
        Grant {
            access: Some(Arc::new(self.clone())),
            ..Grant::default()
        }
    }
}

impl Access for Witness {
    fn allows(&self, action: Action, topic: &str) -> bool {
        if action == Action::Publish && topic.starts_with("will/") {
            self.0.lock().expect("one thread").push(topic.to_owned());
        }
        true
    }
}

impl Seat {
    /// Shard `number` of the broker, new.
    pub(super) fn new(plan: &Plan, number: usize) -> Self {
        let passing = Terms {
            durability: Durability::Memory,
            ..Terms::default()
        };
        let config = ShardConfig {
            limits: plan.limits.clone(),
            durability: plan.durability,
            terms: vec![Terms::default(), passing],
            replayable: plan.replayable.clone(),
            held_messages: plan.held_messages,
            ..ShardConfig::new(ShardId::new(number), plan.shards, plan.placement)
        };
        let wills = Arc::new(Mutex::new(Vec::new()));
        Seat {
            shard: Shard::new(config, Box::new(Witness(wills.clone()))),
            links: BTreeMap::new(),
            turn_at: None,
            free: Vec::new(),
            generations: Vec::new(),
            wills,
        }
    }

    /// Takes over what an earlier process has left.
    pub(super) fn restore(&mut self, now: u64, records: &[Record]) {
        if !records.is_empty() {
            for record in records {
                self.shard.restore(record.clone());
            }
            self.shard.restored(Timestamp::from_millis(now));
        }
    }

    /// Tells the shard something.
    pub(super) fn handle(&mut self, now: u64, input: Input<'_>) {
        self.shard.handle(Timestamp::from_millis(now), input);
    }

    /// What has happened since the last call, and the topics of Wills that were published.
    pub(super) fn take_news(&mut self) -> (Vec<Event>, Vec<String>) {
        let mut events = Vec::new();
        self.shard.take_events(&mut events);
        let wills = std::mem::take(&mut *self.wills.lock().expect("one thread"));
        (events, wills)
    }

    /// What may be written to a connection now, as far as one call takes it.
    pub(super) fn bytes_to_write(&self, id: ConnectionId) -> Vec<u8> {
        let mut slices = Vec::new();
        if let Some(output) = self.shard.output(id) {
            output.slices(&mut slices);
        }
        slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect()
    }

    /// Gives a connection a name.
    pub(super) fn name(&mut self, link: LinkNumber) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            self.generations.len() as u32 - 1
        });
        let generation = &mut self.generations[index as usize];
        *generation += 1;
        let id = ConnectionId::new(index, *generation);
        self.links.insert(id, link);
        id
    }

    /// Takes a name back.
    pub(super) fn release(&mut self, id: ConnectionId) -> Option<LinkNumber> {
        let link = self.links.remove(&id)?;
        self.free.push(id.index() as u32);
        Some(link)
    }
}
