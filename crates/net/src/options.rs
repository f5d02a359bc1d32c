//! What a listener serves.

use crate::ListenerId;

/// What a listener serves. By default everything: the first bytes of a connection tell MQTT and
/// WebSocket apart.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// The name of the listener in [`Peer`](crate::Peer) and logs.
    pub id: ListenerId,
    /// Which protocols are served. Default: any.
    pub protocols: Protocols,
    /// Which web pages may connect. Default: any.
    pub origins: Origins,
}

impl ListenerOptions {
    /// Everything that needs no configuration is served.
    pub fn new(id: ListenerId) -> Self {
        Self {
            id,
            protocols: Protocols::default(),
            origins: Origins::default(),
        }
    }
}

/// Which protocols a listener serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocols {
    /// All, told apart by the first byte: `G` of `GET` begins WebSocket, everything else is MQTT.
    #[default]
    Any,
    /// Nothing but MQTT.
    Mqtt,
    /// Nothing but MQTT over WebSocket.
    WebSocket,
}

/// Which web pages may connect by WebSocket. Browsers name the page's origin in the handshake;
/// programs need not name one, and are not judged by this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any page.
    #[default]
    Any,
    /// Pages of these origins (`https://example.org`, `http://localhost:8080`), in whatever case.
    Only(Vec<String>),
}

impl Origins {
    pub(crate) fn allow(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins
                .iter()
                .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin)),
        }
    }
}
