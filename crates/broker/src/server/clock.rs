//! The one clock of the process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dunlin_core::Timestamp;

/// Milliseconds since 1970 by the wall clock at start, and monotonic from then on.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
    offset: u64,
}

impl Clock {
    /// Starts at the time that it is, or at `at_least`, in milliseconds since 1970, if that is later:
    /// what was recorded is never in the future.
    pub(super) fn start(at_least: u64) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            start: Instant::now(),
            offset: at_least.max(since_1970.as_millis() as u64),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.offset + self.start.elapsed().as_millis() as u64)
    }
}
