//! A server that does not answer is left alone for a while.

use std::time::{Duration, Instant};

/// Failures in a row that are enough.
const FAILURES: u32 = 5;

/// How long it is not asked then.
const PAUSE: Duration = Duration::from_secs(10);

/// Whether to ask.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// While there are too many failures: when to try again.
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Whether the server may be asked. After a pause, only the first is told so.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        match self.closed_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.closed_until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// It has answered, or not.
    pub(super) fn answered(&mut self, well: bool, now: Instant) {
        if well {
            *self = Breaker::default();
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES {
            self.closed_until = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_failures_there_is_a_pause_and_then_one_try() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.may_ask(start));
            breaker.answered(false, start);
        }
        assert!(!breaker.may_ask(start));
        let later = start + PAUSE;
        assert!(breaker.may_ask(later));
        assert!(!breaker.may_ask(later), "one is enough");
        breaker.answered(true, later);
        assert!(breaker.may_ask(later) && breaker.may_ask(later));
    }
}
