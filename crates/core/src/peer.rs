//! The door to other shards: everything that one shard says to another.
//!
//! Messages from one shard to another arrive in the order in which they were sent, and none is
//! lost while both live. Nothing is assumed about the order of those from different shards, or
//! about how long an answer takes.

use std::sync::Arc;

use crate::journal::Durability;
use crate::message::Message;

/// What one shard says to another.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// Say [`Heard`](Self::Heard) when all that came before has been acted on, and when what this
    /// made the hearer say has been heard in turn.
    Confirm {
        /// The asking shard's name for the request.
        round: u64,
    },
    /// All that came before a request has been acted on here; elsewhere not yet.
    Acted {
        /// Which request.
        round: u64,
    },
    /// All that came before a request has been acted on.
    Heard {
        /// Which request.
        round: u64,
    },

    /// A checkpoint has begun here: what was recorded before is about to go, and all that was said
    /// before has now been heard.
    CheckpointBegun,

    /// A message for which the other shard has announced interest.
    Publish(Message),

    /// From now on this shard wants messages that match the filter.
    Interest {
        /// A Topic Filter, never a shared one.
        filter: Arc<str>,
        /// Whether somebody who wants them outlives the process: then they must be in the log.
        durability: Durability,
    },
    /// Messages that match the filter are no longer wanted.
    NoInterest {
        /// A Topic Filter that was announced.
        filter: Arc<str>,
    },
    /// The other shard is the home of this topic: it is to keep this message as the Retained
    /// Message, or to remove the one that it has if the payload is empty.
    Retain {
        /// The message.
        message: Message,
    },
    /// Say [`RetainedReady`](Self::RetainedReady) when every message that the hearer has given to
    /// its home until now, to be retained, is there.
    RetainedWanted {
        /// The asking shard's number for the request.
        search: u64,
    },
    /// They are.
    RetainedReady {
        /// Which request.
        search: u64,
    },
    /// Asks for Retained Messages that match a filter: the first time, or after all that came
    /// before were used.
    RetainedRead {
        /// The asking shard's number for what it asks.
        stream: u64,
        /// The Topic Filter, the first time.
        filter: Option<Arc<str>>,
    },
    /// Some Retained Messages that were asked for.
    RetainedBatch {
        /// What was asked.
        stream: u64,
        /// At most [`RETAINED_BATCH`].
        messages: Vec<Message>,
        /// There are no more.
        end: bool,
    },
    /// No more Retained Messages are wanted.
    RetainedClose {
        /// What was asked.
        stream: u64,
    },

    /// A Session of this shard becomes, or still is, a member of a Shared Subscription at home in
    /// the other.
    GroupJoin {
        /// `{ShareName}/{filter}`.
        group: Arc<str>,
        /// The member's shard's number for the membership.
        membership: u64,
        /// Whether the member outlives the process.
        durability: Durability,
    },
    /// The member can take this many messages more.
    GroupCredit {
        /// Which.
        membership: u64,
        /// Which of the member's connections, counted by its shard.
        epoch: u32,
        /// How many.
        credit: u32,
    },
    /// A message for a member. It uses up one credit.
    GroupDelivery {
        /// Which.
        membership: u64,
        /// That of the last credit. A delivery to an earlier connection has gone back to the group
        /// and is to be ignored.
        epoch: u32,
        /// The message's number in the group.
        sequence: u64,
        /// The message.
        message: Message,
    },
    /// A delivery to a member has ended; its credit is free again.
    GroupDone {
        /// Which.
        membership: u64,
        /// The message's number.
        sequence: u64,
    },
    /// The member has lost its connection: it has no credit until it says so, and what it was
    /// handed goes back to the group.
    GroupSuspend {
        /// Which.
        membership: u64,
        /// The numbers of the messages that stay with the member.
        kept: Vec<u64>,
    },
    /// The membership has ended; what the member was handed goes back to the group.
    GroupLeave {
        /// Which.
        membership: u64,
        /// The numbers of the messages that do not go back.
        kept: Vec<u64>,
    },
}

/// Retained Messages in one batch at most. One batch of a stream is on its way at a time.
pub const RETAINED_BATCH: usize = 64;
