//! Addresses from which wrong credentials have come: the more, the later is the answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses that are remembered. At the bound those go that have been quiet, or else all.
const MAXIMUM: usize = 65_536;

/// What each failure adds to the time that the next refusal takes.
const STEP: Duration = Duration::from_millis(250);

/// The longest that a refusal takes.
const LONGEST: Duration = Duration::from_secs(4);

/// After so much quiet, one failure is forgotten.
const FORGIVEN: Duration = Duration::from_secs(10);

/// Failures by address; those over a Unix socket count as one address.
#[derive(Debug, Default)]
pub(super) struct Failures(HashMap<Option<IpAddr>, (u32, Instant)>);

impl Failures {
    /// A login has failed: how long to wait before that is told. The first is told at once, as
    /// people mistype.
    pub(super) fn failed(&mut self, address: Option<IpAddr>, now: Instant) -> Duration {
        if self.0.len() >= MAXIMUM {
            self.0
                .retain(|_, (_, last)| now.duration_since(*last) < FORGIVEN);
        }
        if self.0.len() >= MAXIMUM {
            self.0.clear();
        }
        let (count, last) = self.0.entry(address).or_insert((0, now));
        let quiet = now.duration_since(*last).as_secs() / FORGIVEN.as_secs();
        *count = count.saturating_sub(quiet.try_into().unwrap_or(u32::MAX));
        *last = now;
        let delay = STEP.saturating_mul(*count).min(LONGEST);
        *count = (*count + 1).min(1000);
        delay
    }

    /// Whether failures of this address are remembered.
    pub(super) fn has_failed(&self, address: Option<IpAddr>) -> bool {
        self.0.get(&address).is_some_and(|(count, _)| *count > 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_takes_longer_and_quiet_is_rewarded() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let (one, other) = (None, Some(IpAddr::from([10, 0, 0, 1])));
        let delays: Vec<_> = (0..20).map(|_| failures.failed(one, now)).collect();
        assert_eq!(delays[..3], [Duration::ZERO, STEP, STEP * 2]);
        assert_eq!(delays[19], LONGEST);
        assert!(failures.has_failed(one) && !failures.has_failed(other));
        assert_eq!(failures.failed(other, now), Duration::ZERO);
        let later = now + FORGIVEN * 20;
        assert_eq!(failures.failed(one, later), Duration::ZERO);
    }
}
