//! What is known of the connection on one side.
//!
//! ```text
//!   Closed ──CONNECT──▶ Connecting ──CONNACK──▶ Open ──▶ Closed
//! ```

use std::collections::HashMap;

use dunlin_packet::{ConnAck, Packet, PacketId, ProtocolVersion, QoS};

/// One of the two connections, while it is open.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) version: ProtocolVersion,
    pub(crate) phase: Phase,
    /// The beginning of a packet that has not come completely; at most one packet.
    pub(crate) input: Vec<u8>,
    /// Bytes to be written.
    pub(crate) output: Vec<u8>,
    pub(crate) limits: ServerLimits,
    /// The broker there knew the Session.
    pub(crate) session_present: bool,
    /// The Keep Alive that the broker wants, in seconds, if it is not the one that was asked for.
    pub(crate) keep_alive: Option<u16>,
    /// What the bridge itself has sent and wants answered, by Packet Identifier.
    pub(crate) requests: HashMap<PacketId, Request>,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Connecting,
    Open,
}

/// Something that the bridge has sent on its own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// SUBSCRIBE to these filters.
    Subscribe(Vec<String>),
    Unsubscribe,
    /// PUBLISH of its state, at QoS 1.
    State,
}

/// What the broker there takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerLimits {
    pub(crate) receive_maximum: u16,
    pub(crate) packet_size: u32,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Default for ServerLimits {
    /// What holds when the broker says nothing, and always in 3.x.
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            packet_size: u32::MAX,
            qos: QoS::ExactlyOnce,
            retain: true,
        }
    }
}

impl Leg {
    pub(crate) fn new(version: ProtocolVersion) -> Self {
        Self {
            version,
            phase: Phase::Closed,
            input: Vec::new(),
            output: Vec::new(),
            limits: ServerLimits::default(),
            session_present: false,
            keep_alive: None,
            requests: HashMap::new(),
        }
    }

    /// Forgets the connection that was.
    pub(crate) fn close(&mut self) {
        *self = Self::new(self.version);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        packet.encode(self.version, &mut self.output);
    }

    /// Takes over what a CONNACK that accepts says.
    pub(crate) fn accept(&mut self, connack: &ConnAck<'_>) {
        let properties = connack.properties;
        let default = ServerLimits::default();
        self.phase = Phase::Open;
        self.session_present = connack.session_present;
        self.keep_alive = properties.server_keep_alive();
        self.limits = ServerLimits {
            receive_maximum: properties
                .receive_maximum()
                .unwrap_or(default.receive_maximum),
            packet_size: properties
                .maximum_packet_size()
                .unwrap_or(default.packet_size),
            qos: properties
                .maximum_qos()
                .and_then(|qos| QoS::try_from(qos).ok())
                .unwrap_or(default.qos),
            retain: properties.retain_available() != Some(0),
        };
    }

    /// Notes something that the bridge is about to send, and gives its Packet Identifier: from the
    /// upper end, as brokers number what they send from the lower.
    pub(crate) fn request(&mut self, request: Request) -> PacketId {
        let taken = |id: &PacketId| self.requests.contains_key(id);
        let mut ids = (1..=u16::MAX).rev().filter_map(PacketId::new);
        let id = ids.find(|id| !taken(id));
        let id = id.expect("a bridge asks for less than 65,535 things at once");
        self.requests.insert(id, request);
        id
    }
}
