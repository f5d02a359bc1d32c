//! MQTT Control Packet types.

use std::fmt;

/// The type of a Control Packet: the upper four bits of its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// Client asks to connect.
    Connect = 1,
    /// Server answers a CONNECT.
    ConnAck,
    /// An Application Message.
    Publish,
    /// Answers a PUBLISH at QoS 1.
    PubAck,
    /// Answers a PUBLISH at QoS 2: received.
    PubRec,
    /// Answers a PUBREC: released.
    PubRel,
    /// Answers a PUBREL: complete.
    PubComp,
    /// Client subscribes.
    Subscribe,
    /// Server answers a SUBSCRIBE.
    SubAck,
    /// Client unsubscribes.
    Unsubscribe,
    /// Server answers an UNSUBSCRIBE.
    UnsubAck,
    /// Client asks for a sign of life.
    PingReq,
    /// Server gives a sign of life.
    PingResp,
    /// One side ends the Network Connection.
    Disconnect,
    /// Enhanced authentication, 5.0 only.
    Auth,
}

impl PacketType {
    /// The type in the upper four bits of a packet's first byte; `None` for 0, which is reserved.
    #[inline]
    pub(crate) const fn from_first_byte(byte: u8) -> Option<Self> {
        Some(match byte >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The fixed header flags that every packet of this type has; for PUBLISH, where they carry a meaning, none set.
    #[inline]
    pub(crate) const fn fixed_flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }

    /// The first byte of a packet of this type.
    #[inline]
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }
}

/// The name as the specification writes it, such as `PUBLISH`.
impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}
