//! How long a bridge waits: for the next attempt, and for a broker that says nothing.

use std::time::{Duration, Instant};

use crate::Restart;

/// The time until the next attempt to connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    restart: Restart,
    last: Duration,
}

impl Backoff {
    pub(crate) fn new(restart: Restart) -> Self {
        let last = restart.base;
        Self { restart, last }
    }

    /// An attempt has succeeded.
    pub(crate) fn succeed(&mut self) {
        self.last = self.restart.base;
    }

    /// How long to wait now: by chance, so that many bridges do not come back at once. `chance` is
    /// any number.
    pub(crate) fn next(&mut self, chance: u64) -> Duration {
        let Restart { base, cap } = self.restart;
        let upper = cap.min(self.last.saturating_mul(3));
        let spread = upper.saturating_sub(base).as_millis();
        let spread = u64::try_from(spread).unwrap_or(u64::MAX - 1);
        self.last = base + Duration::from_millis(chance % (spread + 1));
        self.last
    }
}

/// A number by chance.
pub(crate) fn chance() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness all wait the same time; nothing else depends on it.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Keep Alive: PINGREQ after silence of our own, and the end after silence of the broker.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    interval: Duration,
    sent: Instant,
    /// A PINGREQ that has found no answer.
    asked: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    PingReq,
    TimedOut,
}

impl KeepAlive {
    /// An interval of 0 turns it off.
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            sent: now,
            asked: None,
        }
    }

    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Whatever comes shows that the broker is there.
    pub(crate) fn received(&mut self) {
        self.asked = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        Some(self.asked.unwrap_or(self.sent) + self.interval)
    }

    pub(crate) fn due(&mut self, now: Instant) -> Due {
        match self.deadline() {
            Some(deadline) if deadline <= now => {}
            _ => return Due::Nothing,
        }
        if self.asked.is_some() {
            return Due::TimedOut;
        }
        self.asked = Some(now);
        Due::PingReq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_constant_time_is_constant() {
        let restart = Restart {
            base: SECOND,
            cap: SECOND,
        };
        let mut backoff = Backoff::new(restart);
        assert!((0..20).all(|chance| backoff.next(chance * 999) == SECOND));
    }

    #[test]
    fn otherwise_it_grows_up_to_the_cap_and_begins_anew() {
        let (base, cap) = (SECOND, 30 * SECOND);
        let mut backoff = Backoff::new(Restart { base, cap });
        let last: Vec<_> = (0..5).map(|_| backoff.next(u64::MAX / 2)).collect();
        assert!(last.iter().all(|it| (base..=cap).contains(it)), "{last:?}");
        backoff.succeed();
        assert!(backoff.next(u64::MAX) <= 3 * base);
    }

    #[test]
    fn silence_is_broken_and_then_not_borne() {
        let begin = Instant::now();
        let mut keep_alive = KeepAlive::new(SECOND, begin);
        assert_eq!(keep_alive.due(begin), Due::Nothing);
        assert_eq!(keep_alive.due(begin + SECOND), Due::PingReq);
        keep_alive.received();
        keep_alive.sent(begin + SECOND);
        assert_eq!(keep_alive.due(begin + 2 * SECOND), Due::PingReq);
        assert_eq!(keep_alive.due(begin + 3 * SECOND), Due::TimedOut);
        assert_eq!(KeepAlive::new(Duration::ZERO, begin).deadline(), None);
    }
}
