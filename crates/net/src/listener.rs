//! Binding a listening socket, and accepting from it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Address, ListenerOptions, Refused};

/// How long accepting stops when descriptors or kernel memory are exhausted and no connection
/// ends.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another socket listens there.
    #[error("{address} is in use by another process or listener")]
    AddressInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// No interface of this machine has the address.
    #[error("{address} is not an address of this machine")]
    AddressNotAvailable {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The port needs a privilege (on most systems, those below 1024).
    #[error("this process may not listen on {address}")]
    PermissionDenied {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system has no IPv6, or no IPv4.
    #[error("this system does not support the address family of {address}")]
    FamilyNotSupported {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The reactor has as many listeners as it can tell apart.
    #[error("more than {maximum} listeners")]
    TooMany {
        /// The fixed maximum.
        maximum: usize,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Failed {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address },
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable { address },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address },
            io::ErrorKind::Unsupported => Self::FamilyNotSupported { address },
            _ if source.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                Self::FamilyNotSupported { address }
            }
            _ => Self::Failed { address, source },
        }
    }
}

/// A listening TCP socket at `address`, non-blocking, with `SO_REUSEADDR`, so that a restarted
/// server gets its port back. An IPv6 socket takes IPv6 only, so that `0.0.0.0` and `[::]` can
/// both be bound. `backlog` is how many established connections the kernel keeps for us until
/// they are accepted; the system's own maximum applies too. Port 0 takes any free port.
///
/// # Errors
/// [`ListenError`], by cause.
pub fn bind(address: SocketAddr, backlog: u32) -> Result<TcpListener, ListenError> {
    open(address, backlog).map_err(|source| ListenError::new(address, source))
}

fn open(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn register(
    registry: &Registry,
    token: Token,
    listener: TcpListener,
) -> io::Result<mio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    registry.register(&mut listener, token, Interest::READABLE)?;
    Ok(listener)
}

/// The listeners of one reactor, and whether accepting is suspended.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    doors: Vec<Door>,
    /// Accepting failed for want of a resource: nothing is accepted until then.
    suspended_until: Option<Instant>,
}

#[derive(Debug)]
struct Door {
    listener: mio::net::TcpListener,
    options: Arc<ListenerOptions>,
    /// The kernel may hold connections that we have not accepted: an event came, and no accept
    /// since has found the backlog empty.
    ready: bool,
}

impl Listeners {
    pub(crate) fn len(&self) -> usize {
        self.doors.len()
    }

    pub(crate) fn options(&self, position: usize) -> &Arc<ListenerOptions> {
        &self.doors[position].options
    }

    /// Registers `listener` under `token`, behind the others.
    pub(crate) fn add(
        &mut self,
        registry: &Registry,
        token: Token,
        listener: TcpListener,
        options: Arc<ListenerOptions>,
    ) -> Result<(), ListenError> {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unspecified);
        let listener = register(registry, token, listener)
            .map_err(|source| ListenError::new(address, source))?;
        self.doors.push(Door {
            listener,
            options,
            ready: true,
        });
        Ok(())
    }

    /// Deregisters and closes all of them. A clone of the same socket in another reactor goes on
    /// listening; without deregistering, it would keep the registration here alive.
    pub(crate) fn clear(&mut self, registry: &Registry) {
        for mut door in self.doors.drain(..) {
            let gone = registry.deregister(&mut door.listener);
            gone.expect("a registered listener can be deregistered");
        }
        self.suspended_until = None;
    }

    /// An event came for the listener at `position`.
    pub(crate) fn mark_ready(&mut self, position: usize) {
        if let Some(door) = self.doors.get_mut(position) {
            door.ready = true;
        }
    }

    /// A connection ended: what accepting lacked may be there now.
    pub(crate) fn resume(&mut self) {
        self.suspended_until = None;
    }

    /// When there is something to accept: at once (`Some(None)`), or at that time.
    pub(crate) fn due(&self) -> Option<Option<Instant>> {
        let ready = self.doors.iter().any(|door| door.ready);
        ready.then_some(self.suspended_until)
    }

    /// Whether accepting is suspended still.
    pub(crate) fn suspended(&mut self) -> bool {
        if self
            .suspended_until
            .is_some_and(|end| end <= Instant::now())
        {
            self.suspended_until = None;
        }
        self.suspended_until.is_some()
    }

    /// The next connection that waits at the listener at `position`, or why there is none now;
    /// `None` when none waits. A failure for want of a resource suspends accepting.
    pub(crate) fn accept(&mut self, position: usize) -> Option<Result<(Socket, Address), Refused>> {
        let door = self.doors.get_mut(position)?;
        if !door.ready {
            return None;
        }
        loop {
            let error = match door.listener.accept() {
                Ok((stream, peer)) => {
                    let stream = Socket::from(OwnedFd::from(stream));
                    return Some(Ok((stream, Address::Ip(peer))));
                }
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                door.ready = false;
                return None;
            }
            if !is_of_one_connection(&error) {
                self.suspended_until = Some(Instant::now() + EXHAUSTED_PAUSE);
                return Some(Err(Refused::from_accept(error)));
            }
        }
    }
}

impl Refused {
    fn from_accept(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EMFILE) => Self::ProcessFileLimit,
            Some(libc::ENFILE) => Self::SystemFileLimit,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::NoKernelMemory,
            _ => Self::Failed(error),
        }
    }
}

/// Whether accept(2) reports the failure of one connection that ended before it was accepted: the
/// next one may be well. Linux reports errors of the network here, too.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
    )
}
