//! What must outlive the process: records, in the order in which things came to be.
//!
//! A shard appends a [`Record`] for every change of a durable Session (Session Expiry Interval
//! above 0), of a Retained Message, and for every Application Message of QoS 1 and 2 that somebody
//! wants. The driver takes the records of all shards into one totally ordered log, each shard's in
//! its order and before anything that the shard says to others in the same turn, and tells the
//! shard with [`Input::Committed`](crate::Input::Committed) how far they are stable. What promises
//! that they are waits behind a gate until then.
//!
//! Queues are not recorded: [`Shard::restore`](crate::Shard::restore) derives them again from
//! messages, subscriptions and what is [`Done`](Record::Done). An acknowledgement of QoS 1 that was
//! not stable leads to one more delivery, as it may; the steps of QoS 2 are stable before they are
//! acted on, in both directions.

use dunlin_packet::{PacketId, SubscriptionOptions};

use crate::message::Message;

/// An Application Message in the log, by a number that no other has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

impl MessageId {
    /// Of a message that is not in the log.
    pub const NONE: MessageId = MessageId(0);

    pub(crate) fn new(number: u64, shard: crate::ShardId) -> Self {
        MessageId(number << 6 | shard.index() as u64)
    }

    /// The number within its shard.
    pub(crate) fn number(self) -> u64 {
        self.0 >> 6
    }

    /// Whether there is a message with it in the log.
    pub(crate) fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// Whether a shard appends records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It does not: everything ends with the process.
    #[default]
    Memory,
    /// It does.
    Log,
}

/// A change that must outlive the process.
#[derive(Clone, Debug)]
pub enum Record {
    /// A message was accepted that somebody wants.
    Message {
        /// Its identity in other records.
        id: MessageId,
        /// The message.
        message: Message,
        /// The Client Identifier of who has published it: No Local needs it.
        publisher: Option<Box<str>>,
    },
    /// A durable Session has begun, or got another Session Expiry Interval.
    Session {
        /// Whose.
        client_id: Box<str>,
        /// In seconds, above 0.
        expiry_interval: u32,
    },
    /// A durable Session has ended.
    SessionEnded {
        /// Whose.
        client_id: Box<str>,
    },
    /// A durable Session has subscribed, or changed a subscription.
    Subscribed {
        /// Whose.
        client_id: Box<str>,
        /// As in SUBSCRIBE, with `$share/` if it is shared.
        filter: Box<str>,
        /// The QoS is the one granted.
        options: SubscriptionOptions,
        /// The Subscription Identifier; 0: none.
        id: u32,
    },
    /// A durable Session has ended a subscription.
    Unsubscribed {
        /// Whose.
        client_id: Box<str>,
        /// As in SUBSCRIBE.
        filter: Box<str>,
    },
    /// A message is due to a Session no more: acknowledged, expired or dropped.
    Done {
        /// Whose.
        client_id: Box<str>,
        /// Which.
        message: MessageId,
    },
    /// A message is due to a Shared Subscription no more.
    GroupDone {
        /// `{ShareName}/{filter}`.
        group: Box<str>,
        /// Which.
        message: MessageId,
    },
    /// A message of QoS 2 is about to be sent under this Packet Identifier.
    Sending {
        /// To whom.
        client_id: Box<str>,
        /// Under which identifier.
        packet_id: PacketId,
        /// Which message.
        message: MessageId,
        /// RETAIN.
        retain: bool,
        /// `{ShareName}/{filter}` of the Shared Subscription that it comes from.
        group: Option<Box<str>>,
    },
    /// The Client has a message of QoS 2; PUBREL is about to be sent.
    Releasing {
        /// Whose.
        client_id: Box<str>,
        /// Which.
        packet_id: PacketId,
    },
    /// An exchange of QoS 2 to a Client has ended.
    Freed {
        /// Whose.
        client_id: Box<str>,
        /// Which.
        packet_id: PacketId,
    },
    /// A message of QoS 2 was received under this Packet Identifier.
    Received {
        /// From whom.
        client_id: Box<str>,
        /// Which.
        packet_id: PacketId,
    },
    /// The Client has released a Packet Identifier of QoS 2.
    Released {
        /// Whose.
        client_id: Box<str>,
        /// Which.
        packet_id: PacketId,
    },
    /// A Retained Message was set, or cleared if its payload is empty.
    Retained {
        /// The message.
        message: Message,
    },
}

/// The records of one shard that have not been taken, and how far they are stable.
pub(crate) struct Journal {
    durability: Durability,
    records: Vec<Record>,
    /// How many have been appended.
    appended: u64,
    /// How many of them are stable.
    committed: u64,
}

impl Journal {
    pub(crate) fn new(durability: Durability) -> Self {
        Journal {
            durability,
            records: Vec::new(),
            appended: 0,
            committed: 0,
        }
    }

    /// Whether records are wanted at all.
    pub(crate) fn is_on(&self) -> bool {
        self.durability == Durability::Log
    }

    /// Appends a record, if records are wanted.
    pub(crate) fn append(&mut self, record: impl FnOnce() -> Record) {
        if self.is_on() {
            self.records.push(record());
            self.appended += 1;
        }
    }

    /// How many have been appended.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// Whether the first `count` are stable.
    pub(crate) fn is_committed(&self, count: u64) -> bool {
        self.committed >= count
    }

    pub(crate) fn commit(&mut self, count: u64) {
        self.committed = self.committed.max(count);
    }

    /// Takes the records out; gives how many have been appended with them.
    pub(crate) fn take(&mut self, into: &mut Vec<Record>) -> u64 {
        into.append(&mut self.records);
        self.appended
    }
}
