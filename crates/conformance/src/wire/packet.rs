//! The packets a Server sends, as values.

use super::Property;

/// A packet received from the Server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the specification's own
pub enum Packet {
    ConnAck {
        session_present: u8,
        code: u8,
        properties: Vec<Property>,
    },
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    SubAck {
        id: u16,
        codes: Vec<u8>,
        properties: Vec<Property>,
    },
    UnsubAck {
        id: u16,
        codes: Vec<u8>,
        properties: Vec<Property>,
    },
    PingResp,
    Disconnect {
        code: u8,
        properties: Vec<Property>,
    },
    Auth {
        code: u8,
        properties: Vec<Property>,
    },
}

impl Packet {
    /// The properties of the packet; empty for versions and packets without any.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        match self {
            Self::ConnAck { properties, .. }
            | Self::SubAck { properties, .. }
            | Self::UnsubAck { properties, .. }
            | Self::Disconnect { properties, .. }
            | Self::Auth { properties, .. } => properties,
            Self::Publish(publish) => &publish.properties,
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                &ack.properties
            }
            Self::PingResp => &[],
        }
    }
}

/// A PUBLISH packet, in either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// The DUP flag, 0 or 1.
    pub dup: u8,
    /// The QoS bits, 0 to 3.
    pub qos: u8,
    /// The RETAIN flag, 0 or 1.
    pub retain: u8,
    /// The Topic Name; empty where a Topic Alias stands for it.
    pub topic: String,
    /// The Packet Identifier; 0 for QoS 0.
    pub id: u16,
    /// The properties, in the order of the packet.
    pub properties: Vec<Property>,
    /// The Application Message's payload.
    pub payload: Vec<u8>,
}

impl Publish {
    /// A QoS 0 message.
    #[must_use]
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.as_ref().to_vec(),
            ..Self::default()
        }
    }

    /// With this QoS.
    #[must_use]
    pub fn qos(self, qos: u8) -> Self {
        Self { qos, ..self }
    }

    /// With this Packet Identifier.
    #[must_use]
    pub fn id(self, id: u16) -> Self {
        Self { id, ..self }
    }

    /// With RETAIN set.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { retain: 1, ..self }
    }

    /// With DUP set.
    #[must_use]
    pub fn duplicate(self) -> Self {
        Self { dup: 1, ..self }
    }

    /// With one more property.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    /// The payload as text, lossily, for comparisons and reports.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The Packet Identifier.
    pub id: u16,
    /// The Reason Code; 0 where the packet has none.
    pub code: u8,
    /// The properties.
    pub properties: Vec<Property>,
}
