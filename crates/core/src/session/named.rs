//! A delivery as it waits far back in a queue: its message is in the log, and only named here.

use dunlin_packet::QoS;

use super::delivery::{Delivery, SubscriptionIds};
use crate::journal::{MessageId, Parked};
use crate::message::Message;
use crate::time::{Seconds, Timestamp};

/// A [`Parked`] delivery in 32 bytes.
pub(crate) struct Named {
    pub(crate) message: MessageId,
    pub(crate) subscription_ids: SubscriptionIds,
    /// Bits 0 and 1: QoS; 2: RETAIN; from 3 on what it counts in a queue, in bytes. No packet has as
    /// many as these bits hold.
    size_and_flags: u32,
    expires: Seconds,
}

impl Named {
    const RETAIN: u32 = 4;
    const SIZE: u32 = 3;

    /// What it counts in a queue, in bytes.
    pub(crate) fn size(&self) -> usize {
        (self.size_and_flags >> Self::SIZE) as usize
    }

    /// When it expires, or up to a second later.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires.into()
    }

    /// The same with its message, which was read back.
    pub(crate) fn with(self, message: Message) -> Delivery {
        Delivery::of(Parked::from(&self), message)
    }

    /// The same with a message that is only named.
    pub(crate) fn absent(self) -> Delivery {
        let absent = Message::absent(self.message);
        self.with(absent)
    }
}

impl From<Parked> for Named {
    fn from(parked: Parked) -> Self {
        let Parked {
            message,
            size,
            qos,
            retain,
            expires_at,
            subscription_ids,
        } = parked;
        let retain = if retain { Self::RETAIN } else { 0 };
        Named {
            message,
            subscription_ids,
            size_and_flags: size.min(u32::MAX >> Self::SIZE) << Self::SIZE | retain | qos as u32,
            expires: expires_at.into(),
        }
    }
}

impl From<&Named> for Parked {
    fn from(named: &Named) -> Self {
        Parked {
            message: named.message,
            size: named.size_and_flags >> Named::SIZE,
            qos: match named.size_and_flags & 3 {
                0 => QoS::AtMostOnce,
                1 => QoS::AtLeastOnce,
                _ => QoS::ExactlyOnce,
            },
            retain: named.size_and_flags & Named::RETAIN != 0,
            expires_at: named.expires_at(),
            subscription_ids: named.subscription_ids.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_delivery_in_32_bytes() {
        assert_eq!(size_of::<Named>(), 32);
        for (qos, retain, expires_at) in [
            (QoS::AtLeastOnce, true, Timestamp::from_millis(7_000)),
            (QoS::ExactlyOnce, false, Timestamp::NEVER),
        ] {
            let parked = Parked {
                message: MessageId::from_u64(64),
                size: 268_435_455,
                qos,
                retain,
                expires_at,
                subscription_ids: SubscriptionIds::One(9),
            };
            assert_eq!(Parked::from(&Named::from(parked.clone())), parked);
        }
    }
}
