//! Binding listening sockets.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address and a TCP port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Path(PathBuf),
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// `127.0.0.1:1883` or the path.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// A socket that listens, of either kind.
#[derive(Debug)]
pub enum ListeningSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Another handle of the same socket, for another reactor.
    ///
    /// # Errors
    /// For want of file descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }

    /// Where it listens: with the port that was chosen, if 0 was asked for.
    pub fn place(&self) -> Place {
        match self {
            Self::Tcp(listener) => {
                let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
                Place::Ip(listener.local_addr().unwrap_or(unspecified))
            }
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                Place::Path(path.unwrap_or(Path::new("")).to_owned())
            }
        }
    }
}

impl From<TcpListener> for ListeningSocket {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for ListeningSocket {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// A listening socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another socket listens there.
    #[error("{address} is in use by another process or listener")]
    AddressInUse {
        /// The address that was asked for.
        address: Place,
    },
    /// No interface of this machine has the address.
    #[error("{address} is not an address of this machine")]
    AddressNotAvailable {
        /// The address that was asked for.
        address: Place,
    },
    /// The port needs a privilege (on most systems, those below 1024).
    #[error("this process may not listen on {address}")]
    PermissionDenied {
        /// The address that was asked for.
        address: Place,
    },
    /// The system has no IPv6, or no IPv4.
    #[error("this system does not support the address family of {address}")]
    FamilyNotSupported {
        /// The address that was asked for.
        address: Place,
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
        address: Place,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ListenError {
    pub(crate) fn new(address: Place, source: io::Error) -> Self {
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
    open(address, backlog).map_err(|source| ListenError::new(address.into(), source))
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

/// A listening Unix socket at `path`, non-blocking, which `mode` (as of chmod) says who may use. A
/// socket that is left there by a process that has ended is replaced. The file stays when the
/// listener is dropped.
///
/// # Errors
/// [`ListenError`], by cause.
pub fn bind_unix(path: &Path, mode: u32, backlog: u32) -> Result<UnixListener, ListenError> {
    open_unix(path, mode, backlog)
        .map_err(|source| ListenError::new(Place::Path(path.to_owned()), source))
}

fn open_unix(path: &Path, mode: u32, backlog: u32) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(OwnedFd::from(socket).into())
}
