//! Builds CONNECT, including forms that a Server must refuse.

use super::{Body, Property, Version};

/// A CONNECT packet; by default a clean one with a Keep Alive of 60 seconds.
#[derive(Clone, Debug)]
pub struct Connect {
    version: Version,
    name: String,
    level: u8,
    clean: bool,
    flip: u8,
    keep_alive: u16,
    properties: Vec<Property>,
    client_id: String,
    will: Option<Will>,
    user_name: Option<String>,
    password: Option<Vec<u8>>,
}

/// The Will of a CONNECT packet.
#[derive(Clone, Debug)]
pub struct Will {
    /// The Will Topic.
    pub topic: String,
    /// The Will Payload (3.x: Will Message).
    pub payload: Vec<u8>,
    /// The Will QoS bits, 0 to 3.
    pub qos: u8,
    /// The Will Retain flag, 0 or 1.
    pub retain: u8,
    /// The Will Properties.
    pub properties: Vec<Property>,
}

impl Will {
    /// A Will of QoS 0 that is not retained.
    #[must_use]
    pub fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: 0,
            retain: 0,
            properties: Vec::new(),
        }
    }

    /// With this Will QoS.
    #[must_use]
    pub fn qos(self, qos: u8) -> Self {
        Self { qos, ..self }
    }

    /// With Will Retain set.
    #[must_use]
    pub fn retained(self) -> Self {
        Self { retain: 1, ..self }
    }

    /// With one more Will Property.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }
}

impl Connect {
    /// A clean CONNECT for this Client Identifier.
    #[must_use]
    pub fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            name: if version == Version::V3_1 {
                "MQIsdp"
            } else {
                "MQTT"
            }
            .into(),
            level: version as u8,
            clean: true,
            flip: 0,
            keep_alive: 60,
            properties: Vec::new(),
            client_id: client_id.into(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    /// Clean Start (3.x: Clean Session) 0.
    #[must_use]
    pub fn resuming(self) -> Self {
        Self {
            clean: false,
            ..self
        }
    }

    /// Resuming, and with a session that outlives the connection: Session Expiry Interval 120 in
    /// MQTT 5.0, Clean Session 0 in 3.x.
    #[must_use]
    pub fn durable(self) -> Self {
        let connect = self.resuming();
        if connect.version.has_properties() {
            connect.with(Property::SessionExpiryInterval(120))
        } else {
            connect
        }
    }

    /// With this Keep Alive in seconds.
    #[must_use]
    pub fn keep_alive(self, seconds: u16) -> Self {
        Self {
            keep_alive: seconds,
            ..self
        }
    }

    /// With this Will.
    #[must_use]
    pub fn will(self, will: Will) -> Self {
        Self {
            will: Some(will),
            ..self
        }
    }

    /// With this User Name.
    #[must_use]
    pub fn user_name(self, name: &str) -> Self {
        Self {
            user_name: Some(name.into()),
            ..self
        }
    }

    /// With this Password.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        Self {
            password: Some(password.into()),
            ..self
        }
    }

    /// With one more property.
    #[must_use]
    pub fn with(mut self, property: Property) -> Self {
        self.properties.push(property);
        self
    }

    /// With this protocol name and level instead of the version's own.
    #[must_use]
    pub fn protocol(self, name: &str, level: u8) -> Self {
        Self {
            name: name.into(),
            level,
            ..self
        }
    }

    /// With these bits of the Connect Flags inverted; the payload stays as it was.
    #[must_use]
    pub fn flip_flags(self, bits: u8) -> Self {
        Self { flip: bits, ..self }
    }

    /// Whether a session could outlive the connection in 3.x, and so has to be cleaned up.
    #[must_use]
    pub(crate) fn leaves_a_session(&self) -> bool {
        !self.clean && !self.version.has_properties()
    }

    /// The Client Identifier.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The version that the packet is built in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    fn flags(&self) -> u8 {
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 1 << 2 | will.qos << 3 | will.retain << 5;
        }
        flags |= u8::from(self.password.is_some()) << 6;
        flags |= u8::from(self.user_name.is_some()) << 7;
        flags ^ self.flip
    }

    /// The bytes after the fixed header.
    #[must_use]
    pub fn body(&self) -> Body {
        let mut body = Body::new()
            .text(&self.name)
            .u8(self.level)
            .u8(self.flags())
            .u16(self.keep_alive)
            .properties(self.version, &self.properties)
            .text(&self.client_id);
        if let Some(will) = &self.will {
            body = body
                .properties(self.version, &will.properties)
                .text(&will.topic)
                .binary(&will.payload);
        }
        if let Some(name) = &self.user_name {
            body = body.text(name);
        }
        if let Some(password) = &self.password {
            body = body.binary(password);
        }
        body
    }

    /// The whole packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        self.body().packet(0x10)
    }
}
