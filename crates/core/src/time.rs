//! Points in time, as the driver of a shard tells them. Core reads no clock.

use std::time::Duration;

/// A point in time in milliseconds since an epoch that the driver chooses.
///
/// It never runs backwards within a shard: the shard keeps the latest one it was told. What was
/// recorded has times in it, so where there is a log the epoch is the same in every process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than everything: a deadline that never comes.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// The point `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This point plus `duration`, at most [`Timestamp::NEVER`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// This point plus a number of seconds, the unit of all intervals of MQTT.
    #[must_use]
    pub fn after_seconds(self, seconds: u32) -> Self {
        Timestamp(self.0.saturating_add(u64::from(seconds) * 1000))
    }

    /// The first multiple of so many seconds since the epoch that is not before this point.
    #[must_use]
    pub fn round_up_to_seconds(self, seconds: u32) -> Self {
        let unit = u64::from(seconds) * 1000;
        match self.0.checked_next_multiple_of(unit) {
            Some(millis) => Timestamp(millis),
            None => Timestamp::NEVER,
        }
    }

    /// This point minus a number of seconds; the epoch at the earliest.
    #[must_use]
    pub fn before_seconds(self, seconds: u32) -> Self {
        Timestamp(self.0.saturating_sub(u64::from(seconds) * 1000))
    }

    /// Whole seconds from this point until `later`, rounded up; 0 when `later` has passed.
    pub fn seconds_until(self, later: Timestamp) -> u32 {
        u32::try_from(later.0.saturating_sub(self.0).div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// The time from this point until `later`; zero when `later` has passed.
    pub fn until(self, later: Timestamp) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// A point in time in four bytes, for what there may be many of: in seconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(u32);

impl From<Timestamp> for Seconds {
    fn from(point: Timestamp) -> Self {
        Seconds(u32::try_from(point.0.div_ceil(1000)).unwrap_or(u32::MAX))
    }
}

impl From<Seconds> for Timestamp {
    fn from(seconds: Seconds) -> Self {
        match seconds.0 {
            u32::MAX => Timestamp::NEVER,
            seconds => Timestamp(u64::from(seconds) * 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_hold_what_is_not_earlier_and_never() {
        for (point, expected) in [(1_000, 1_000), (1_001, 2_000), (u64::MAX, u64::MAX)] {
            let seconds = Seconds::from(Timestamp(point));
            assert_eq!(Timestamp::from(seconds), Timestamp(expected));
        }
    }

    #[test]
    fn seconds_are_rounded_up_and_never_negative() {
        let t = Timestamp::from_millis(1_500);
        assert_eq!(t.seconds_until(Timestamp::from_millis(1_501)), 1);
        assert_eq!(t.seconds_until(Timestamp::from_millis(3_500)), 2);
        assert_eq!(t.seconds_until(Timestamp::from_millis(0)), 0);
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(Timestamp::NEVER.after_seconds(1), Timestamp::NEVER);
    }
}
