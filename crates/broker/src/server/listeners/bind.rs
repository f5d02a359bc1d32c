//! From the address of a listener to its sockets.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use dunlin_net::{ListenError, ListeningSocket};

use crate::server::config::{Config, Family, ListenAddress};

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: u32 = 4096;

/// Who may use a Unix socket: its owner and its group.
const UNIX_MODE: u32 = 0o660;

/// Binds an address. With 127.0.0.1, [::1] is bound as well where the machine has it, unless another
/// listener of the configuration does that.
pub(super) fn bind(
    address: &ListenAddress,
    config: &Config,
) -> anyhow::Result<Vec<ListeningSocket>> {
    let is_own = |ip: Ipv6Addr, port| {
        let address = ListenAddress::Ip(SocketAddr::new(ip.into(), port));
        config.listeners.iter().any(|it| it.address == address)
    };
    match address {
        ListenAddress::Ip(address)
            if address.ip() == Ipv4Addr::LOCALHOST
                && !is_own(Ipv6Addr::LOCALHOST, address.port()) =>
        {
            bind_pair(*address, Ipv6Addr::LOCALHOST)
        }
        ListenAddress::Ip(address) => Ok(vec![dunlin_net::bind(*address, BACKLOG)?.into()]),
        ListenAddress::Everywhere(port, family) => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
            let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port));
            match family {
                Family::Any => bind_pair(v4, Ipv6Addr::UNSPECIFIED),
                Family::V4 => Ok(vec![dunlin_net::bind(v4, BACKLOG)?.into()]),
                Family::V6 => Ok(vec![dunlin_net::bind(v6, BACKLOG)?.into()]),
            }
        }
        ListenAddress::Host(host, port) => bind_host(host, *port),
        ListenAddress::Unix(path) => bind_unix(path),
    }
}

/// Binds an IPv4 address, and the same port of an IPv6 address if the machine has that.
fn bind_pair(first: SocketAddr, second: Ipv6Addr) -> anyhow::Result<Vec<ListeningSocket>> {
    let listener = dunlin_net::bind(first, BACKLOG)?;
    let twin = SocketAddr::new(second.into(), listener.local_addr()?.port());
    let mut sockets = vec![listener.into()];
    match dunlin_net::bind(twin, BACKLOG) {
        Ok(listener) => sockets.push(listener.into()),
        Err(error) => tracing::debug!("{twin} is not available: {error}"),
    }
    Ok(sockets)
}

fn bind_host(host: &str, port: u16) -> anyhow::Result<Vec<ListeningSocket>> {
    let found = (host, port).to_socket_addrs();
    let found = found.with_context(|| format!("{host} has no address"))?;
    let addresses: BTreeSet<SocketAddr> = found.collect();
    let mut sockets = Vec::new();
    let mut chosen = port;
    for mut address in addresses {
        address.set_port(chosen);
        match dunlin_net::bind(address, BACKLOG) {
            Ok(listener) => {
                chosen = listener.local_addr()?.port();
                sockets.push(listener.into());
            }
            // A name may have an address of a family that the machine has not.
            Err(ListenError::FamilyNotSupported { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if sockets.is_empty() {
        return Err(anyhow!(
            "{host} has no address that this machine can listen on"
        ));
    }
    Ok(sockets)
}

fn bind_unix(path: &std::path::Path) -> anyhow::Result<Vec<ListeningSocket>> {
    let path: PathBuf = std::path::absolute(path)?;
    let listener = dunlin_net::bind_unix(&path, UNIX_MODE, BACKLOG)?;
    Ok(vec![listener.into()])
}
