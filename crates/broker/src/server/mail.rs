//! What the threads of the process send to each other.

use std::sync::Arc;

use dunlin_core::{
    Bans, ClientState, ConnectionId, Decision, Limits, Message, Origin, PeerMessage, ShardId,
};
use dunlin_net::mailbox::Sender;
use dunlin_net::{ListenerOptions, Transport};
use dunlin_store::News;

use super::report::ShardReport;

/// A letter to a shard's thread.
pub(super) enum Mail {
    /// What another shard said in one of its turns.
    Peer {
        from: ShardId,
        messages: Vec<PeerMessage>,
    },
    /// A connection moves here, with what has been received on it and where it comes from; or it
    /// comes from QUIC, and nothing has been received.
    Moved {
        transport: Transport,
        origin: Option<Origin>,
        bytes: Vec<u8>,
    },
    /// A connection that was made in this process begins.
    Joined {
        transport: Transport,
        origin: Origin,
    },
    /// What the policy has found out about a Client.
    Decided {
        connection: ConnectionId,
        decision: Box<Decision>,
        /// How often the rules had changed when it was asked; more than can be if it does not matter.
        changes: u64,
    },
    /// The rules have changed.
    PolicyChanged,
    /// What the log says.
    Log(News),
    /// Enter the counters into the report.
    Report,
    /// Say what was counted.
    Measure(std::sync::mpsc::Sender<ShardReport>),
    /// Say what is known of the Client, if its Session is here.
    Describe {
        client_id: Box<str>,
        answers: std::sync::mpsc::Sender<ClientState>,
    },
    /// Publish these messages of the broker's own.
    Publish(Vec<Message>),
    /// Serve new connections as these say, each by its listener.
    Serve(Vec<Arc<ListenerOptions>>),
    /// These names are banned from now on.
    Ban(Arc<Bans>),
    /// Keep to these limits from now on; whose address is banned by now is to be disconnected.
    Limit(Arc<Limits>),
    /// Say that all letters before this one have been read.
    Confirm(std::sync::mpsc::Sender<()>),
    /// End all connections, and then the thread.
    Stop,
}

/// Where to post letters to a shard.
pub(super) type Post = Sender<Mail>;
