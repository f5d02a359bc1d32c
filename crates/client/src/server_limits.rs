//! What the Server announced in CONNACK.

use dunlin_packet::{Properties, QoS};

/// Bounds that the Server puts on a client, valid for one Network Connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Messages at QoS 1 and 2 that we may have in flight.
    pub receive_maximum: u16,
    /// Largest packet in bytes that we may send.
    pub maximum_packet_size: u32,
    /// Highest Topic Alias that we may use; 0 means none.
    pub topic_alias_maximum: u16,
    /// Highest QoS that we may publish with.
    pub maximum_qos: QoS,
    /// Whether Retained Messages are accepted.
    pub retain_available: bool,
}

impl Default for ServerLimits {
    /// What holds when the Server says nothing, and always in 3.x.
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
        }
    }
}

impl ServerLimits {
    /// Reads the properties of a CONNACK.
    pub(crate) fn from_connack(properties: Properties<'_>) -> Self {
        let default = Self::default();
        Self {
            receive_maximum: properties
                .receive_maximum()
                .unwrap_or(default.receive_maximum),
            maximum_packet_size: properties
                .maximum_packet_size()
                .unwrap_or(default.maximum_packet_size),
            topic_alias_maximum: properties
                .topic_alias_maximum()
                .unwrap_or(default.topic_alias_maximum),
            maximum_qos: properties
                .maximum_qos()
                .and_then(|qos| QoS::try_from(qos).ok())
                .unwrap_or(default.maximum_qos),
            retain_available: properties.retain_available().unwrap_or(1) != 0,
        }
    }
}
