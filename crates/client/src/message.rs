//! Application Messages as this crate hands them over: owned, in both directions.

use dunlin_packet::{PacketId, PropertiesBuf, QoS};

/// An Application Message: what to publish, what to leave as a Will, or what was received.
#[derive(Debug, Clone)]
pub struct Message {
    /// The Topic Name.
    pub topic: String,
    /// The payload, any bytes.
    pub payload: Vec<u8>,
    /// Quality of Service: requested when publishing, of this delivery when received.
    pub qos: QoS,
    /// Whether the Server shall store it, or did store it, as the Retained Message of its topic.
    pub retain: bool,
    /// Properties of PUBLISH (or of the Will); not sent to a 3.x Server.
    pub properties: PropertiesBuf,
}

impl Message {
    /// A message at QoS 0, not retained and without properties; change the public fields for others.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: PropertiesBuf::default(),
        }
    }
}

/// A message that the Server delivered.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// The message. Its topic is complete even if the Server sent a Topic Alias in its place.
    pub message: Message,
    /// Set at QoS 1 and 2; what to give to [`Client::acknowledge`](crate::Client::acknowledge).
    pub packet_id: Option<PacketId>,
    /// The Server may have sent it before.
    pub dup: bool,
}
