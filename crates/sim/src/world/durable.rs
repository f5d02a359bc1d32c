//! What the threads of the log do, in the broker's process.

use dunlin_core::{Input, LogRoom};

use super::World;
use super::log::Failed;

/// Milliseconds after which something is tried again for which there was no room.
const RETRY: u64 = 200;

impl World {
    /// Something is done with the log after a while, if there is anything to do.
    pub(super) fn expect_log(&mut self) {
        if self.log.is_pending() && self.log.acts_at.is_none() {
            let late = match self.log.is_full() {
                true => RETRY,
                false => self.delay(),
            };
            self.log.acts_at = Some(self.now + late);
        }
    }

    pub(super) fn act_on_log(&mut self) {
        self.log.acts_at = None;
        match self.log.act(self.now, &mut self.rng) {
            Ok(stable) => {
                for (seat, records) in stable {
                    self.tell(seat, Input::Committed { records });
                }
                self.look_for_room();
                self.wake_replays();
            }
            Err(Failed) => self.crash(),
        }
        self.expect_log();
    }

    /// Tells shards when there is no room any more, and when there is some again. A checkpoint may
    /// make some.
    fn look_for_room(&mut self) {
        match self.log.room() {
            Ok(None) => {}
            Ok(Some(room)) => {
                self.trace.log(self.now, format_args!("LOG: {room:?}"));
                self.history.log_is_full = room == LogRoom::Full;
                self.history.log_was_full |= self.history.log_is_full;
                for seat in 0..self.seats.len() {
                    self.tell(seat, Input::Room(room));
                }
                if room == LogRoom::Full {
                    self.checkpoint();
                }
            }
            Err(Failed) => self.crash(),
        }
    }

    /// All shards tell anew what is recorded of them.
    pub(super) fn checkpoint(&mut self) {
        match self.log.begin_checkpoint(self.plan.shards) {
            Ok(false) => {}
            Ok(true) => {
                self.trace.log(self.now, format_args!("CHECKPOINT"));
                for seat in 0..self.plan.shards {
                    self.tell(seat, Input::Checkpoint);
                }
            }
            Err(Failed) => self.crash(),
        }
    }

    /// A bit on the disk flips.
    pub(super) fn flip(&mut self) {
        self.plan.faults.flips.remove(0);
        if let Some(place) = self.log.flip(&mut self.rng) {
            self.trace
                .log(self.now, format_args!("DISK: a bit of {place} flips"));
        }
    }

    /// The disk becomes full, for a while.
    pub(super) fn change_room(&mut self) {
        if self.disk_full_until.take().is_some() {
            self.trace.log(self.now, format_args!("DISK: has room"));
            self.log.unfill();
        } else {
            self.plan.faults.full.remove(0);
            let room = self.rng.below(40_000);
            self.trace
                .log(self.now, format_args!("DISK: {room} bytes are left"));
            self.log.fill(room);
            self.disk_full_until = Some(self.now + self.rng.between(100, 5_000));
        }
        self.expect_log();
    }
}
