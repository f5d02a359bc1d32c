//! What a listener serves.

use std::fmt;
use std::net::IpAddr;

use crate::{ListenerId, TlsServer};

/// What a listener serves. By default everything that needs no certificate: the first bytes of a
/// connection tell MQTT, WebSocket and TLS apart.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// The name of the listener in [`Peer`](crate::Peer) and logs.
    pub id: ListenerId,
    /// Which protocols are served. Default: all.
    pub protocols: Protocols,
    /// Certificate and key; without them, nothing is served in TLS. Default: none.
    pub tls: Option<TlsServer>,
    /// Whether connections come by a proxy. Default: no.
    pub proxies: Proxies,
    /// Which web pages may connect. Default: any.
    pub origins: Origins,
}

impl ListenerOptions {
    /// Everything that needs no configuration is served.
    pub fn new(id: ListenerId) -> Self {
        Self {
            id,
            protocols: Protocols::ALL,
            tls: None,
            proxies: Proxies::default(),
            origins: Origins::default(),
        }
    }

    /// Whether the first byte of a connection has something to tell.
    pub(crate) fn must_detect(&self) -> bool {
        self.protocols != Protocols::of(&[Protocol::Mqtt])
    }
}

/// Whether connections come by a proxy that begins them with a PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proxies {
    /// No: a header is not understood.
    #[default]
    None,
    /// Yes, all of them, with version 1 or 2: a connection without a header is closed. Whoever
    /// reaches the listener can claim to be at any address.
    Always,
}

/// One way to speak MQTT over a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// MQTT itself.
    Mqtt = 1,
    /// MQTT in TLS.
    Mqtts = 2,
    /// MQTT in WebSocket.
    Ws = 4,
    /// MQTT in WebSocket in TLS.
    Wss = 8,
}

/// The scheme of its URLs.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

/// A set of protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocols(u8);

impl Protocols {
    /// All of them.
    pub const ALL: Self = Self(15);

    /// Exactly these.
    pub fn of(protocols: &[Protocol]) -> Self {
        Self(protocols.iter().fold(0, |set, &one| set | one as u8))
    }

    /// Whether `protocol` is among them.
    pub const fn allow(self, protocol: Protocol) -> bool {
        self.0 & protocol as u8 != 0
    }
}

/// Which web pages may connect by WebSocket. Browsers name the page's origin in the handshake;
/// programs need not name one, and are not judged by this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any page.
    #[default]
    Any,
    /// Pages of these origins (`https://example.org`, `http://localhost:8080`), in whatever case;
    /// `local` stands for all pages that this machine serves to itself.
    Only(Vec<String>),
}

impl Origins {
    pub(crate) fn allow(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|allowed| match &**allowed {
                "local" => is_local(origin),
                allowed => allowed.as_bytes().eq_ignore_ascii_case(origin),
            }),
        }
    }
}

/// Whether an origin is `localhost`, a name below it, or a loopback address, with any port.
fn is_local(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else {
        return false;
    };
    let origin = origin.to_ascii_lowercase();
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_loopback = host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        let local = Origins::Only(vec!["local".to_owned()]);
        for origin in [
            "http://localhost",
            "https://LOCALHOST:8080",
            "http://app.localhost:3000",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
        ] {
            assert!(local.allow(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "file://",
            "https://example.org",
            "http://localhost.example.org",
            "http://127.0.0.1.example.org",
            "http://example.org:127",
            "localhost",
        ] {
            assert!(!local.allow(origin.as_bytes()), "{origin}");
        }
    }
}
