//! What must outlive the process: records, in the order in which things came to be.
//!
//! A shard appends a [`Record`] for every change of a durable Session (Session Expiry Interval
//! above 0), of a Shared Subscription with a durable member, of a Retained Message, and for every
//! Application Message of QoS 1 and 2 that one of these needs. The driver takes the records of all
//! shards into one totally ordered log, each shard's in its order and before anything that the shard
//! says to others in the same turn, and tells the shard with
//! [`Input::Committed`](crate::Input::Committed) how far they are stable. What promises that they
//! are waits behind a gate until then. For whom a message waits is not waited for: until
//! [`Record::Routed`] says that it is in the log everywhere, a start finds it out again.
//!
//! Records state facts: a message is in the log once, and that it waits for a Session is a fact of
//! its own, a few bytes that name it. So nothing has to be concluded from limits, permissions or
//! subscriptions when the process starts again, and a Session can be told anew, whole, at any
//! moment: [`Record::Session`] makes void what was said of it before. That is how old parts of the
//! log become free ([`Input::Checkpoint`](crate::Input::Checkpoint)).
//!
//! An acknowledgement of QoS 1 that was not stable leads to one more delivery, as it may; the steps
//! of QoS 2 are stable before they are acted on, in both directions.

mod codec;

pub use codec::CodecError;

use std::sync::Arc;

use dunlin_packet::{PacketId, QoS, SubscriptionOptions};

use crate::message::Message;
use crate::session::SubscriptionIds;
use crate::time::Timestamp;

/// An Application Message in the log, by a number that no other has had. The lowest six bits are
/// the shard that has accepted it; within a shard they grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u64);

impl MessageId {
    /// Of a message that is not in the log.
    pub const NONE: MessageId = MessageId(0);

    pub(crate) fn new(number: u64, shard: crate::ShardId) -> Self {
        MessageId(number << 6 | shard.index() as u64)
    }

    /// The identity as one number; 0 stands for none.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The identity from one number.
    pub const fn from_u64(number: u64) -> Self {
        MessageId(number)
    }

    /// The number within its shard.
    pub(crate) fn number(self) -> u64 {
        self.0 >> 6
    }

    /// The shard that has accepted it, of the process that did.
    pub(crate) fn shard(self) -> u64 {
        self.0 & 63
    }

    /// Whether there is a message with it in the log.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// What a Session or a Shared Subscription is called in the log; none has the name of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(u64);

impl LogId {
    /// Of what is not in the log.
    pub const NONE: LogId = LogId(0);

    pub(crate) fn new(number: u64, shard: crate::ShardId) -> Self {
        LogId(number << 6 | shard.index() as u64)
    }

    /// The name as one number; 0 stands for none.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The name from one number.
    pub const fn from_u64(number: u64) -> Self {
        LogId(number)
    }

    /// The number within its shard.
    pub(crate) fn number(self) -> u64 {
        self.0 >> 6
    }

    /// Whether it is in the log.
    pub const fn is_some(self) -> bool {
        self.0 != 0
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

/// A message of the log that waits for a Session: its name, and all that the Session's
/// subscriptions make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Which message.
    pub message: MessageId,
    /// What it counts in a queue, in bytes.
    pub size: u32,
    /// The lower of the QoS it was published with and the QoS granted.
    pub qos: QoS,
    /// The RETAIN flag that the Client will see.
    pub retain: bool,
    /// When the message expires; not earlier, and up to a second later.
    pub expires_at: Timestamp,
    /// The Subscription Identifiers.
    pub subscription_ids: SubscriptionIds,
}

/// A Will Message as it is recorded.
#[derive(Clone, Debug)]
pub struct RecordedWill {
    /// The message; its expiry begins when it is published.
    pub message: Message,
    /// The Message Expiry Interval in seconds.
    pub expiry_interval: Option<u32>,
    /// The Will Delay Interval in seconds.
    pub delay_interval: u32,
}

/// Who a Client is, as its [`Grant`](crate::Grant) says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// [`Grant::user_name`](crate::Grant::user_name).
    pub user_name: Option<Arc<str>>,
    /// [`Grant::source`](crate::Grant::source).
    pub source: u64,
}

/// Whether something is told for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It has just begun to be.
    First,
    /// It has been told before, perhaps in a part of the log that is gone.
    Anew,
}

/// What is to be known of the way of a message, should the process end while it is on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// It crosses to other shards. They record for whom it waits there, later than it is in the log
    /// itself, and [`Record::Routed`] says that they have. Until then it may have to be routed again.
    pub crosses: bool,
    /// The Session of its publisher, if it is in the log: No Local needs it.
    pub publisher: LogId,
}

/// A change that must outlive the process.
#[derive(Clone, Debug)]
pub enum Record {
    /// A message was accepted that must not be lost.
    Message {
        /// The message, with its identity.
        message: Message,
        /// Where it goes.
        route: Route,
    },
    /// Numbers of messages, Sessions and Shared Subscriptions up to this one have been used.
    Numbered {
        /// The last.
        number: u64,
    },
    /// All messages of a shard up to this one are where they are due: what says so is in the log.
    Routed {
        /// The last of them.
        message: MessageId,
    },
    /// A Retained Message was set, or cleared if its payload is empty.
    Retained {
        /// The message; with an identity if it was published with QoS 1 or 2.
        message: Message,
        /// Where it goes.
        route: Route,
    },
    /// A Retained Message that was set before is still there.
    StillRetained {
        /// The message.
        message: Message,
    },
    /// A message that was accepted before is due to somebody who needs it in the log, where it may be no
    /// more.
    StillDue {
        /// The message, with its identity.
        message: Message,
    },
    /// A durable Session has begun, or is told anew; what was said of it before is void. It has a
    /// connection.
    Session {
        /// Its name from now on.
        session: LogId,
        /// Whose it is.
        client_id: Box<str>,
        /// The Session Expiry Interval in seconds.
        expiry_interval: u32,
        /// Who may use it.
        holder: Holder,
        /// Whether it has begun.
        told: Told,
    },
    /// A Session has a connection again.
    Attached {
        /// Which.
        session: LogId,
        /// The new Session Expiry Interval in seconds; 0: it ends with the connection.
        expiry_interval: u32,
        /// Who uses it.
        holder: Holder,
    },
    /// A Session has no connection any more.
    Detached {
        /// Which.
        session: LogId,
        /// Since when: its expiry and the delay of its Will begin.
        at: Timestamp,
    },
    /// A durable Session has ended.
    SessionEnded {
        /// Which.
        session: LogId,
    },
    /// A Session has another Will Message, or none.
    Will {
        /// Whose.
        session: LogId,
        /// The Will.
        will: Option<Box<RecordedWill>>,
    },
    /// A durable Session has subscribed, or changed a subscription.
    Subscribed {
        /// Which.
        session: LogId,
        /// As in SUBSCRIBE, with `$share/` if it is shared.
        filter: Box<str>,
        /// The QoS is the one granted.
        options: SubscriptionOptions,
        /// The Subscription Identifier; 0: none.
        id: u32,
    },
    /// A durable Session has ended a subscription.
    Unsubscribed {
        /// Which.
        session: LogId,
        /// As in SUBSCRIBE.
        filter: Box<str>,
    },
    /// A message of the log is due to a Session.
    Queued {
        /// To which.
        session: LogId,
        /// The message.
        parked: Parked,
    },
    /// A message that a Session was handed by a Shared Subscription, which it has left, is due to the
    /// Session alone.
    Adopted {
        /// To which.
        session: LogId,
        /// The message.
        parked: Parked,
        /// `{ShareName}/{filter}` of the Shared Subscription, which has it no more.
        group: Arc<str>,
    },
    /// A message is due to a Session no more: acknowledged with QoS 1, expired or dropped.
    Done {
        /// To which.
        session: LogId,
        /// Which message.
        message: MessageId,
    },
    /// A message of QoS 2 is about to be sent under this Packet Identifier.
    Sending {
        /// To which Session; none if it is not durable.
        session: LogId,
        /// Under which identifier.
        packet_id: PacketId,
        /// The message.
        parked: Parked,
        /// `{ShareName}/{filter}` of the Shared Subscription that it comes from.
        group: Option<Arc<str>>,
    },
    /// The Client has a message of QoS 2; PUBREL is about to be sent.
    Releasing {
        /// Whose Session.
        session: LogId,
        /// Which.
        packet_id: PacketId,
    },
    /// An exchange of QoS 2 to a Client has ended.
    Freed {
        /// Whose Session.
        session: LogId,
        /// Which.
        packet_id: PacketId,
    },
    /// A message of QoS 2 was received under this Packet Identifier.
    Received {
        /// From whose Session.
        session: LogId,
        /// Which.
        packet_id: PacketId,
    },
    /// The Client has released a Packet Identifier of QoS 2.
    Released {
        /// Whose Session.
        session: LogId,
        /// Which.
        packet_id: PacketId,
    },
    /// A Shared Subscription has its first durable member, or is told anew; what was said of it
    /// before is void.
    Group {
        /// Its name in the log from now on.
        group: LogId,
        /// `{ShareName}/{filter}`.
        name: Arc<str>,
        /// Whether it has begun.
        told: Told,
    },
    /// A Shared Subscription has no durable member any more.
    GroupEnded {
        /// Which.
        group: LogId,
    },
    /// A message of the log is due to a Shared Subscription.
    GroupQueued {
        /// To which.
        group: LogId,
        /// Which message.
        message: MessageId,
        /// What it counts in the queue, in bytes.
        size: u32,
        /// When it expires; not earlier, and up to a second later.
        expires_at: Timestamp,
    },
    /// A message is due to a Shared Subscription no more.
    GroupDone {
        /// To which.
        group: LogId,
        /// Which message.
        message: MessageId,
    },
}

impl Record {
    /// The message in the log without which this record is worth nothing.
    pub fn refers_to(&self) -> Option<MessageId> {
        match self {
            Record::Queued { parked, .. }
            | Record::Adopted { parked, .. }
            | Record::Sending { parked, .. } => Some(parked.message),
            Record::GroupQueued { message, .. } => Some(*message),
            _ => None,
        }
    }
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
    /// Room for that many records is kept.
    const KEPT: usize = 4096;

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

    /// Whether none waits to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
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
        if self.records.capacity() > Self::KEPT {
            self.records = Vec::new();
        }
        self.appended
    }
}
