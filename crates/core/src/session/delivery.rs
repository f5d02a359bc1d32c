//! A message that is due to one Session.

use std::sync::Arc;

use dunlin_packet::QoS;

use crate::id::ShardId;
use crate::journal::Parked;
use crate::message::Message;

/// A message due to one Session, with what its subscriptions make of it.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// The lower of the QoS it was published with and the QoS granted.
    pub(crate) qos: QoS,
    /// The RETAIN flag that the Client will see.
    pub(crate) retain: bool,
    pub(crate) subscription_ids: SubscriptionIds,
    /// The Shared Subscription that wants to know how it ends.
    pub(crate) origin: Option<Box<GroupOrigin>>,
}

impl Delivery {
    /// Whether both bring the same message for the same reason: RETAIN tells a new message from one
    /// that was kept.
    pub(crate) fn is_same(&self, other: &Delivery) -> bool {
        self.message.id() == other.message.id() && self.retain == other.retain
    }

    /// Bytes that it counts in a queue.
    pub(crate) fn size(&self) -> usize {
        size_of::<Delivery>() + self.message.size()
    }

    /// The same with the message only named. It must be in the log.
    pub(crate) fn parked(&self) -> Parked {
        debug_assert!(self.message.id().is_some());
        Parked {
            message: self.message.id(),
            size: u32::try_from(self.size()).unwrap_or(u32::MAX),
            qos: self.qos,
            retain: self.retain,
            expires_at: self.message.expires_at(),
            subscription_ids: self.subscription_ids.clone(),
        }
    }

    /// A parked delivery with its message, which was read back or is still to be.
    pub(crate) fn of(parked: Parked, message: Message) -> Self {
        let Parked {
            qos,
            retain,
            subscription_ids,
            ..
        } = parked;
        Delivery {
            message,
            qos,
            retain,
            subscription_ids,
            origin: None,
        }
    }
}

/// Where a delivery from a Shared Subscription came from.
#[derive(Clone, Debug)]
pub(crate) struct GroupOrigin {
    /// `{ShareName}/{filter}`.
    pub(crate) group: Arc<str>,
    /// The shard that keeps the group's queue.
    pub(crate) home: ShardId,
    /// The membership through which it came.
    pub(crate) membership: u64,
    /// Its number in the group.
    pub(crate) sequence: u64,
}

/// The Subscription Identifiers of the subscriptions that a delivery comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionIds {
    /// There is none.
    #[default]
    None,
    /// That of one subscription.
    One(u32),
    /// Those of several.
    Many(Box<Vec<u32>>),
}

impl SubscriptionIds {
    /// Those of one subscription; 0 stands for none.
    pub fn of(id: u32) -> Self {
        if id == 0 {
            SubscriptionIds::None
        } else {
            SubscriptionIds::One(id)
        }
    }

    /// Adds that of a further subscription; 0 stands for none.
    pub fn push(&mut self, id: u32) {
        if id == 0 {
            return;
        }
        match self {
            SubscriptionIds::None => *self = SubscriptionIds::One(id),
            SubscriptionIds::One(first) => {
                *self = SubscriptionIds::Many(Box::new(vec![*first, id]));
            }
            SubscriptionIds::Many(ids) => ids.push(id),
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[u32] {
        match self {
            SubscriptionIds::None => &[],
            SubscriptionIds::One(id) => std::slice::from_ref(id),
            SubscriptionIds::Many(ids) => ids,
        }
    }
}
