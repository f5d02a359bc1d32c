//! Network Connections as the faults of the simulator see them: two pipes of bytes.

use std::collections::VecDeque;

use dunlin_core::ConnectionId;

use crate::client::Hello;
use crate::history::SessionNumber;
use crate::rng::Rng;

/// Numbers connections over the whole run.
pub type LinkNumber = usize;

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    ready_at: u64,
}

impl Pipe {
    /// Bytes that are underway.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is underway.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts bytes in at the sending end; the first of them comes out at `ready_at`.
    pub fn push(&mut self, bytes: &[u8], ready_at: u64) {
        if self.bytes.is_empty() {
            self.ready_at = self.ready_at.max(ready_at);
        }
        self.bytes.extend(bytes);
    }

    /// When some of what is underway arrives.
    pub fn arrival(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.ready_at)
    }

    /// Takes out a piece of random length; the rest comes `later`.
    pub fn take(&mut self, rng: &mut Rng, later: u64) -> Vec<u8> {
        let length = match rng.below(4) {
            0 => 1 + rng.below(self.bytes.len().min(8)),
            1 => 1 + rng.below(self.bytes.len()),
            _ => self.bytes.len(),
        };
        self.ready_at = later;
        self.bytes.drain(..length).collect()
    }

    /// Everything underway is lost.
    pub fn cut(&mut self) {
        self.bytes.clear();
    }
}

/// Where the broker has a connection.
#[derive(Debug)]
pub enum Place {
    /// On its way to a shard: just accepted, or moved from another with the bytes so far.
    Moving {
        /// Which shard.
        to: usize,
        /// What was received on it.
        bytes: Vec<u8>,
        /// When it is there.
        at: u64,
    },
    /// In a shard, under this name.
    At(usize, ConnectionId),
    /// The broker has no part in it any more.
    Closed,
}

/// One Network Connection.
#[derive(Debug)]
pub struct Link {
    /// Which Client opened it.
    pub client: usize,
    /// Where the broker has it.
    pub place: Place,
    /// What the Client's CONNECT says.
    pub hello: Hello,
    /// The Session Expiry Interval of the Client's DISCONNECT.
    pub disconnect_expiry: Option<u32>,
    /// The Session that it serves, once CONNECT was accepted.
    pub session: Option<SessionNumber>,
    /// From Client to broker.
    pub up: Pipe,
    /// From broker to Client.
    pub down: Pipe,
    /// How many bytes `down` takes: what a Client that does not read lets the broker write.
    pub capacity: usize,
    /// The broker has more to write than it could; when to try again.
    pub blocked_until: Option<u64>,
    /// The Client does not read until then.
    pub stalled_until: u64,
    /// Nothing passes any more, in either direction.
    pub broken: bool,
    /// The Client has closed its end; what it sent before still arrives.
    pub closed_by_client: bool,
    /// When the broker learns that the connection broke; never, if it is half open.
    pub broker_told_at: Option<u64>,
    /// When the Client learns it.
    pub client_told_at: Option<u64>,
}

impl Link {
    /// A connection that arrives at shard `to` at `at`.
    pub fn new(client: usize, hello: Hello, to: usize, at: u64, capacity: usize) -> Self {
        let bytes = Vec::new();
        Link {
            client,
            place: Place::Moving { to, bytes, at },
            hello,
            disconnect_expiry: None,
            session: None,
            up: Pipe::default(),
            down: Pipe::default(),
            capacity,
            blocked_until: None,
            stalled_until: 0,
            broken: false,
            closed_by_client: false,
            broker_told_at: None,
            client_told_at: None,
        }
    }

    /// Whether the broker has a part in it.
    pub fn is_open(&self) -> bool {
        !matches!(self.place, Place::Closed)
    }
}
