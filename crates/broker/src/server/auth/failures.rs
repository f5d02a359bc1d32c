//! Addresses from which wrong credentials have come: the more, the later is the answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dunlin_net::counted_as;

/// Addresses that are remembered in a generation; there are two of them. One more, and the older
/// generation is forgotten.
const GENERATION: usize = 32_768;

/// What each failure adds to the time that the next refusal takes: this part of the longest.
const STEPS: u32 = 16;

/// After so much quiet, one failure is forgotten.
const FORGIVEN: Duration = Duration::from_secs(10);

/// Failures that are not forgiven yet, from which on an address is suspect.
const SUSPECT: u32 = 3;

/// Failures by address: an IPv6 address counts as its /64, and those over a Unix socket count as one.
#[derive(Debug)]
pub(super) struct Failures {
    /// The longest that a refusal takes.
    longest: Duration,
    young: Records,
    old: Records,
}

type Records = HashMap<Option<IpAddr>, Record>;

/// What came from one address.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Failures that were not forgiven when the last came, with that.
    count: u32,
    last: Instant,
}

impl Record {
    /// Failures that are not forgiven yet.
    fn count(self, now: Instant) -> u32 {
        let quiet = now.duration_since(self.last).as_secs() / FORGIVEN.as_secs();
        let forgiven = u32::try_from(quiet).unwrap_or(u32::MAX);
        self.count.saturating_sub(forgiven)
    }
}

impl Failures {
    /// No failures yet; a refusal takes no longer than `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Failures {
            longest,
            young: Records::new(),
            old: Records::new(),
        }
    }

    /// From now on, a refusal takes no longer than this.
    pub(super) fn set_longest(&mut self, longest: Duration) {
        self.longest = longest;
    }

    /// A login has failed: how long to wait before that is told. The first is told at once, as
    /// people mistype.
    pub(super) fn failed(&mut self, address: Option<IpAddr>, now: Instant) -> Duration {
        let address = address.map(counted_as);
        let known = self.young.remove(&address);
        let known = known.or_else(|| self.old.remove(&address));
        let before = known.map_or(0, |record| record.count(now));
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let count = (before + 1).min(1000);
        self.young.insert(address, Record { count, last: now });
        (self.longest / STEPS)
            .saturating_mul(before)
            .min(self.longest)
    }

    /// Whether an address has failed more often than people do who mistype.
    pub(super) fn is_suspect(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let address = address.map(counted_as);
        let record = self.young.get(&address).or_else(|| self.old.get(&address));
        record.is_some_and(|record| record.count(now) >= SUSPECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(4);
    const STEP: Duration = Duration::from_millis(250);

    #[test]
    fn each_failure_takes_longer_and_quiet_is_rewarded() {
        let (mut failures, now) = (Failures::new(LONGEST), Instant::now());
        let (one, other) = (None, Some(IpAddr::from([10, 0, 0, 1])));
        let delays: Vec<_> = (0..20).map(|_| failures.failed(one, now)).collect();
        assert_eq!(delays[..3], [Duration::ZERO, STEP, STEP * 2]);
        assert_eq!(delays[19], LONGEST);
        assert!(failures.is_suspect(one, now) && !failures.is_suspect(other, now));
        assert_eq!(failures.failed(other, now), Duration::ZERO);
        let later = now + FORGIVEN * 20;
        assert!(!failures.is_suspect(one, later));
        assert_eq!(failures.failed(one, later), Duration::ZERO);
    }

    #[test]
    fn a_customer_with_many_addresses_is_one() {
        let (mut failures, now) = (Failures::new(LONGEST), Instant::now());
        let address = |n: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        for n in 0..4 {
            assert_eq!(failures.failed(address(n), now), STEP * u32::from(n));
        }
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten() {
        let (mut failures, now) = (Failures::new(LONGEST), Instant::now());
        for n in 0..3 * GENERATION {
            let address = std::net::Ipv4Addr::from(u32::try_from(n).unwrap());
            failures.failed(Some(address.into()), now);
        }
        assert!(failures.young.len() + failures.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn nothing_takes_longer_where_that_is_turned_off() {
        let (mut failures, now) = (Failures::new(LONGEST), Instant::now());
        failures.set_longest(Duration::ZERO);
        for _ in 0..20 {
            assert_eq!(failures.failed(None, now), Duration::ZERO);
        }
    }
}
