//! Packet Identifiers.

use std::fmt;
use std::num::NonZeroU16;

/// Names one exchange (PUBLISH at QoS > 0, SUBSCRIBE, UNSUBSCRIBE) between a sender and a receiver: 1 to 65,535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The lowest Packet Identifier.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// `None` for zero, which no packet may carry `[MQTT-2.2.1-3]`.
    #[inline]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire, never zero.
    #[inline]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 comes after 65,535.
    #[inline]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(value) => Self(value),
            None => Self::FIRST,
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_not_an_identifier() {
        assert_eq!(PacketId::new(0), None);
    }

    #[test]
    fn the_last_is_followed_by_the_first() {
        let last = PacketId::new(u16::MAX).unwrap();
        assert_eq!(last.next(), PacketId::FIRST);
        assert_eq!(PacketId::FIRST.next().get(), 2);
    }
}
