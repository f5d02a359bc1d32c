//! The broker as a state machine: no clock, no IO, no threads, no async, no randomness of its own.
//!
//! A [`Shard`] takes [`Input`]s and says what is to be done; see its module for the contract. The
//! broker process drives one per core, the simulator drives several in one thread.
//!
//! | module | what it owns |
//! |---|---|
//! | [`shard`](Shard) | the one mutation point: packets, timers and other shards come in here |
//! | `clients` | Sessions and connections: from a delivery to bytes |
//! | `session`, `connection` | what is remembered of a Client, and what while it is connected |
//! | `routes`, [`topic_tree`] | from a Topic Name to all who want its messages |
//! | `retained`, `shared` | Retained Messages at their home; Shared Subscriptions at theirs |
//! | `settlement` | what acknowledgements wait for: other shards, and the log |
//! | [`Message`], [`Output`] | what is shared between all who need it; what waits to be written |
//! | [`Policy`], [`PeerMessage`] | doors: who may do what; what shards say to each other |
//! | [`Record`] | what must outlive the process, in the order in which it came to be |
//! | [`Bans`] | who may not connect: by name, and who comes too often |
//! | `rates` | how fast a Client sends, and until when it is held back |
//! | [`Limits`], [`Counters`] | what bounds everything; where every message has gone |

mod bans;
mod clients;
mod connection;
mod counters;
mod event;
mod fault;
mod id;
mod journal;
mod limits;
mod message;
mod mount;
mod output;
mod peer;
mod policy;
mod rates;
mod replay;
mod retained;
mod routes;
mod session;
mod settlement;
mod shard;
mod shared;
mod terms;
mod time;
mod timers;
pub mod topic_tree;

pub use bans::Bans;
pub use counters::{Counters, DropReason, PacketCounts};
pub use event::Event;
pub use fault::{Ending, Violation};
pub use id::{ConnectionId, ShardId, ShardSet};
pub use journal::{
    CodecError, Durability, Holder, LogId, MessageId, Parked, Record, RecordedWill, Route, Told,
};
pub use limits::Limits;
pub use message::Message;
pub use mount::{MountPoint, WrongMountPoint};
pub use output::Output;
pub use peer::{PeerMessage, RETAINED_BATCH};
pub use policy::{
    Access, Action, AllowAll, Decision, Grant, Origin, Policy, Refusal, Review, is_reserved,
};
pub use replay::{ReplayStart, Replayed};
pub use session::SubscriptionIds;
pub use shard::{ClientState, Command, Gauges, Input, LogRoom, Reader, Shard, ShardConfig};
pub use terms::Terms;
pub use time::Timestamp;
