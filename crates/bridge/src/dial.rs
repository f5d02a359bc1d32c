//! To which address, and how a TCP connection to it comes about without blocking.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{AddressOrder, BridgeSettings};

/// How long one address may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The addresses of the other broker, and which is next.
#[derive(Debug)]
pub(crate) struct Dialer {
    addresses: Vec<String>,
    bind_address: Option<String>,
    order: AddressOrder,
    /// The one in use, or to be tried.
    current: usize,
}

/// A connection that comes about.
#[derive(Debug)]
pub(crate) struct Attempt {
    socket: Socket,
    /// Further addresses that the name has.
    rest: Vec<SocketAddr>,
    deadline: Instant,
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Progress {
    Waiting(Attempt),
    Connected(TcpStream),
}

impl Dialer {
    pub(crate) fn new(settings: &BridgeSettings) -> Self {
        Self {
            addresses: settings.addresses.clone(),
            bind_address: settings.bind_address.clone(),
            order: settings.order,
            current: 0,
        }
    }

    /// The address in use, or to be tried.
    pub(crate) fn address(&self) -> &str {
        &self.addresses[self.current]
    }

    /// Its host, as certificates name it.
    pub(crate) fn host(&self) -> &str {
        let address = self.address();
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The current one cannot be reached.
    pub(crate) fn failed(&mut self) {
        self.current = (self.current + 1) % self.addresses.len();
    }

    /// A connection that was there has ended.
    pub(crate) fn ended(&mut self) {
        match self.order {
            AddressOrder::FirstPreferred => self.current = 0,
            AddressOrder::RoundRobin => self.failed(),
        }
    }

    /// Whether there is a better address than the one in use.
    pub(crate) fn prefers_another(&self) -> bool {
        self.order == AddressOrder::FirstPreferred && self.current != 0
    }

    /// Begins to connect to the current address. Looking up its name may take its time.
    pub(crate) fn dial(&self, now: Instant) -> io::Result<Attempt> {
        self.dial_number(self.current, now)
    }

    /// Begins to connect to the first address, to see whether it is there again.
    pub(crate) fn dial_first(&self, now: Instant) -> io::Result<Attempt> {
        self.dial_number(0, now)
    }

    fn dial_number(&self, number: usize, now: Instant) -> io::Result<Attempt> {
        let mut rest: Vec<SocketAddr> = self.addresses[number].to_socket_addrs()?.collect();
        rest.reverse();
        loop {
            let Some(address) = rest.pop() else {
                return Err(io::Error::new(
                    ErrorKind::NotFound,
                    "the name has no address",
                ));
            };
            match self.open(address) {
                Ok(socket) => {
                    let deadline = now + TIMEOUT;
                    return Ok(Attempt {
                        socket,
                        rest,
                        deadline,
                    });
                }
                Err(error) if rest.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Begins to connect to one address.
    fn open(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(name) = &self.bind_address {
            let mut own = (name.as_str(), 0).to_socket_addrs()?;
            let own = own.find(|own| own.is_ipv4() == address.is_ipv4());
            let own = own.ok_or(ErrorKind::AddrNotAvailable)?;
            socket.bind(&SockAddr::from(own))?;
        }
        match socket.connect(&SockAddr::from(address)) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
            _ => Ok(socket),
        }
    }

    /// Looks whether an attempt has succeeded, or goes on to the next address of its name.
    ///
    /// # Errors
    /// No address of the name could be connected to.
    pub(crate) fn progress(&self, mut attempt: Attempt, now: Instant) -> io::Result<Progress> {
        let failure = match attempt.socket.take_error()? {
            Some(error) => error,
            None if attempt.socket.peer_addr().is_ok() => {
                return Ok(Progress::Connected(attempt.socket.into()));
            }
            None if now < attempt.deadline => return Ok(Progress::Waiting(attempt)),
            None => ErrorKind::TimedOut.into(),
        };
        while let Some(address) = attempt.rest.pop() {
            if let Ok(socket) = self.open(address) {
                attempt.socket = socket;
                attempt.deadline = now + TIMEOUT;
                return Ok(Progress::Waiting(attempt));
            }
        }
        Err(failure)
    }
}

impl Attempt {
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(order: AddressOrder) -> Dialer {
        Dialer {
            addresses: vec!["a:1".into(), "b:2".into(), "[::1]:3".into()],
            bind_address: None,
            order,
            current: 0,
        }
    }

    #[test]
    fn the_first_address_is_gone_back_to() {
        let mut dialer = dialer(AddressOrder::FirstPreferred);
        assert!(!dialer.prefers_another());
        dialer.failed();
        dialer.failed();
        assert_eq!((dialer.address(), dialer.host()), ("[::1]:3", "::1"));
        assert!(dialer.prefers_another());
        dialer.ended();
        assert_eq!(dialer.address(), "a:1");
    }

    #[test]
    fn or_each_in_its_turn() {
        let mut dialer = dialer(AddressOrder::RoundRobin);
        dialer.ended();
        assert_eq!(dialer.address(), "b:2");
        assert!(!dialer.prefers_another());
        dialer.failed();
        dialer.ended();
        assert_eq!(dialer.address(), "a:1");
    }
}
