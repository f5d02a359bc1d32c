//! Quality of Service levels.

/// How surely a message is delivered between one sender and one receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// Sent once, never acknowledged.
    #[default]
    AtMostOnce = 0,
    /// Sent until a PUBACK comes.
    AtLeastOnce = 1,
    /// Sent until a PUBREC comes, released by PUBREL, completed by PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level in bits 2-1 of a PUBLISH's fixed header flags; `None` for 3 `[MQTT-3.3.1-4]`.
    #[inline]
    pub(crate) fn from_publish_flags(flags: u8) -> Option<Self> {
        Self::try_from((flags >> 1) & 0b11).ok()
    }
}

/// Fails with the value itself where it is none of 0, 1, 2.
impl TryFrom<u8> for QoS {
    type Error = u8;

    #[inline]
    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(other),
        }
    }
}

impl From<QoS> for u8 {
    #[inline]
    fn from(qos: QoS) -> Self {
        qos as u8
    }
}
