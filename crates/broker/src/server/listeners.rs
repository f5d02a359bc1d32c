//! From the listeners of the configuration to sockets that listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use anyhow::{Context, anyhow};
use dunlin_net::{ListenerId, ListenerOptions, Origins, Protocols};

use super::config::{Config, Family, ListenAddress, ListenerConfig, Protocol};

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 4096;

/// A socket that listens, and what is served there. The number in its [`ListenerId`] is the position
/// of its [`ListenerConfig`]; several sockets may belong to one.
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    pub(super) options: ListenerOptions,
}

/// Binds every listener of the configuration.
///
/// # Errors
/// The first address that cannot be bound.
pub(super) fn bind_all(config: &Config) -> anyhow::Result<Vec<Bound>> {
    let mut bound = Vec::new();
    for (number, listener) in config.listeners.iter().enumerate() {
        let id = u32::try_from(number).map_err(|_| anyhow!("too many listeners"))?;
        for socket in bind(&listener.address, config)? {
            let options = options(listener, ListenerId(id));
            bound.push(Bound { socket, options });
        }
    }
    Ok(bound)
}

/// What is served at a listener.
fn options(listener: &ListenerConfig, id: ListenerId) -> ListenerOptions {
    let pairs = [
        (Protocol::Mqtt, dunlin_net::Protocol::Mqtt),
        (Protocol::Mqtts, dunlin_net::Protocol::Mqtts),
        (Protocol::Ws, dunlin_net::Protocol::Ws),
        (Protocol::Wss, dunlin_net::Protocol::Wss),
    ];
    let allowed = pairs
        .into_iter()
        .filter(|(protocol, _)| listener.protocols.allows(*protocol));
    let allowed: Vec<_> = allowed.map(|(_, protocol)| protocol).collect();
    ListenerOptions {
        protocols: Protocols::of(&allowed),
        origins: match listener.origins.is_empty() {
            true => Origins::Any,
            false => Origins::Only(listener.origins.clone()),
        },
        ..ListenerOptions::new(id)
    }
}

/// All sockets of one address. With 127.0.0.1, [::1] is bound as well, unless another listener of the
/// configuration does that.
fn bind(address: &ListenAddress, config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let is_own = |ip: Ipv6Addr, port| {
        let address = ListenAddress::Ip(SocketAddr::new(ip.into(), port));
        config.listeners.iter().any(|it| it.address == address)
    };
    match address {
        ListenAddress::Ip(address)
            if address.ip() == Ipv4Addr::LOCALHOST
                && !is_own(Ipv6Addr::LOCALHOST, address.port()) =>
        {
            with_twin(*address, Ipv6Addr::LOCALHOST.into())
        }
        ListenAddress::Ip(address) => Ok(vec![dunlin_net::bind(*address, BACKLOG)?]),
        ListenAddress::Everywhere(port, family) => {
            let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), *port);
            let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), *port);
            match family {
                Family::Any => with_twin(v4, v6.ip()),
                Family::V4 => Ok(vec![dunlin_net::bind(v4, BACKLOG)?]),
                Family::V6 => Ok(vec![dunlin_net::bind(v6, BACKLOG)?]),
            }
        }
        ListenAddress::Host(host, port) => {
            let found = (host.as_str(), *port).to_socket_addrs();
            let mut found: Vec<_> = found
                .with_context(|| format!("the address of {host} cannot be found"))?
                .collect();
            found.sort();
            found.dedup();
            found
                .into_iter()
                .map(|address| Ok(dunlin_net::bind(address, BACKLOG)?))
                .collect()
        }
        ListenAddress::Unix(path) => Err(anyhow!("{} is a Unix socket", path.display())),
    }
}

/// Binds an IPv4 address, and the same port of an IPv6 address where the machine has that.
fn with_twin(address: SocketAddr, twin: IpAddr) -> anyhow::Result<Vec<TcpListener>> {
    let socket = dunlin_net::bind(address, BACKLOG)?;
    let twin = SocketAddr::new(twin, socket.local_addr()?.port());
    let mut sockets = vec![socket];
    match dunlin_net::bind(twin, BACKLOG) {
        Ok(socket) => sockets.push(socket),
        Err(error) => tracing::debug!("{twin} is not available: {error}"),
    }
    Ok(sockets)
}
