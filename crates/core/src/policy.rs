//! The door for authentication and authorisation: synchronous decisions, made outside of core.

use dunlin_packet::{Connect, QoS, ReasonCode};

use crate::id::ConnectionId;

/// Who may connect, publish and subscribe.
///
/// One per shard. Implementations decide at once from what they hold in memory.
pub trait Policy: Send {
    /// Judges a CONNECT. With an Authentication Method in it this begins an exchange.
    fn connect(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Decision;

    /// Judges the next AUTH of an exchange that [`Decision::Continue`] keeps open, or that a Client
    /// begins anew with Re-authenticate (0x19).
    fn authenticate(&mut self, connection: ConnectionId, method: &str, data: &[u8]) -> Decision;

    /// The connection has ended; what was kept for it can go.
    fn closed(&mut self, connection: ConnectionId) {
        let _ = connection;
    }

    /// Whether a Client may publish to a topic.
    fn publish(&self, client_id: &str, topic: &str) -> bool {
        let _ = (client_id, topic);
        true
    }

    /// The highest QoS with which a Client may subscribe to a Topic Filter; `None`: not at all.
    fn subscribe(&self, client_id: &str, filter: &str, wanted: QoS) -> Option<QoS> {
        let _ = (client_id, filter);
        Some(wanted)
    }
}

/// What comes of a CONNECT or an AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let in, with the last Authentication Data of the exchange, if it was one.
    Accept {
        /// Goes into CONNACK or the final AUTH.
        data: Option<Vec<u8>>,
    },
    /// Send this Authentication Data and wait for the next AUTH. (0x18)
    Continue {
        /// The next Authentication Data.
        data: Vec<u8>,
    },
    /// Refused.
    Refuse(Refusal),
}

/// Why a CONNECT or an AUTH is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 0x80 or more.
    pub reason: ReasonCode,
    /// For a person to read.
    pub reason_string: Option<String>,
    /// Another Server to use, with Use another server (0x9C) and Server moved (0x9D).
    pub server_reference: Option<String>,
}

impl Refusal {
    /// A refusal with nothing but a Reason Code.
    pub const fn new(reason: ReasonCode) -> Self {
        Refusal {
            reason,
            reason_string: None,
            server_reference: None,
        }
    }
}

/// Everybody may do everything; no Authentication Method is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Policy for AllowAll {
    fn connect(&mut self, _: ConnectionId, connect: &Connect<'_>) -> Decision {
        match connect.properties.authentication_method() {
            // [MQTT-4.12.0-1]
            Some(_) => Decision::Refuse(Refusal::new(ReasonCode::BadAuthenticationMethod)),
            None => Decision::Accept { data: None },
        }
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> Decision {
        Decision::Refuse(Refusal::new(ReasonCode::BadAuthenticationMethod))
    }
}
