//! The header of the PROXY protocol, versions 1 and 2: who is behind the proxy.
//!
//! ```text
//!   1:  PROXY TCP4 192.0.2.7 198.51.100.1 50000 1883\r\n
//!   2:  twelve fixed bytes · version and command · family · length (2) · addresses · further values
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, and of version 2 what is read of further values.
const TEXT_MAXIMUM: usize = 107;
const BINARY_MAXIMUM: usize = 4096;

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The connection does not begin with a header: it did not come by the proxy.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// A line that is not of version 1.
    #[error("a malformed header of version 1")]
    Text,
    /// Something that is not of version 2.
    #[error("a malformed header of version 2")]
    Binary,
    /// More than 4,096 bytes.
    #[error("a header that is too long")]
    TooLong,
}

/// A complete header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Bytes of it.
    pub length: usize,
    /// Where the Client is, and the address that it connected to. `None` if the proxy speaks for
    /// itself (a health check), or does not say.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

impl ProxyHeader {
    /// Reads the header at the front of `bytes`; `None` if it is not complete.
    ///
    /// # Errors
    /// [`ProxyError`], as soon as it is clear.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, ProxyError> {
        let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
        if begins(SIGNATURE) {
            binary(bytes)
        } else if begins(b"PROXY ") {
            text(bytes)
        } else {
            Err(ProxyError::Missing)
        }
    }
}

fn text(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let searched = &bytes[..bytes.len().min(TEXT_MAXIMUM)];
    let Some(end) = searched.windows(2).position(|window| window == b"\r\n") else {
        return match searched.len() {
            TEXT_MAXIMUM => Err(ProxyError::Text),
            _ => Ok(None),
        };
    };
    let line = std::str::from_utf8(&searched[..end]).map_err(|_| ProxyError::Text)?;
    let addresses = match line.split(' ').collect::<Vec<_>>()[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        [
            "PROXY",
            family @ ("TCP4" | "TCP6"),
            from,
            to,
            from_port,
            to_port,
        ] => {
            let address = |ip: &str, port: &str| {
                let ip: IpAddr = ip.parse().ok()?;
                let fits = ip.is_ipv4() == (family == "TCP4");
                let port = port.parse().ok().filter(|_| !port.starts_with('+'))?;
                fits.then_some(SocketAddr::new(ip, port))
            };
            let addresses = address(from, from_port).zip(address(to, to_port));
            Some(addresses.ok_or(ProxyError::Text)?)
        }
        _ => return Err(ProxyError::Text),
    };
    let length = end + 2;
    Ok(Some(ProxyHeader { length, addresses }))
}

fn binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let Some((&[.., command, family, high, low], rest)) = bytes.split_first_chunk::<16>() else {
        return Ok(None);
    };
    if command >> 4 != 2 {
        return Err(ProxyError::Binary);
    }
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > BINARY_MAXIMUM {
        return Err(ProxyError::TooLong);
    }
    let Some(content) = rest.get(..size) else {
        return Ok(None);
    };
    let addresses = match (command & 0xf, family) {
        // LOCAL: a connection of the proxy's own.
        (0, _) => None,
        (1, 0x11) => Some(addresses_in::<4>(content)?),
        (1, 0x21) => Some(addresses_in::<16>(content)?),
        // UNSPEC, Unix sockets, datagrams: nothing that we could use.
        (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        _ => return Err(ProxyError::Binary),
    };
    let length = 16 + size;
    Ok(Some(ProxyHeader { length, addresses }))
}

/// Two IP addresses of `N` bytes each, then two ports.
fn addresses_in<const N: usize>(content: &[u8]) -> Result<(SocketAddr, SocketAddr), ProxyError> {
    let ip = |bytes: &[u8]| match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(v4), _) => Some(IpAddr::from(Ipv4Addr::from(v4))),
        (_, Ok(v6)) => Some(IpAddr::from(Ipv6Addr::from(v6))),
        _ => None,
    };
    let address = |at: usize, port_at: usize| {
        let port = content.get(port_at..port_at + 2)?.try_into().ok()?;
        let ip = ip(content.get(at..at + N)?)?;
        Some(SocketAddr::new(ip, u16::from_be_bytes(port)))
    };
    let addresses = address(0, 2 * N).zip(address(N, 2 * N + 2));
    addresses.ok_or(ProxyError::Binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
        let whole = ProxyHeader::read(bytes);
        // Whatever is less than the header says nothing yet, or the same fault.
        for length in 0..bytes.len() {
            match ProxyHeader::read(&bytes[..length]) {
                Ok(None) => {}
                Ok(Some(header)) => assert_eq!(Ok(Some(header)), whole),
                Err(error) => assert_eq!(Err(error), whole),
            }
        }
        whole
    }

    fn addresses(bytes: &[u8]) -> Option<(String, String)> {
        let header = read(bytes).unwrap().unwrap();
        assert_eq!(header.length, bytes.len());
        let (from, to) = header.addresses?;
        Some((from.to_string(), to.to_string()))
    }

    fn version_2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, content].concat()
    }

    #[test]
    fn lines_of_version_1() {
        assert_eq!(
            addresses(b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 1883\r\n"),
            Some(("192.0.2.7:50000".into(), "198.51.100.1:1883".into()))
        );
        assert_eq!(
            addresses(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
            Some(("[2001:db8::1]:1".into(), "[::1]:65535".into()))
        );
        assert_eq!(addresses(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(addresses(b"PROXY UNKNOWN what ever it is\r\n"), None);
    }

    #[test]
    fn broken_lines_of_version_1() {
        for line in [
            &b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n"[..],
            b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 1883 9\r\n",
            b"PROXY TCP4 ::1 ::1 1 1\r\n",
            b"PROXY TCP6 192.0.2.7 198.51.100.1 1 1\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 1883\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 +5 1883\r\n",
            b"PROXY TCP4 192.0.2.7  198.51.100.1 5 1883\r\n",
            b"PROXY UDP4 192.0.2.7 198.51.100.1 5 1883\r\n",
            b"PROXY \xff\r\n",
        ] {
            assert_eq!(read(line), Err(ProxyError::Text), "{line:?}");
        }
        assert_eq!(
            read(&[b"PROXY ", &[b' '; 101][..]].concat()),
            Err(ProxyError::Text)
        );
        assert_eq!(read(b"\x10\x0c\0\x04MQTT"), Err(ProxyError::Missing));
        assert_eq!(read(b"PROXX"), Err(ProxyError::Missing));
    }

    #[test]
    fn headers_of_version_2() {
        let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x07, 0x5b];
        let expected = Some(("192.0.2.7:50000".into(), "198.51.100.1:1883".into()));
        assert_eq!(addresses(&version_2(0x21, 0x11, &v4)), expected);
        // With further values behind the addresses.
        let more = [&v4[..], &[0x04, 0, 2, 9, 9]].concat();
        assert_eq!(addresses(&version_2(0x21, 0x11, &more)), expected);
        let mut v6 = [0; 36];
        (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
        let expected = Some(("[::1]:3".into(), "[::2]:4".into()));
        assert_eq!(addresses(&version_2(0x21, 0x21, &v6)), expected);
        assert_eq!(addresses(&version_2(0x20, 0x00, &[])), None);
        assert_eq!(addresses(&version_2(0x20, 0x11, &v4)), None);
        assert_eq!(addresses(&version_2(0x21, 0x31, &[0; 216])), None);
    }

    #[test]
    fn broken_headers_of_version_2() {
        for bytes in [
            version_2(0x11, 0x11, &[0; 12]),
            version_2(0x22, 0x11, &[0; 12]),
            version_2(0x21, 0x41, &[0; 12]),
            version_2(0x21, 0x11, &[0; 11]),
            version_2(0x21, 0x21, &[0; 12]),
        ] {
            assert_eq!(read(&bytes), Err(ProxyError::Binary), "{bytes:02x?}");
        }
        let long = version_2(0x21, 0x11, &[0; 4097]);
        assert_eq!(read(&long), Err(ProxyError::TooLong));
    }
}
