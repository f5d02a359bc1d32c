//! Listening sockets: accepting from them, and the patience when the system is exhausted.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use socket2::Socket;

use crate::bind::{ListenError, ListeningSocket};
use crate::{Address, ListenerOptions, Refused};

/// How long accepting stops when descriptors or kernel memory are exhausted and no connection
/// ends.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// The listeners of one reactor, and whether accepting is suspended.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    doors: Vec<Door>,
    /// Accepting failed for want of a resource, or was too fast: nothing is accepted until then.
    suspended_until: Option<Instant>,
}

/// A listening socket that is watched.
#[derive(Debug)]
enum Source {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl Source {
    fn register(registry: &Registry, token: Token, socket: ListeningSocket) -> io::Result<Self> {
        match socket {
            ListeningSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let mut listener = mio::net::TcpListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                Ok(Self::Tcp(listener))
            }
            ListeningSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let mut listener = mio::net::UnixListener::from_std(listener);
                registry.register(&mut listener, token, Interest::READABLE)?;
                Ok(Self::Unix(listener))
            }
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => registry.deregister(listener),
            Self::Unix(listener) => registry.deregister(listener),
        }
    }

    fn accept(&self) -> io::Result<(Socket, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((OwnedFd::from(stream).into(), Address::Ip(peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((OwnedFd::from(stream).into(), Address::Local))
            }
        }
    }
}

#[derive(Debug)]
struct Door {
    listener: Source,
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

    /// Replaces the options of all sockets of the same listener.
    pub(crate) fn set_options(&mut self, options: &Arc<ListenerOptions>) {
        let same = |door: &&mut Door| door.options.id == options.id;
        for door in self.doors.iter_mut().filter(same) {
            door.options = Arc::clone(options);
        }
    }

    /// Registers `listener` under `token`, behind the others.
    pub(crate) fn add(
        &mut self,
        registry: &Registry,
        token: Token,
        listener: ListeningSocket,
        options: Arc<ListenerOptions>,
    ) -> Result<(), ListenError> {
        let place = listener.place();
        let listener =
            Source::register(registry, token, listener).map_err(|e| ListenError::new(place, e))?;
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
            let gone = door.listener.deregister(registry);
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

    /// Nothing is to be accepted before `end`.
    pub(crate) fn suspend_until(&mut self, end: Instant) {
        self.suspended_until = Some(end);
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
                Ok(accepted) => return Some(Ok(accepted)),
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
