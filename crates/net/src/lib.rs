//! Listeners and the reactor of one shard thread: this crate moves bytes and knows no MQTT.
//!
//! ```text
//!   bind ──► TcpListener ──listen──►┌───────────┐ accepted · received · writable · closed · woken
//!                                   │  Reactor  ├──────────────────────────────────► Handler
//!   write · close · pause · … ─────►│  (mio)    │
//!                                   └──▲─────┬──┘
//!   Waker::wake, from any thread ──────┘     │ detach
//!                                            ▼
//!                              Transport ──attach──► another thread's Reactor
//! ```
//!
//! A shard thread owns one [`Reactor`] and calls [`Reactor::turn`] in a loop. The turn tells the
//! [`Handler`] what happened; the commands that follow from it (write, close, pause, detach) are
//! given to the reactor after the turn. Batches for another shard go through a [`mailbox`], whose
//! sender wakes the reactor on the other side.
//!
//! ```no_run
//! use dunlin_net::*;
//! use std::io::IoSlice;
//!
//! /// Sends back what it gets (and, being an example, loses what the kernel does not take).
//! #[derive(Default)]
//! struct Echo(Vec<(ConnectionId, Vec<u8>)>);
//!
//! impl Handler for Echo {
//!     fn received(&mut self, connection: ConnectionId, bytes: &[u8]) {
//!         self.0.push((connection, bytes.to_vec()));
//!     }
//!     fn accepted(&mut self, _: ConnectionId, _: &Accepted) {}
//!     fn writable(&mut self, _: ConnectionId) {}
//!     fn closed(&mut self, _: ConnectionId, _: &Closed) {}
//!     fn woken(&mut self) {}
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reactor = Reactor::new(ReactorConfig::default())?;
//!     reactor.listen(bind(([127, 0, 0, 1], 7).into(), 1024)?, ListenerOptions::new(ListenerId(0)).into())?;
//!     let mut echo = Echo::default();
//!     loop {
//!         reactor.turn(None, &mut echo)?;
//!         for (connection, bytes) in echo.0.drain(..) {
//!             let _ = reactor.write(connection, &[IoSlice::new(&bytes)]);
//!         }
//!     }
//! }
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `reactor` | the turn: wait, read, accept |
//! | `commands` | what the owner asks of a reactor between turns |
//! | `config` | the limits of a reactor and its counters |
//! | `handler` | what a reactor tells its owner |
//! | `id` | [`ConnectionId`], [`ListenerId`] |
//! | `bind` | binding listening sockets
//! | `admission` | how many connections are let in, how fast, and from where; `address_range` |
//! | `listener` | accepting, and its patience when the system is exhausted |
//! | `table` | the dense table of connections, and what is known about each |
//! | `layers` | what lies between a socket and MQTT: detection by the first byte, the PROXY header, TLS, WebSocket |
//! | `options` | what a listener serves |
//! | [`tls`] | certificates, keys and authorities of a listener, and their reload |
//! | `quic` | with the feature of that name: QUIC connections, which arrive as byte pipes |
//! | `peer` | who is at the other end |
//! | `linger` | connections that are closed for the caller and still wait for the peer's FIN |
//! | `transport` | a connection between two reactors |
//! | `waker` | waking a reactor from another thread |
//! | `mailbox` | bounded-by-backlog batches between shards |

mod address_range;
mod admission;
mod bind;
mod commands;
mod config;
mod handler;
mod id;
mod layers;
mod linger;
mod listener;
pub mod mailbox;
mod options;
mod peer;
#[cfg(feature = "quic")]
pub mod quic;
mod reactor;
mod table;
pub mod tls;
mod transport;
mod waker;

pub use address_range::{AddressRange, NoRange, counted_as};
pub use admission::{Admission, AdmissionRules, Denial, DenialCounters, Permit};
pub use bind::{ListenError, ListeningSocket, Place, bind, bind_unix};
pub use commands::{WriteState, Written};
pub use config::{LingerConfig, ReactorConfig, ReactorCounters};
pub use handler::{Accepted, Closed, Handler, Refused};
pub use id::{ConnectionId, ListenerId};
pub use layers::{LayerError, ProxyError, ProxyHeader, TlsFailure, websocket};
pub use options::{ListenerOptions, Origins, Protocol, Protocols, Proxies};
pub use peer::{Address, Carrier, Peer};
pub use reactor::Reactor;
pub use tls::{
    ClientCertificates, TlsError, TlsServer, TlsSession, TlsSettings, TlsVersion, Validities,
    Validity,
};
pub use transport::{AttachError, Transport};
pub use waker::Waker;
