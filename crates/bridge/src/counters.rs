//! What has passed a bridge.

use std::sync::atomic::{AtomicU64, Ordering};

/// One of the things that a bridge counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Connections that the other broker has accepted.
    Connected,
    /// Messages passed to the other broker.
    Sent,
    /// Messages passed to this broker.
    Received,
    /// Messages that one of the brokers has refused.
    Refused,
    /// Messages that could not be passed on, as they do not fit what the other side takes.
    Dropped,
}

/// Counters of one bridge since its start.
#[derive(Debug, Default)]
pub struct BridgeCounters([AtomicU64; 5]);

impl BridgeCounters {
    /// How often it has happened.
    pub fn get(&self, what: Counted) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, what: Counted) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }
}
