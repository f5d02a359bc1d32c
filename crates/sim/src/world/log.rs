//! The one log that all shards append to: what is stable outlives a crash, and of the rest as much
//! as chance has written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dunlin_core::{LogId, Message, MessageId, Record};

use crate::rng::Rng;

/// Records in the order of the log, and how far they are stable.
#[derive(Default)]
pub(super) struct Log {
    /// Those that have not become free, and how many came before them.
    records: Vec<Record>,
    freed: usize,
    /// Messages of the records that have become free, for as long as somebody needs them.
    kept: BTreeMap<MessageId, Message>,
    /// What was appended together and is not stable: by which shard, how many records that makes of
    /// this shard since it started, and where it ends.
    batches: VecDeque<(usize, u64, usize)>,
    stable: usize,
    checkpoint: Option<Checkpoint>,
    /// When the next of them are stable.
    pub(super) commit_at: Option<u64>,
}

/// All shards are telling anew what is recorded of them.
struct Checkpoint {
    /// Where it began: what was before will be free.
    boundary: usize,
    /// Shards that have not finished.
    open: BTreeSet<usize>,
    /// The messages that somebody still needs.
    live: BTreeSet<MessageId>,
}

impl Log {
    /// A shard appends what it has put out in a turn.
    pub(super) fn append(&mut self, seat: usize, records: &mut Vec<Record>, count: u64) {
        if records.is_empty() {
            return;
        }
        if let Some(checkpoint) = &mut self.checkpoint {
            let live = records.iter().filter_map(Record::refers_to);
            checkpoint.live.extend(live);
        }
        self.records.append(records);
        self.batches.push_back((seat, count, self.end()));
    }

    fn end(&self) -> usize {
        self.freed + self.records.len()
    }

    /// Some of what was appended becomes stable: by shard, how many of its records are.
    pub(super) fn commit(&mut self, rng: &mut Rng) -> Vec<(usize, u64)> {
        let count = match self.batches.len() {
            0 => 0,
            most => 1 + rng.below(most),
        };
        let batches = self.batches.drain(..count);
        let committed: Vec<_> = batches
            .map(|(seat, count, end)| {
                self.stable = end;
                (seat, count)
            })
            .collect();
        self.free();
        committed
    }

    /// Whether anything is not stable.
    pub(super) fn is_pending(&self) -> bool {
        !self.batches.is_empty()
    }

    /// The process dies. Of what is not stable some may be written; what a shard has appended in one
    /// turn is so as a whole or not at all.
    pub(super) fn tear(&mut self, rng: &mut Rng) {
        let written = rng.below(self.batches.len() + 1);
        let last = self.batches.iter().take(written).next_back();
        self.stable = last.map_or(self.stable, |(_, _, end)| *end);
        self.records.truncate(self.stable - self.freed);
        self.batches.clear();
        self.checkpoint = None;
        self.commit_at = None;
    }

    /// All that is left.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Reads messages back.
    pub(super) fn read(&self, ids: &[MessageId]) -> Vec<(MessageId, Option<Message>)> {
        let message = |id: MessageId| {
            let records = self.records.iter().rev();
            let mut messages = records.filter_map(|record| match record {
                Record::Message { message, .. }
                | Record::Retained { message, .. }
                | Record::StillRetained { message } => Some(message),
                _ => None,
            });
            let written = messages.find(|message| message.id() == id);
            written.or_else(|| self.kept.get(&id)).cloned()
        };
        ids.iter().map(|&id| (id, message(id))).collect()
    }

    // ---------------------------------------------------------------------- checkpoints

    /// A checkpoint begins, if none is underway. True: all shards are to be told.
    pub(super) fn begin_checkpoint(&mut self, shards: usize) -> bool {
        if self.checkpoint.is_some() {
            return false;
        }
        self.checkpoint = Some(Checkpoint {
            boundary: self.end(),
            open: (0..shards).collect(),
            live: BTreeSet::new(),
        });
        true
    }

    /// A shard has told all that is recorded of it.
    pub(super) fn finish_checkpoint(&mut self, seat: usize) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.open.remove(&seat);
        }
        self.free();
    }

    /// What was before a checkpoint is free once all shards have finished, and all they said is
    /// stable.
    fn free(&mut self) {
        let is_over =
            |checkpoint: &mut Checkpoint| checkpoint.open.is_empty() && self.batches.is_empty();
        let Some(Checkpoint { boundary, live, .. }) = self.checkpoint.take_if(is_over) else {
            return;
        };
        let freed = self.records.drain(..boundary - self.freed);
        for record in freed {
            if let Record::Message { message, .. }
            | Record::Retained { message, .. }
            | Record::StillRetained { message } = record
                && message.id().is_some()
            {
                self.kept.insert(message.id(), message);
            }
        }
        self.freed = boundary;
        self.kept.retain(|id, _| live.contains(id));
    }

    /// The Session Expiry Interval that is recorded of a Client.
    pub(super) fn expiry_of(&self, client: &str) -> Option<u32> {
        let mut last: Option<(LogId, u32)> = None;
        for record in &self.records {
            match record {
                Record::Session {
                    session,
                    client_id,
                    expiry_interval,
                    ..
                } if **client_id == *client => last = Some((*session, *expiry_interval)),
                Record::Attached {
                    session,
                    expiry_interval,
                    ..
                } => {
                    if let Some((_, expiry)) = last.as_mut().filter(|(of, _)| of == session) {
                        *expiry = *expiry_interval;
                    }
                }
                _ => {}
            }
        }
        last.map(|(_, expiry)| expiry)
    }
}
