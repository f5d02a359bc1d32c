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
//! | file | what it owns |
//! |---|---|
//! | `reactor` | the turn: wait, read, accept |
//! | `commands` | what the owner asks of a reactor between turns |
//! | `config` | the limits of a reactor and its counters |
//! | `handler` | what a reactor tells its owner |
//! | `id` | [`ConnectionId`], [`ListenerId`] |
//! | `listener` | binding, and the accepting side's patience when the system is exhausted |
//! | `table` | the dense table of connections, and what is known about each |
//! | `linger` | connections that are closed for the caller and still wait for the peer's FIN |
//! | `transport` | a connection between two reactors |
//! | `waker` | waking a reactor from another thread |
//! | `mailbox` | bounded-by-backlog batches between shards |

mod commands;
mod config;
mod handler;
mod id;
mod linger;
mod listener;
pub mod mailbox;
mod reactor;
mod table;
mod transport;
mod waker;

pub use commands::{WriteState, Written};
pub use config::{LingerConfig, ReactorConfig, ReactorCounters};
pub use handler::{Accepted, Closed, Handler, Refused};
pub use id::{ConnectionId, ListenerId};
pub use listener::{ListenError, bind};
pub use reactor::Reactor;
pub use transport::{AttachError, Transport};
pub use waker::Waker;
