//! Who is at the other end of a connection, as far as the transport can tell.

use std::fmt;
use std::net::SocketAddr;

use crate::{ListenerId, TlsSession};

/// What is known of a connection when its first MQTT bytes arrive: what a broker authenticates by,
/// besides CONNECT itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The listener that it came in by.
    pub listener: ListenerId,
    /// Where the Client is: the other end of the socket, or what a PROXY header said.
    pub address: Address,
    /// Our address, as the Client knows it: of the socket, or what a PROXY header said.
    pub local: Address,
    /// The proxy in between, if there was a PROXY header.
    pub proxy: Option<Address>,
    /// How MQTT is carried.
    pub carrier: Carrier,
    /// What TLS says, if it is there.
    pub tls: Option<TlsSession>,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// IPv4 or IPv6, with the port.
    Ip(SocketAddr),
    /// A Unix socket: a process of this machine.
    Local,
}

impl Address {
    /// The address and port, but for a Unix socket.
    pub const fn ip(self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(address),
            Self::Local => None,
        }
    }

    /// Whether the other end is on this machine, by what the address says alone.
    pub fn is_loopback(self) -> bool {
        self.ip().is_none_or(|address| address.ip().is_loopback())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// `127.0.0.1:1883`, `[::1]:1883` or `local`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// What carries the bytes of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The socket itself, or TLS on it.
    Stream,
    /// WebSocket, on the socket itself or on TLS.
    WebSocket,
    /// A stream of QUIC.
    Quic,
}
