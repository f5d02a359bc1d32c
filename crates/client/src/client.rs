//! The phases of a Network Connection, input, output and deadlines.
//!
//! ```text
//!             connect              CONNACK               disconnect, or
//!   Closed ───────────▶ Connecting ────────▶ Connected ───────────────────▶ Closing
//!     ▲                     │                            DISCONNECT, fault     │
//!     │                     └────── refusal, fault, timeout ─────────────────▶ │
//!     └───────────────────────────── handle_close ─────────────────────────────┘
//! ```
//!
//! What the application asks for is in `request`, what the Server's packets do in `receive`.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use dunlin_packet::{
    Connect, Disconnect, Framing, Packet, PacketId, Properties, ProtocolVersion, Will, split_frame,
};

use crate::event::{Closed, Event};
use crate::incoming::Incoming;
use crate::keep_alive::{Due, KeepAlive};
use crate::options::{InvalidOptions, OutboundTopicAliases};
use crate::outgoing::Outgoing;
use crate::topic_alias::{InboundAliases, OutboundAliases};
use crate::{ConnectOptions, ServerFault, ServerLimits};

/// One MQTT Client and its Session, without IO. The crate's head has the calling contract.
#[derive(Debug)]
pub struct Client {
    pub(crate) options: ConnectOptions,
    pub(crate) phase: Phase,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    pub(crate) connection: Connection,
    /// The beginning of a packet that has not arrived completely; at most one packet.
    input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) events: VecDeque<Event>,
}

/// Where the Network Connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is none.
    Closed,
    /// CONNECT is on its way; CONNACK is due at the deadline.
    Connecting { deadline: Instant },
    /// CONNACK has come.
    Connected,
    /// The last bytes are in the output; input is ignored.
    Closing {
        /// The reason has been reported already.
        reported: bool,
    },
}

/// State that begins and ends with a Network Connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) limits: ServerLimits,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) inbound_aliases: InboundAliases,
    pub(crate) outbound_aliases: OutboundAliases,
    /// SUBSCRIBE and UNSUBSCRIBE packets that wait for their answer.
    pub(crate) requests: HashMap<PacketId, Request>,
}

/// A request that waits for its answer, and for how many Topic Filters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Subscribe { filters: usize },
    Unsubscribe { filters: usize },
}

impl Connection {
    fn new(topic_alias_maximum: u16) -> Self {
        Self {
            limits: ServerLimits::default(),
            keep_alive: None,
            inbound_aliases: InboundAliases::new(topic_alias_maximum),
            outbound_aliases: OutboundAliases::new(0),
            requests: HashMap::new(),
        }
    }

    /// Takes over what a successful CONNACK announces.
    pub(crate) fn accept(&mut self, properties: Properties<'_>, aliases: OutboundTopicAliases) {
        self.limits = ServerLimits::from_connack(properties);
        if aliases == OutboundTopicAliases::Automatic {
            self.outbound_aliases = OutboundAliases::new(self.limits.topic_alias_maximum);
        }
        if let (Some(keep_alive), Some(seconds)) =
            (&mut self.keep_alive, properties.server_keep_alive())
        {
            keep_alive.set_interval(seconds);
        }
    }
}

impl Client {
    /// A client with an empty Session that is not connected.
    ///
    /// # Errors
    /// If no valid CONNECT can be made of `options`.
    pub fn new(options: ConnectOptions) -> Result<Self, InvalidOptions> {
        options.validate()?;
        Ok(Self {
            options,
            phase: Phase::Closed,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            connection: Connection::new(0),
            input: Vec::new(),
            output: Vec::new(),
            events: VecDeque::new(),
        })
    }

    /// Begins a Network Connection that has just been opened: CONNECT is put into the output.
    /// Whatever was left of a former one is forgotten, the Session is not, unless Clean Start asks
    /// for it.
    pub fn connect(&mut self, now: Instant) {
        self.input.clear();
        self.output.clear();
        self.connection = Connection::new(self.options.topic_alias_maximum());
        self.connection.keep_alive = Some(KeepAlive::new(self.options.keep_alive, now));
        self.incoming.begin_connection();
        self.phase = Phase::Connecting {
            deadline: now + self.options.connack_timeout,
        };
        let connect = connect_packet(&self.options);
        connect.encode(self.options.version, &mut self.output);
    }

    /// Bytes that the Server has to get, in this order.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The first `count` bytes of [`output`](Self::output) have been written.
    ///
    /// # Panics
    /// If `count` is more than there was.
    pub fn transmitted(&mut self, count: usize, now: Instant) {
        self.output.drain(..count);
        if count > 0
            && let Some(keep_alive) = &mut self.connection.keep_alive
        {
            keep_alive.sent(now);
        }
    }

    /// Takes bytes from the Server, in any portions.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.input.is_empty() {
            let used = self.handle_packets(bytes);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(bytes);
            let used = self.handle_packets(&input);
            input.drain(..used);
            self.input = input;
        }
    }

    /// Handles every complete packet in `bytes`; returns how many bytes are done with.
    fn handle_packets(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while matches!(self.phase, Phase::Connecting { .. } | Phase::Connected) {
            match self.handle_packet(&bytes[used..]) {
                Ok(Some(length)) => used += length,
                Ok(None) => return used,
                Err(fault) => self.fail(fault),
            }
        }
        bytes.len()
    }

    /// Handles the packet that `bytes` begins with; its length, or `None` if it is incomplete.
    fn handle_packet(&mut self, bytes: &[u8]) -> Result<Option<usize>, ServerFault> {
        match split_frame(bytes, self.options.maximum_packet_size())? {
            Framing::Incomplete { .. } => Ok(None),
            Framing::Complete { frame, length } => {
                self.receive(Packet::decode(self.options.version, frame)?)?;
                Ok(Some(length))
            }
        }
    }

    /// Takes the end of the Network Connection, whoever ended it.
    pub fn handle_close(&mut self) {
        let closed = match self.phase {
            Phase::Closed | Phase::Closing { reported: true } => None,
            Phase::Closing { reported: false } => Some(Closed::ByClient),
            Phase::Connecting { .. } | Phase::Connected => Some(Closed::Lost),
        };
        self.events.extend(closed.map(Event::Closed));
        self.phase = Phase::Closed;
        self.input.clear();
        self.output.clear();
    }

    /// Does what is due at `now`: PINGREQ, or giving the Server up.
    pub fn handle_time(&mut self, now: Instant) {
        match self.phase {
            Phase::Connecting { deadline } if deadline <= now => {
                self.close(Closed::ConnAckTimeout);
            }
            Phase::Connected => {
                match self
                    .connection
                    .keep_alive
                    .as_mut()
                    .map(|keep_alive| keep_alive.due(now))
                {
                    Some(Due::PingReq) => self.send(Packet::PingReq),
                    Some(Due::TimedOut) => self.close(Closed::KeepAliveTimeout),
                    Some(Due::Nothing) | None => {}
                }
            }
            _ => {}
        }
    }

    /// When [`handle_time`](Self::handle_time) is to be called next, if at all.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { deadline } => Some(deadline),
            Phase::Connected => self.connection.keep_alive.as_ref()?.deadline(),
            Phase::Closed | Phase::Closing { .. } => None,
        }
    }

    /// The oldest event that has not been taken.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the Network Connection is to be closed once the output is written.
    pub fn wants_close(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// Whether the Server has accepted the connection and it has not ended.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// What the Server announced.
    pub fn server_limits(&self) -> &ServerLimits {
        &self.connection.limits
    }

    /// The Client Identifier, which may be one that the Server has assigned.
    pub fn client_id(&self) -> &str {
        &self.options.client_id
    }

    /// The protocol version spoken.
    pub fn version(&self) -> ProtocolVersion {
        self.options.version
    }

    /// Puts a packet into the output.
    pub(crate) fn send(&mut self, packet: Packet<'_>) {
        packet.encode(self.options.version, &mut self.output);
    }

    /// Reports why the Network Connection is over and asks for it to be closed.
    pub(crate) fn close(&mut self, closed: Closed) {
        self.events.push_back(Event::Closed(closed));
        self.phase = Phase::Closing { reported: true };
    }

    /// Ends the Network Connection because of what the Server did. A 5.0 Server is told why.
    fn fail(&mut self, fault: ServerFault) {
        if self.phase == Phase::Connected && self.options.version.has_properties() {
            self.send(Packet::Disconnect(Disconnect {
                reason: fault.reason_code(),
                properties: Properties::EMPTY,
            }));
        }
        self.close(Closed::Fault(fault));
    }
}

fn connect_packet(options: &ConnectOptions) -> Connect<'_> {
    Connect {
        version: options.version,
        clean_start: options.clean_start,
        keep_alive: options.keep_alive,
        client_id: &options.client_id,
        will: options.will.as_ref().map(|will| Will {
            topic: &will.topic,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.as_properties(),
        }),
        user_name: options.user_name.as_deref(),
        password: options.password.as_deref(),
        properties: options.properties.as_properties(),
    }
}
