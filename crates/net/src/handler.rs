//! What a reactor tells its owner.

use std::io;

use crate::{Address, ConnectionId, Denial, LayerError, ListenerId, Peer};

/// Receives what happens in a turn.
///
/// The reactor is busy while it calls; collect commands and give them to the reactor after
/// [`turn`](crate::Reactor::turn). In one turn a connection gets at most one `writable`, then at
/// most one of `received` and `closed`; `accepted` calls come last. A connection that the handler
/// has given up in this turn (say, because another one took over its session) may still get its
/// calls of this turn; after `close`, `abort` or `detach` it gets none.
pub trait Handler {
    /// A listener accepted `connection`.
    fn accepted(&mut self, connection: ConnectionId, accepted: &Accepted);

    /// Who the peer of `connection` is, once the first bytes have shown how it speaks MQTT. Told
    /// once, before the first `received` and perhaps in the same turn; a reactor that the
    /// connection moves to does not repeat it.
    fn introduced(&mut self, connection: ConnectionId, peer: Peer) {
        let _ = (connection, peer);
    }

    /// Bytes of MQTT from the peer, at least one, at most the reactor's scratch buffer. They are gone
    /// when this call returns.
    fn received(&mut self, connection: ConnectionId, bytes: &[u8]);

    /// A [`write`](crate::Reactor::write) was answered `Blocked`, and now it is worth repeating.
    fn writable(&mut self, connection: ConnectionId);

    /// The connection ended, and not by the caller. The id is free after this call. Everything
    /// that the peer had sent was delivered before, unless the connection was paused.
    fn closed(&mut self, connection: ConnectionId, cause: &Closed);

    /// [`Waker::wake`](crate::Waker::wake) was called, once or more.
    fn woken(&mut self);

    /// A listener could not give us a connection. Nothing has to be done: the reactor counts it
    /// and goes on; for the operator's eyes, at a bounded rate.
    fn refused(&mut self, listener: ListenerId, cause: &Refused) {
        let _ = (listener, cause);
    }
}

/// Where a new connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The listener that it came in by.
    pub listener: ListenerId,
    /// The peer's address.
    pub peer: Address,
    /// Our address, as the peer knows it.
    pub local: Address,
}

/// Why a connection ended that the caller did not end.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The peer sent FIN, or what means the same in a layer: a Close frame.
    #[error("closed by the peer")]
    ByPeer,
    /// The peer sent RST, or was gone when we wrote.
    #[error("reset by the peer")]
    Reset,
    /// The peer no longer answers; the kernel gave up.
    #[error("the peer does not answer")]
    TimedOut,
    /// A layer ended the connection, as the peer broke its protocol, or was not let in.
    #[error(transparent)]
    Layer(LayerError),
    /// A proxy said where the connection comes from, and it is not let in.
    #[error("turned away: {0}")]
    Denied(Denial),
    /// Anything else that the kernel reported.
    #[error("connection failed: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Reset,
            io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Failed(error),
        }
    }
}

/// Why a listener could not give us a connection.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The reactor holds as many connections as it may; this one was closed at once.
    #[error("connection from {peer} closed: the maximum of {maximum} connections is reached")]
    MaximumConnections {
        /// Who was turned away.
        peer: Address,
        /// The configured maximum.
        maximum: usize,
    },
    /// The connection was closed at once.
    #[error("connection from {peer} closed: {denial}")]
    Denied {
        /// Who was turned away.
        peer: Address,
        /// Why.
        denial: Denial,
    },
    /// EMFILE. Accepting goes on when a connection is freed, or after 100 ms.
    #[error("the process has as many open files as its limit allows (see `ulimit -n`)")]
    ProcessFileLimit,
    /// ENFILE. Accepting goes on when a connection is freed, or after 100 ms.
    #[error("the system has as many open files as its limit allows")]
    SystemFileLimit,
    /// ENOBUFS or ENOMEM. Accepting goes on when a connection is freed, or after 100 ms.
    #[error("the kernel has no memory for another socket")]
    NoKernelMemory,
    /// Anything else; accepting goes on.
    #[error("accepting a connection failed: {0}")]
    Failed(io::Error),
}
