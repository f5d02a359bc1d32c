//! Deadlines of one shard, soonest first.

use std::collections::BTreeSet;

use crate::id::SessionId;
use crate::shared::GroupId;
use crate::time::Timestamp;

/// What is due at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The connection in this place has been silent, is late, or does not close.
    Connection(u32),
    /// The Will Delay Interval of a Session has passed.
    Will(SessionId),
    /// The Session Expiry Interval has passed.
    Session(SessionId),
    /// Something that waits for a Session has expired.
    Queue(SessionId),
    /// Something that waits in a Shared Subscription has.
    Group(GroupId),
}

/// A set of deadlines. Each timer is in it at most once, and its owner knows the deadline that it
/// set; so the set is no larger than what it watches.
#[derive(Default, Debug)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    /// Moves a timer from the deadline in `current` to `deadline`, and notes that there.
    /// [`Timestamp::NEVER`] means that it does not run.
    pub(crate) fn set(&mut self, timer: Timer, current: &mut Timestamp, deadline: Timestamp) {
        if *current == deadline {
            return;
        }
        if *current != Timestamp::NEVER {
            self.0.remove(&(*current, timer));
        }
        if deadline != Timestamp::NEVER {
            self.0.insert((deadline, timer));
        }
        *current = deadline;
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|&(deadline, _)| deadline)
    }

    /// Takes out one timer whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        match self.0.first() {
            Some(&(deadline, _)) if deadline <= now => self.0.pop_first().map(|(_, timer)| timer),
            _ => None,
        }
    }
}

/// When something of a queue expires, and when that is looked through for it: not at once for each
/// message, as it may be long.
pub(crate) struct Expiry {
    /// Nothing expires before that.
    soonest: Timestamp,
    /// The deadline of its timer.
    due_at: Timestamp,
}

impl Default for Expiry {
    fn default() -> Self {
        Expiry {
            soonest: Timestamp::NEVER,
            due_at: Timestamp::NEVER,
        }
    }
}

impl Expiry {
    /// A queue is looked through once in so many seconds at most.
    const PACE: u32 = 10;

    /// Something is in the queue that expires then.
    pub(crate) fn note(&mut self, expires_at: Timestamp) {
        self.soonest = self.soonest.min(expires_at);
    }

    /// All of the queue was looked at: this is when something of it expires.
    pub(crate) fn reset(&mut self, soonest: Timestamp) {
        self.soonest = soonest;
    }

    /// Whether something may have expired.
    pub(crate) fn may_have_come(&self, now: Timestamp) -> bool {
        self.soonest <= now
    }

    /// Lets the timer of the queue run, if something expires.
    pub(crate) fn watch(&mut self, timers: &mut Timers, timer: Timer) {
        let due_at = self.soonest.round_up_to_seconds(Self::PACE);
        if due_at < self.due_at {
            timers.set(timer, &mut self.due_at, due_at);
        }
    }

    /// Stops it.
    pub(crate) fn stop(&mut self, timers: &mut Timers, timer: Timer) {
        timers.set(timer, &mut self.due_at, Timestamp::NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_was_moved_is_due_once_at_its_last_deadline() {
        let mut timers = Timers::default();
        let mut at = Timestamp::NEVER;
        timers.set(Timer::Connection(1), &mut at, Timestamp::from_millis(10));
        timers.set(Timer::Connection(1), &mut at, Timestamp::from_millis(20));
        assert_eq!(timers.pop_due(Timestamp::from_millis(19)), None);
        assert_eq!(
            timers.pop_due(Timestamp::from_millis(20)),
            Some(Timer::Connection(1))
        );
        assert_eq!(timers.next(), None);
    }
}
