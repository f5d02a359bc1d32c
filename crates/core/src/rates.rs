//! How fast a Client sends, and until when it is held back.

use std::time::Duration;

use dunlin_packet::PacketType;

use crate::fault::Ending;
use crate::limits::Limits;
use crate::time::Timestamp;

/// What rates are counted over; also what may come at once after some quiet. In nanoseconds.
const SECOND: u64 = 1_000_000_000;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// How long a Client is held back at least: each time, what has come of it already is copied.
const LEAST_HOLD: Duration = Duration::from_millis(50);

/// What one Client has sent lately. Kept for a connection from the first packet after CONNECT on, while
/// there are bounds.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    messages: Meter,
    bytes: Meter,
    /// Nothing is handled before.
    held_until: Option<Timestamp>,
    /// Since when it has been at a bound without letting up: it lets up when half of what may come at
    /// once has been left.
    pressing_since: Option<Timestamp>,
}

/// A packet waits, together with all that comes after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) until: Timestamp,
    /// Whether its Client was not pressing before.
    pub(crate) is_first: bool,
}

impl Rates {
    /// Counts a packet if it may be handled now. `Err`: its Client has been too fast for too long.
    pub(crate) fn charge(
        &mut self,
        limits: &Limits,
        packet_type: PacketType,
        length: usize,
        now: Timestamp,
    ) -> Result<Option<Hold>, Ending> {
        let is_message = packet_type == PacketType::Publish;
        let message_rate = limits.message_rate.filter(|_| is_message);
        let byte_rate = limits.byte_rate;
        if self.messages.is_half_full(now) && self.bytes.is_half_full(now) {
            self.pressing_since = None;
        }
        if message_rate.is_some() && self.messages.is_used_up(now) {
            let until = self.messages.open_at();
            return self.hold(limits, until, now, Ending::MessageRateTooHigh);
        }
        if byte_rate.is_some() && self.bytes.is_used_up(now) {
            let until = self.bytes.open_at();
            return self.hold(limits, until, now, Ending::ByteRateTooHigh);
        }
        if let Some(rate) = message_rate {
            self.messages.take(1, rate, now);
        }
        if let Some(rate) = byte_rate {
            self.bytes.take(length, rate, now);
        }
        Ok(None)
    }

    fn hold(
        &mut self,
        limits: &Limits,
        until: Timestamp,
        now: Timestamp,
        ending: Ending,
    ) -> Result<Option<Hold>, Ending> {
        let is_first = self.pressing_since.is_none();
        let since = *self.pressing_since.get_or_insert(now);
        let patience = limits.rate_patience;
        if patience < u32::MAX && since.after_seconds(patience) <= now {
            return Err(ending);
        }
        let until = until.max(now.after(LEAST_HOLD));
        self.held_until = Some(until);
        Ok(Some(Hold { until, is_first }))
    }

    /// Until when nothing of its Client is handled.
    pub(crate) fn held_until(&self) -> Option<Timestamp> {
        self.held_until
    }

    /// The time has come.
    pub(crate) fn release(&mut self) {
        self.held_until = None;
    }
}

/// Counts something that may come so often in a second. It says when all that has come would have been
/// due, one after the other, in nanoseconds; up to a second ahead of that may be used.
#[derive(Debug, Default)]
struct Meter {
    due: u64,
}

impl Meter {
    fn is_used_up(&self, now: Timestamp) -> bool {
        self.due >= nanos(now).saturating_add(SECOND)
    }

    fn is_half_full(&self, now: Timestamp) -> bool {
        self.due <= nanos(now).saturating_add(SECOND / 2)
    }

    /// What is larger than all that is left is taken on credit.
    fn take(&mut self, count: usize, rate: u32, now: Timestamp) {
        let cost = (count as u64).saturating_mul(SECOND) / u64::from(rate.max(1));
        self.due = self.due.max(nanos(now)).saturating_add(cost);
    }

    /// The first time at which it is not used up.
    fn open_at(&self) -> Timestamp {
        Timestamp::from_millis(self.due.saturating_sub(SECOND) / NANOS_PER_MILLI + 1)
    }
}

fn nanos(time: Timestamp) -> u64 {
    time.as_millis().saturating_mul(NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(message_rate: Option<u32>, byte_rate: Option<u32>) -> Limits {
        Limits {
            message_rate,
            byte_rate,
            rate_patience: 10,
            ..Limits::default()
        }
    }

    /// How many packets of a Client that always has more are handled within some milliseconds.
    fn handled(limits: &Limits, length: usize, millis: u64) -> u64 {
        let mut rates = Rates::default();
        let (mut now, mut count) = (Timestamp::from_millis(0), 0);
        let end = Timestamp::from_millis(millis);
        while now < end {
            match rates.charge(limits, PacketType::Publish, length, now) {
                Ok(None) => count += 1,
                Ok(Some(hold)) => {
                    assert!(hold.until > now);
                    now = hold.until;
                }
                Err(ending) => panic!("{ending} after {count}"),
            }
        }
        count
    }

    #[test]
    fn a_rate_is_kept_to_whatever_it_is() {
        for rate in [1, 7, 100, 1000, 30_000, 1_000_000] {
            let count = handled(&limits(Some(rate), None), 10, 9_000);
            let rate = u64::from(rate);
            let wanted = 9 * rate..=10 * rate + 1;
            assert!(wanted.contains(&count), "{count} at a rate of {rate}");
        }
    }

    #[test]
    fn a_packet_larger_than_the_rate_is_taken_on_credit() {
        let count = handled(&limits(None, Some(1000)), 2500, 9_000);
        assert!((3..=5).contains(&count), "{count}");
    }

    #[test]
    fn who_does_not_let_up_is_disconnected_and_who_does_is_not() {
        let limits = limits(Some(2), None);
        let press = |pause: u64| {
            let mut rates = Rates::default();
            let mut now = Timestamp::from_millis(0);
            while now < Timestamp::from_millis(60_000) {
                match rates.charge(&limits, PacketType::Publish, 10, now) {
                    Ok(None) => {}
                    Ok(Some(hold)) => now = hold.until.after(Duration::from_millis(pause)),
                    Err(ending) => return Some((ending, now.as_millis())),
                }
            }
            None
        };
        let (ending, after) = press(0).expect("it is disconnected");
        assert_eq!(ending, Ending::MessageRateTooHigh);
        assert!((10_000..11_000).contains(&after), "after {after} ms");
        assert_eq!(press(1000), None);
    }

    #[test]
    fn other_packets_are_no_messages() {
        let mut rates = Rates::default();
        let now = Timestamp::from_millis(5);
        for _ in 0..100 {
            let pace = rates.charge(&limits(Some(1), None), PacketType::PingReq, 2, now);
            assert_eq!(pace, Ok(None));
        }
        let slow = limits(None, Some(100));
        let paces = (0..100).map(|_| rates.charge(&slow, PacketType::PingReq, 2, now));
        let held = paces.filter(|pace| matches!(pace, Ok(Some(_)))).count();
        assert_eq!(held, 50);
    }
}
