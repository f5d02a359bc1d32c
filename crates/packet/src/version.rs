//! Protocol Version: the level that a CONNECT announces.

use std::fmt;

/// The version of the protocol, by the level number that CONNECT carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ProtocolVersion {
    /// MQTT 3.1, protocol name `MQIsdp`.
    V3_1 = 3,
    /// MQTT 3.1.1, protocol name `MQTT`.
    V3_1_1 = 4,
    /// MQTT 5.0, protocol name `MQTT`.
    V5 = 5,
}

impl ProtocolVersion {
    /// Whether packets of this version carry properties and Reason Codes.
    #[inline]
    pub fn has_properties(self) -> bool {
        self == Self::V5
    }
}

/// As written in the specification's title: `3.1`, `3.1.1`, `5.0`.
impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}
