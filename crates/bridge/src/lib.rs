//! Bridges: messages pass between this broker and another one, by a Client that is known to both.
//!
//! ```text
//!   this broker                     a bridge's thread                      the other broker
//!   ┌──────────────┐ socket pair ┌───────────────────────┐ TCP or TLS ┌──────────────┐
//!   │ durable      │◀───────────▶│ Leg      Relay     Leg│◀──────────▶│ Session      │
//!   │ Session      │    MQTT 5   │ local             rem.│ 3.1 to 5.0 │              │
//!   └──────────────┘             └───────────────────────┘            └──────────────┘
//!     PUBLISH(7) ──────────────────▶ PUBLISH(7) ─────────────────────────▶
//!        ◀────────────────────────── PUBACK(7) ◀──────────────────────────
//! ```
//!
//! **The bridge keeps nothing.** It changes the topic of a PUBLISH and passes it on under the same
//! Packet Identifier, and it passes on every acknowledgement; so a message is acknowledged on one
//! side only when the other side has acknowledged it, and all that is to be remembered lies in the
//! two Sessions. What waits for the other broker is the queue of a durable Session here. A bridge
//! that is killed at any moment, with its broker or without, takes up where the Sessions stand: at
//! QoS 2 nothing is lost or doubled as long as both are there.
//!
//! The connection here lasts as long as the one there: so the broker itself queues what comes
//! meanwhile, sends again what was not acknowledged, and tells by the bridge's Will that it is down.
//!
//! | file | owns |
//! |---|---|
//! | `settings` | what makes a bridge |
//! | `topics` | which topics pass, and what they are called on the other side |
//! | `relay` | the protocol between both sides, without IO |
//! | `leg`, `flow` | what is known of one connection, and of the messages that come from one side |
//! | `hello` | CONNECT, SUBSCRIBE and the state messages |
//! | `thread` | the loop: sockets, deadlines, when to connect and when to give up |
//! | `dial`, `link`, `tls` | to which address; bytes over a socket; certificates |
//! | `patience` | the time until the next attempt; Keep Alive |
//! | `counters` | what has passed |

mod counters;
mod dial;
mod flow;
mod hello;
mod leg;
mod link;
mod patience;
mod relay;
mod settings;
mod thread;
mod tls;
mod topics;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

pub use counters::{BridgeCounters, Counted};
pub use settings::{
    AddressOrder, BridgeSettings, LocalClient, Notifications, Privacy, RemoteClient, Restart, Start,
};
pub use tls::{BridgeTls, BridgeTlsError, HostName, TlsFiles};
pub use topics::{Direction, InvalidRule, Rule};

/// Gives the broker its end of a socket pair, as a new connection of a Client that it trusts.
pub type Attach = Box<dyn Fn(UnixStream) -> io::Result<()> + Send>;

/// A bridge that runs, in a thread of its own.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    /// Its end is what the thread waits for.
    stop: Option<UnixStream>,
    /// Never says anything; ends with the thread.
    over: Receiver<()>,
    counters: Arc<BridgeCounters>,
}

impl Bridge {
    /// Starts the thread. `attach` is called for every connection to this broker.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(settings: BridgeSettings, attach: Attach) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let (alive, over) = std::sync::mpsc::channel();
        let counters = Arc::new(BridgeCounters::default());
        let name = settings.name.clone();
        let thread = thread::BridgeThread::new(settings, attach, stopped, Arc::clone(&counters));
        std::thread::Builder::new()
            .name(format!("bridge-{name}"))
            .spawn(move || {
                thread.run();
                drop(alive);
            })?;
        Ok(Bridge {
            name,
            stop: Some(stop),
            over,
            counters,
        })
    }

    /// The name of the connection.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What has passed so far.
    pub fn counters(&self) -> &BridgeCounters {
        &self.counters
    }

    /// Asks the thread to end both connections in order; [`Bridge::wait`] waits for that.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits until the thread has ended, at most until `deadline`. False: it has not.
    pub fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.over.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
    }
}
