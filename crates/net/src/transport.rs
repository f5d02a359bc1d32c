//! A connection on its way between the reactors of two threads.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use socket2::Socket;

use crate::Permit;
use crate::layers::Layers;

/// An open socket, with its layers, that belongs to no reactor: what [`Reactor::detach`](crate::Reactor::detach)
/// gives and [`Reactor::attach`](crate::Reactor::attach) takes, on any thread. Bytes that wait in
/// the kernel stay there for the new reactor. Dropping it closes the connection.
#[derive(Debug)]
pub struct Transport {
    pub(crate) stream: Socket,
    pub(crate) layers: Option<Box<Layers>>,
    pub(crate) permit: Option<Box<Permit>>,
}

impl Transport {
    /// A connection that was made elsewhere, plain: an outgoing one, or a test's.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking and immediate (`TCP_NODELAY`).
    pub fn new(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: stream.into(),
            layers: None,
            permit: None,
        })
    }

    /// With the place that it has taken among those that may be there.
    #[must_use]
    pub fn with_permit(self, permit: Permit) -> Self {
        Self {
            permit: Some(Box::new(permit)),
            ..self
        }
    }

    /// One end of a pair of Unix sockets, whose other end somebody of this process has.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub fn from_pipe(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: OwnedFd::from(stream).into(),
            layers: None,
            permit: None,
        })
    }
}

/// One end of a pair of Unix sockets, whose other end a thread of this process holds.
#[cfg(unix)]
impl TryFrom<std::os::unix::net::UnixStream> for Transport {
    type Error = io::Error;

    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: std::os::fd::OwnedFd::from(stream).into(),
            layers: None,
            permit: None,
        })
    }
}

/// A reactor could not take over a [`Transport`]; the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The reactor holds as many connections as it may.
    #[error("the maximum of {maximum} connections is reached")]
    MaximumConnections {
        /// The configured maximum.
        maximum: usize,
    },
    /// The kernel refused to watch the socket.
    #[error("the socket cannot be watched: {0}")]
    Watch(#[from] io::Error),
}
