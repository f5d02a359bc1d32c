//! Addresses to listen on, as they are written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Family, ListenAddress};

/// Reads `IP:PORT`, `HOST:PORT`, `*:PORT` or `unix:PATH`.
pub(super) fn parse(text: &str) -> Result<ListenAddress, String> {
    let wrong = || {
        format!(
            "`{text}` is not an address: write IP:PORT, HOST:PORT, *:PORT for all addresses of this machine, or unix:PATH"
        )
    };
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(wrong()),
            path => Ok(ListenAddress::Unix(path.into())),
        };
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(ListenAddress::Ip(address));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    match host {
        "*" => Ok(ListenAddress::Everywhere(port, Family::Any)),
        "*4" => Ok(ListenAddress::Everywhere(port, Family::V4)),
        "*6" => Ok(ListenAddress::Everywhere(port, Family::V6)),
        // An IPv6 address needs its brackets, or it could not be told from its port.
        host if host.is_empty() || host.contains([':', '/', ' ', '[']) => Err(wrong()),
        host => Ok(of_host(host, port)),
    }
}

/// The address of a host, which may be an IP address, and a port.
pub(super) fn of_host(host: &str, port: u16) -> ListenAddress {
    match host.parse::<IpAddr>() {
        Ok(ip) => ListenAddress::Ip(SocketAddr::new(ip, port)),
        Err(_) => ListenAddress::Host(host.to_owned(), port),
    }
}

/// An address as [`parse`] reads it.
pub(super) fn show(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Everywhere(port, Family::V4) => format!("*4:{port}"),
        ListenAddress::Everywhere(port, Family::V6) => format!("*6:{port}"),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
        other => other.to_string(),
    }
}

/// Port `port` of this machine's loopback address.
pub(super) fn loopback(port: u16) -> ListenAddress {
    ListenAddress::Ip(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in [
            "127.0.0.1:1883",
            "[::1]:1883",
            "localhost:0",
            "*:1883",
            "*4:1",
            "*6:1",
            "unix:/run/d.sock",
        ] {
            assert_eq!(show(&parse(text).unwrap()), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "1883",
            ":1883",
            "::1:1883",
            "host:",
            "host:65536",
            "unix:",
            "a b:1",
            "http://h:1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
