//! The one log that all shards append to: what is stable outlives a crash, and of the rest as much
//! as chance has written.

use std::collections::VecDeque;

use dunlin_core::Record;

use crate::rng::Rng;

/// Records in the order of the log, and how far they are stable.
#[derive(Default)]
pub(super) struct Log {
    records: Vec<Record>,
    /// What was appended together and is not stable: by which shard, how many records that makes of
    /// this shard since it started, and where it ends.
    batches: VecDeque<(usize, u64, usize)>,
    stable: usize,
    /// When the next of them are stable.
    pub(super) commit_at: Option<u64>,
}

impl Log {
    /// A shard appends what it has put out in a turn.
    pub(super) fn append(&mut self, seat: usize, records: &mut Vec<Record>, count: u64) {
        if !records.is_empty() {
            self.records.append(records);
            self.batches.push_back((seat, count, self.records.len()));
        }
    }

    /// Some of what was appended becomes stable: by shard, how many of its records are.
    pub(super) fn commit(&mut self, rng: &mut Rng) -> Vec<(usize, u64)> {
        let count = match self.batches.len() {
            0 => 0,
            most => 1 + rng.below(most),
        };
        let batches = self.batches.drain(..count);
        let committed = batches.map(|(seat, count, end)| {
            self.stable = end;
            (seat, count)
        });
        committed.collect()
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
        self.records.truncate(self.stable);
        self.batches.clear();
        self.commit_at = None;
    }

    /// All that is left.
    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The Session Expiry Interval that is recorded of a Client.
    pub(super) fn expiry_of(&self, client: &str) -> Option<u32> {
        self.records.iter().rev().find_map(|record| match record {
            Record::Session {
                client_id,
                expiry_interval,
            } if **client_id == *client => Some(*expiry_interval),
            _ => None,
        })
    }
}
