//! Lines that anybody can cause, however often: not all of them are written.

use std::time::{Duration, Instant};

/// The time for which one line stands.
const INTERVAL: Duration = Duration::from_secs(10);

/// One line in an interval, for one kind of event.
#[derive(Debug, Default)]
pub(in crate::server) struct Ration {
    next: Option<Instant>,
    unsaid: u64,
}

impl Ration {
    /// An event has come. If it is to be written, says how many were not since the last one that was.
    pub(in crate::server) fn take(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.unsaid += 1;
            return None;
        }
        self.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_events_is_a_line_now_and_then() {
        let (mut ration, start) = (Ration::default(), Instant::now());
        assert_eq!(ration.take(start), Some(0));
        for _ in 0..1000 {
            assert_eq!(ration.take(start + Duration::from_secs(9)), None);
        }
        assert_eq!(ration.take(start + INTERVAL), Some(1000));
    }
}
