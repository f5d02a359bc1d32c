//! The Network Connection of a tool, and all that is waited for: the server, standard input, time,
//! and the signals that ask the tool to end.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use dunlin_client::{Client, Closed, Driver, Event};
use dunlin_packet::{PropertiesBuf, ReasonCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::Setup;
use super::failure::Failure;
use super::packet_log::PacketLog;

/// How long one address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Between attempts to reach a server that has gone away.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// A client and what can wake it.
pub(crate) struct Link {
    driver: Driver,
    target: Target,
    /// Readable once a signal has come.
    signals: UnixStream,
    /// For DISCONNECT.
    farewell: PropertiesBuf,
}

/// Where to connect to, again and again.
#[derive(Debug)]
struct Target {
    host: String,
    port: u16,
    bind_address: Option<String>,
    nodelay: bool,
}

/// Why a wait ended.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Something happened on the connection.
    Event(Event),
    /// Standard input can be read.
    Input,
    /// The given time has come.
    Time,
}

impl Link {
    /// Connects and sends CONNECT.
    pub(crate) fn open(setup: &Setup) -> Result<Self, Failure> {
        let version = setup.options.version;
        let client = Client::new(setup.options.clone())
            .map_err(|error| Failure::usage(error.to_string()))?;
        let (signals, write) = UnixStream::pair().map_err(Self::local_failure)?;
        for signal in [SIGINT, SIGTERM] {
            let write = write.try_clone().map_err(Self::local_failure)?;
            signal_hook::low_level::pipe::register(signal, write).map_err(Self::local_failure)?;
        }
        let target = Target {
            host: setup.host.clone(),
            port: setup.port,
            bind_address: setup.bind_address.clone(),
            nodelay: setup.nodelay,
        };
        let stream = target.connect()?;
        let mut driver = Driver::new(client, stream).map_err(Self::local_failure)?;
        if setup.debug {
            let mut log = PacketLog::new(version, setup.options.client_id.clone());
            driver.observe(move |direction, bytes| log.observe(direction, bytes));
        }
        let farewell = setup.properties.disconnect.clone();
        Ok(Self {
            driver,
            target,
            signals,
            farewell,
        })
    }

    fn local_failure(error: io::Error) -> Failure {
        Failure::usage(error.to_string())
    }

    /// The client, to ask it for something.
    pub(crate) fn client(&mut self) -> &mut Client {
        self.driver.client()
    }

    /// Writes what the client has put out.
    pub(crate) fn flush(&mut self) {
        self.driver.flush();
    }

    /// The next thing that happens: an event, `until`, or that `input` can be read.
    ///
    /// # Errors
    /// If a signal asks the tool to end; the server has been told then.
    pub(crate) fn wait(
        &mut self,
        until: Option<Instant>,
        input: Option<BorrowedFd<'_>>,
    ) -> Result<Wake, Failure> {
        loop {
            if let Some(event) = self.driver.poll_event() {
                return Ok(Wake::Event(event));
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(Wake::Time);
            }
            let deadline = [until, self.client().next_deadline()]
                .into_iter()
                .flatten()
                .min();
            let [signal, network, input_ready] = poll_readable(
                [
                    Some(self.signals.as_fd()),
                    Some(self.driver.stream().as_fd()),
                    input,
                ],
                deadline,
            );
            if signal {
                self.disconnect();
                return Err(Failure::interrupted());
            }
            if network {
                self.driver.receive(None);
            } else if input_ready {
                return Ok(Wake::Input);
            }
        }
    }

    /// Waits for the server's answer to CONNECT, until `until` if given.
    pub(crate) fn connected(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        loop {
            match self.wait(until, None)? {
                Wake::Event(Event::Connected { .. }) => return Ok(()),
                Wake::Event(Event::Closed(closed)) => return Err(self.failure(&closed)),
                Wake::Event(_) | Wake::Input => {}
                Wake::Time => return Err(Failure::timed_out()),
            }
        }
    }

    /// After the Network Connection was lost: tries again and again until there is another one, or
    /// until `until`. The server's answer to CONNECT arrives as an event.
    pub(crate) fn reconnect(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        loop {
            let attempt = Instant::now() + RECONNECT_DELAY;
            let pause = until.map_or(attempt, |until| until.min(attempt));
            while Instant::now() < pause {
                let [signal] = poll_readable([Some(self.signals.as_fd())], Some(pause));
                if signal {
                    return Err(Failure::interrupted());
                }
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(Failure::timed_out());
            }
            if let Ok(stream) = self.target.connect() {
                return self.driver.reconnect(stream).map_err(Self::local_failure);
            }
        }
    }

    /// Sends DISCONNECT and closes the Network Connection.
    pub(crate) fn disconnect(&mut self) {
        self.driver
            .client()
            .disconnect(ReasonCode::Success, &self.farewell);
        self.flush();
    }

    /// The failure that a closed connection is.
    pub(crate) fn failure(&mut self, closed: &Closed) -> Failure {
        Failure::closed(closed, self.client().version())
    }
}

/// Waits until `deadline` for one of `fds` to be readable, or at its end; which ones are.
fn poll_readable<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    deadline: Option<Instant>,
) -> [bool; N] {
    let timeout = deadline.map(|deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    let present = fds.iter().flatten();
    let mut polled: Vec<_> = present
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    // An interrupted wait is as good as one that ended early: the caller looks again.
    if poll(&mut polled, timeout.as_ref()).is_err() {
        return [false; N];
    }
    let mut polled = polled.iter();
    fds.map(|fd| {
        fd.and_then(|_| polled.next())
            .is_some_and(|fd| !fd.revents().is_empty())
    })
}

impl Target {
    /// Tries every address of the host in turn.
    fn connect(&self) -> Result<TcpStream, Failure> {
        let address = format!("{}:{}", self.host, self.port);
        let unreachable = |error: io::Error| Failure::unreachable(&address, reason(&error));
        let addresses = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(unreachable)?;
        let mut last = io::Error::other("the host has no address");
        for candidate in addresses {
            match self.connect_to(candidate) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }

    fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if let Some(bind) = &self.bind_address {
            let local = (bind.as_str(), 0).to_socket_addrs()?;
            let local = local
                .into_iter()
                .find(|local| local.is_ipv4() == address.is_ipv4());
            let local = local.ok_or_else(|| io::Error::other("no such local address"))?;
            socket.bind(&local.into())?;
        }
        socket.connect_timeout(&address.into(), CONNECT_TIMEOUT)?;
        socket.set_tcp_nodelay(self.nodelay)?;
        Ok(socket.into())
    }
}

/// The text of an error without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
