//! The limits of a reactor, and what it counts.

use std::time::Duration;

/// The limits of one reactor. [`Default`] gives the values named at each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactorConfig {
    /// Bytes of the one buffer that all reads of the reactor share; also the most that one
    /// connection is read in one turn. Raised to 1 if 0. Default 128 KiB.
    pub scratch_bytes: usize,
    /// Events taken from the kernel per turn; the others wait for the next turn. Default 1024.
    pub events_per_turn: usize,
    /// Connections accepted per listener and turn. Default 128.
    pub accepts_per_turn: usize,
    /// Open connections of this reactor; one more is accepted and closed at once. Default 100,000.
    pub maximum_connections: usize,
    /// How long a connection that was closed here is kept for the peer's sake.
    pub linger: LingerConfig,
}

impl Default for ReactorConfig {
    fn default() -> Self {
        Self {
            scratch_bytes: 128 * 1024,
            events_per_turn: 1024,
            accepts_per_turn: 128,
            maximum_connections: 100_000,
            linger: LingerConfig::default(),
        }
    }
}

/// Bounds of lingering: see [`Reactor::close`](crate::Reactor::close).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LingerConfig {
    /// How long the peer has to answer our FIN with its own. Default 2 s.
    pub time: Duration,
    /// Bytes read and thrown away per connection; what comes after them stays in the kernel, which
    /// stops the peer, until the time is over. Default 1 MiB.
    pub bytes: u32,
    /// Connections that linger at the same time; one more ends the oldest. Default 1024; 0 turns
    /// lingering off.
    pub count: usize,
}

impl Default for LingerConfig {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            bytes: 1024 * 1024,
            count: 1024,
        }
    }
}

/// What a reactor did since it was made, and (`open`, `lingering`) what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReactorCounters {
    /// Connections accepted and kept.
    pub accepted: u64,
    /// Connections accepted and closed at once, because of the maximum or a socket that failed.
    pub refused: u64,
    /// Times that accepting stopped for want of file descriptors or kernel memory.
    pub accept_failures: u64,
    /// Connections taken over from another reactor.
    pub attached: u64,
    /// Connections given to another reactor.
    pub detached: u64,
    /// Connections that the peer or a failure ended: calls of `Handler::closed`.
    pub closed_by_peer: u64,
    /// Connections that the caller ended, by `close` or `abort`.
    pub closed_by_us: u64,
    /// Calls of read(2).
    pub reads: u64,
    /// Bytes received, without those thrown away while lingering.
    pub bytes_in: u64,
    /// Calls of write(2) or writev(2).
    pub writes: u64,
    /// Bytes that the kernel took.
    pub bytes_out: u64,
    /// Writes that the kernel did not take whole.
    pub blocked_writes: u64,
    /// Lingering connections that ended by a limit, not by the peer's FIN.
    pub linger_cut: u64,
    /// Connections open now.
    pub open: usize,
    /// Connections lingering now.
    pub lingering: usize,
}
