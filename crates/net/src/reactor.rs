//! The turn: wait for the kernel, read what is ready, accept.
//!
//! Events come on the edge (once per change), so they only mark connections; one pass over the
//! ready list then reads each marked connection once. A read that fills the scratch buffer leaves
//! its connection on the list for the next turn, which then does not wait: every connection gets
//! at most one buffer per turn, and a turn is bounded.

use std::fmt;
use std::io::{self, Read};
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::Socket;

use crate::layers::Layers;
use crate::linger::Linger;
use crate::listener::Listeners;
use crate::table::{Connection, Phase, Table};
use crate::{
    Accepted, Address, Admission, Carrier, Closed, ConnectionId, Handler, ListenError,
    ListenerOptions, ListeningSocket, Peer, Permit, Proxies, ReactorConfig, ReactorCounters,
    Refused, Waker,
};

/// Connections have their index as token; these two count from the other end.
const WAKER: Token = Token(usize::MAX);
const FIRST_LISTENER: usize = usize::MAX - 1;
const MAXIMUM_LISTENERS: usize = 1024;

/// Reads per turn of connections whose handshake is not complete. One may take a third of a
/// millisecond; the others wait for the next turn, so that a flood of them slows nobody much.
const HANDSHAKES_PER_TURN: usize = 16;

/// The sockets of one shard thread. See the [crate] for how it is used.
pub struct Reactor {
    pub(crate) poll: Poll,
    events: Events,
    scratch: Box<[u8]>,
    /// What layers have encoded and the kernel is to take; empty between uses.
    pub(crate) encoded: Vec<u8>,
    /// What layers have decrypted, or are to encrypt; empty between uses.
    pub(crate) plain: Vec<u8>,
    /// Reads of this turn that may cause a handshake to be worked on.
    handshakes: usize,
    /// Connections whose layers have kept something that the kernel may take now.
    unblocked: Vec<ConnectionId>,
    pub(crate) table: Table,
    /// Connections to read in the next pass.
    pub(crate) ready: Vec<ConnectionId>,
    /// The list of the pass that runs; empty between turns, kept for its capacity.
    reading: Vec<ConnectionId>,
    pub(crate) listeners: Listeners,
    pub(crate) linger: Linger,
    admission: Admission,
    waker: Waker,
    pub(crate) counters: ReactorCounters,
    pub(crate) config: ReactorConfig,
}

impl Reactor {
    /// A reactor without listeners and connections.
    ///
    /// # Errors
    /// When the kernel gives no event queue: in practice, for want of file descriptors.
    pub fn new(config: ReactorConfig) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(config.events_per_turn.max(1)),
            scratch: vec![0; config.scratch_bytes.max(1)].into_boxed_slice(),
            encoded: Vec::new(),
            plain: Vec::new(),
            handshakes: 0,
            unblocked: Vec::new(),
            table: Table::default(),
            ready: Vec::new(),
            reading: Vec::new(),
            listeners: Listeners::default(),
            linger: Linger::new(config.linger.time),
            admission: Admission::default(),
            waker,
            counters: ReactorCounters::default(),
            config,
        })
    }

    /// Accepts what `admission` lets in, which other reactors may share.
    #[must_use]
    pub fn with_admission(self, admission: Admission) -> Self {
        Self { admission, ..self }
    }

    /// What other threads wake this reactor with.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What the reactor has done and holds.
    pub fn counters(&self) -> ReactorCounters {
        ReactorCounters {
            lingering: self.linger.live(),
            ..self.counters
        }
    }

    /// Accepts connections from `listener` from now on, and serves them as `options` say. To share
    /// one listening socket between reactors, give each a `try_clone` of it: whoever is first gets
    /// a connection.
    ///
    /// # Errors
    /// When the kernel cannot watch the socket, or the reactor has 1024 listeners.
    pub fn listen(
        &mut self,
        listener: impl Into<ListeningSocket>,
        options: Arc<ListenerOptions>,
    ) -> Result<(), ListenError> {
        let position = self.listeners.len();
        if position == MAXIMUM_LISTENERS {
            return Err(ListenError::TooMany {
                maximum: MAXIMUM_LISTENERS,
            });
        }
        let token = Token(FIRST_LISTENER - position);
        self.listeners
            .add(self.poll.registry(), token, listener.into(), options)
    }

    /// Serves the connections that come from now on as `options` say, by the listener that they name.
    /// Those that are here stay as they are.
    pub fn set_options(&mut self, options: &Arc<ListenerOptions>) {
        self.listeners.set_options(options);
    }

    /// Closes this reactor's listeners; connections stay.
    pub fn stop_listening(&mut self) {
        self.listeners.clear(self.poll.registry());
    }

    /// Waits until something happens, at most `timeout` (`None`: for as long as it takes; rounded
    /// up to the kernel's resolution, 1 ms on Linux), and tells `handler`. Returns early, perhaps
    /// without a call, when the reactor itself has something to do or a signal arrives.
    ///
    /// # Errors
    /// When the kernel's event queue fails, which is no fault of a connection.
    pub fn turn(
        &mut self,
        timeout: Option<Duration>,
        handler: &mut impl Handler,
    ) -> io::Result<()> {
        self.wait(timeout)?;
        if self.waker.wake_up() {
            handler.woken();
        }
        self.mark_events(handler);
        self.go_on_writing(handler);
        self.read_ready(handler);
        self.accept_waiting(handler);
        self.cut_expired();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let patience = self.patience(timeout);
        let idle = patience != Some(Duration::ZERO) && self.waker.fall_asleep();
        let timeout = if idle { patience } else { Some(Duration::ZERO) };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// `timeout`, shortened by what the reactor itself has to do.
    fn patience(&mut self, timeout: Option<Duration>) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let accept = self.listeners.due();
        if accept == Some(None) {
            return Some(Duration::ZERO);
        }
        let cut = self
            .linger
            .oldest(&self.table)
            .map(|(deadline, _)| deadline);
        let own = accept.flatten().into_iter().chain(cut).min();
        let own = own.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        own.into_iter().chain(timeout).min()
    }

    fn mark_events(&mut self, handler: &mut impl Handler) {
        for event in &self.events {
            let Token(token) = event.token();
            if token > FIRST_LISTENER - MAXIMUM_LISTENERS {
                // The waker's own token lies outside, and its event says nothing more.
                if token <= FIRST_LISTENER {
                    self.listeners.mark_ready(FIRST_LISTENER - token);
                }
                continue;
            }
            let Some((id, connection)) = self.table.at(token) else {
                continue;
            };
            if event.is_writable() && mem::take(&mut connection.blocked) {
                match connection.layers {
                    None => handler.writable(id),
                    Some(_) => self.unblocked.push(id),
                }
            }
            let ended = event.is_read_closed() || event.is_error();
            if event.is_readable() || ended {
                connection.unread = true;
                connection.hung_up |= ended;
                enqueue(&mut self.ready, id, connection);
            }
        }
    }

    /// Sends what layers have kept where the kernel has room again.
    fn go_on_writing(&mut self, handler: &mut impl Handler) {
        let mut unblocked = mem::take(&mut self.unblocked);
        for id in unblocked.drain(..) {
            if !self.send_kept(id) {
                continue;
            }
            let Some(connection) = self.table.get_mut(id) else {
                continue;
            };
            if let Phase::Lingering(_) = connection.phase {
                connection.finish_writing();
                continue;
            }
            // It was perhaps not read because of what was kept.
            enqueue(&mut self.ready, id, connection);
            handler.writable(id);
        }
        self.unblocked = unblocked;
    }

    fn read_ready(&mut self, handler: &mut impl Handler) {
        self.handshakes = 0;
        mem::swap(&mut self.ready, &mut self.reading);
        let mut reading = mem::take(&mut self.reading);
        for id in reading.drain(..) {
            self.read(id, handler);
        }
        self.reading = reading;
    }

    /// Reads `id` once, and says or does what follows.
    fn read(&mut self, id: ConnectionId, handler: &mut impl Handler) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        connection.queued = false;
        if connection.paused {
            if let Phase::Broken(_) = connection.phase {
                self.end(id, Closed::Reset, handler);
            }
            return;
        }
        if let Some(layers) = &mut connection.layers {
            if let Some(end) = layers.take_end() {
                self.end_by_layer(id, &end, handler);
                return;
            }
            if layers.are_full() {
                return;
            }
            if layers.are_handshaking() {
                self.handshakes += 1;
                if self.handshakes > HANDSHAKES_PER_TURN {
                    enqueue(&mut self.ready, id, connection);
                    return;
                }
            }
        }
        let layers = connection.layers.as_mut();
        let start = layers.map_or(0, |layers| layers.put_back(&mut self.scratch));
        self.counters.reads += 1;
        match connection.stream.read(&mut self.scratch[start..]) {
            Ok(0) => self.end(id, Closed::ByPeer, handler),
            Ok(count) => {
                let broken = matches!(connection.phase, Phase::Broken(_));
                let full = count == self.scratch.len() - start;
                connection.unread = full || connection.hung_up || broken;
                enqueue(&mut self.ready, id, connection);
                if let Phase::Lingering(left) = &mut connection.phase {
                    *left = left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
                    connection.paused = *left == 0;
                } else {
                    self.counters.bytes_in += count as u64;
                    match connection.layers {
                        None => handler.received(id, &self.scratch[..count]),
                        Some(_) => self.pass_layers(id, start + count, handler),
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                enqueue(&mut self.ready, id, connection);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.unread = false;
                connection.hung_up = false;
                if let Phase::Broken(_) = connection.phase {
                    self.end(id, Closed::Reset, handler);
                }
            }
            Err(error) => self.end(id, error.into(), handler),
        }
    }

    /// Gives what was read to the layers, and what they make of it to `handler`.
    fn pass_layers(&mut self, id: ConnectionId, count: usize, handler: &mut impl Handler) {
        let connection = self.table.get_mut(id).expect("it was just read");
        let layers = connection.layers.as_mut().expect("the caller has looked");
        self.encoded.clear();
        let (mut scratch, mut plain) = (mem::take(&mut self.scratch), mem::take(&mut self.plain));
        plain.clear();
        let mut mqtt = layers.receive(&mut scratch[..count], &mut plain, &mut self.encoded);
        if let (Some(permit), Some(address)) = (&mut connection.permit, layers.behind_proxy())
            && let Err(denial) = permit.identify(address, Instant::now())
        {
            self.counters.refused += 1;
            layers.end(Closed::Denied(denial));
            mqtt = &[];
        }
        let ended = layers.have_ended();
        if ended {
            // `received` and `closed` do not come in the same turn.
            connection.unread = true;
            enqueue(&mut self.ready, id, connection);
        }
        let _ = self.send_encoded(id);
        self.introduce(id, handler);
        if !mqtt.is_empty() {
            handler.received(id, mqtt);
        }
        (self.scratch, self.plain) = (scratch, plain);
    }

    /// Tells `handler` who the peer is, once that is known, and drops layers that do nothing more.
    fn introduce(&mut self, id: ConnectionId, handler: &mut impl Handler) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        let Some(layers) = &mut connection.layers else {
            return;
        };
        let peer = layers.introduction();
        if layers.are_transparent() {
            connection.layers = None;
        }
        if let Some(peer) = peer {
            handler.introduced(id, peer);
        }
    }

    /// The layers have ended the connection: the peer gets what they had to say about it.
    fn end_by_layer(&mut self, id: ConnectionId, cause: &Closed, handler: &mut impl Handler) {
        self.counters.closed_by_peer += 1;
        self.end_in_order(id);
        handler.closed(id, cause);
    }

    /// The peer or the kernel ended the connection.
    fn end(&mut self, id: ConnectionId, found: Closed, handler: &mut impl Handler) {
        let connection = self.remove(id).expect("only a live connection ends");
        if let Phase::Lingering(_) = connection.phase {
            return;
        }
        self.counters.closed_by_peer += 1;
        let cause = connection.cause(found);
        drop(connection);
        handler.closed(id, &cause);
    }

    /// Takes the connection out of the table, and keeps the gauges.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.table.remove(id)?;
        match connection.phase {
            Phase::Lingering(_) => self.linger.ended(),
            Phase::Open | Phase::Broken(_) => self.counters.open -= 1,
        }
        self.listeners.resume();
        Some(connection)
    }

    fn accept_waiting(&mut self, handler: &mut impl Handler) {
        for position in 0..self.listeners.len() {
            for _ in 0..self.config.accepts_per_turn.max(1) {
                if self.listeners.suspended() {
                    return;
                }
                if let Some(end) = self.admission.closed_until(Instant::now()) {
                    return self.listeners.suspend_until(end);
                }
                match self.listeners.accept(position) {
                    Some(Ok((stream, peer))) => self.admit(position, stream, peer, handler),
                    Some(Err(cause)) => {
                        self.counters.accept_failures += 1;
                        handler.refused(self.listeners.options(position).id, &cause);
                    }
                    None => break,
                }
            }
        }
    }

    fn admit(
        &mut self,
        position: usize,
        stream: Socket,
        peer: Address,
        handler: &mut impl Handler,
    ) {
        let options = Arc::clone(self.listeners.options(position));
        let listener = options.id;
        let maximum = self.config.maximum_connections;
        let admitted = if self.counters.open >= maximum {
            Err(Refused::MaximumConnections { peer, maximum })
        } else {
            self.settle(stream, peer, &options)
        };
        match admitted {
            Ok((id, local)) => {
                self.counters.accepted += 1;
                let accepted = Accepted {
                    listener,
                    peer,
                    local,
                };
                handler.accepted(id, &accepted);
                self.introduce(id, handler);
            }
            Err(cause) => {
                self.counters.refused += 1;
                handler.refused(listener, &cause);
            }
        }
    }

    fn settle(
        &mut self,
        stream: Socket,
        peer: Address,
        options: &Arc<ListenerOptions>,
    ) -> Result<(ConnectionId, Address), Refused> {
        let known = match options.proxies {
            Proxies::None => Some(peer),
            Proxies::Always => None,
        };
        let permit = self.admission.admit(options.id, known, Instant::now());
        let permit = permit.map_err(|denial| Refused::Denied { peer, denial })?;
        self.settle_permitted(stream, peer, options, permit)
            .map_err(Refused::Failed)
    }

    fn settle_permitted(
        &mut self,
        stream: Socket,
        peer: Address,
        options: &Arc<ListenerOptions>,
        permit: Permit,
    ) -> io::Result<(ConnectionId, Address)> {
        let local = match peer {
            Address::Ip(_) => {
                stream.set_tcp_nodelay(true)?;
                let local = stream.local_addr()?;
                Address::Ip(local.as_socket().ok_or(io::ErrorKind::Unsupported)?)
            }
            Address::Local => Address::Local,
        };
        let peer = Peer {
            listener: options.id,
            address: peer,
            local,
            proxy: None,
            carrier: Carrier::Stream,
            tls: None,
        };
        let layers = Layers::new(options, peer);
        let id = self.insert(stream, Some(layers), Some(Box::new(permit)))?;
        Ok((id, local))
    }

    /// Watches `stream` for reading; the kernel reports what waits in it already.
    pub(crate) fn insert(
        &mut self,
        stream: Socket,
        layers: Option<Box<Layers>>,
        permit: Option<Box<Permit>>,
    ) -> io::Result<ConnectionId> {
        let token = token(self.table.next_id());
        let mut connection = Connection::new(stream, layers);
        connection.permit = permit;
        let interest = match &connection.layers {
            Some(layers) if !layers.unsent().is_empty() => {
                connection.blocked = true;
                connection.watches_writable = true;
                Interest::READABLE | Interest::WRITABLE
            }
            _ => Interest::READABLE,
        };
        let registry = self.poll.registry();
        let descriptor = connection.stream.as_raw_fd();
        registry.register(&mut SourceFd(&descriptor), token, interest)?;
        let ended = connection.layers.as_deref().is_some_and(Layers::have_ended);
        connection.unread = ended;
        self.counters.open += 1;
        let id = self.table.insert(connection);
        if let Some(connection) = self.table.get_mut(id) {
            enqueue(&mut self.ready, id, connection);
        }
        Ok(id)
    }

    fn cut_expired(&mut self) {
        if self.linger.live() == 0 {
            return;
        }
        let now = Instant::now();
        while let Some(id) = self.linger.expired(now, &self.table) {
            self.cut(id);
        }
    }

    /// Ends a lingering connection before the peer did.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        self.counters.linger_cut += 1;
        drop(self.remove(id));
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = self.counters();
        f.debug_struct("Reactor")
            .field("listeners", &self.listeners)
            .field("counters", &counters)
            .finish_non_exhaustive()
    }
}

/// Puts a connection that has something to read on the ready list, once.
pub(crate) fn enqueue(
    ready: &mut Vec<ConnectionId>,
    id: ConnectionId,
    connection: &mut Connection,
) {
    if connection.unread && !connection.paused && !connection.queued {
        connection.queued = true;
        ready.push(id);
    }
}

/// The token of the connection: its index. Generations are not needed here, because nothing is
/// freed between taking events from the kernel and marking the connections that they name.
pub(crate) fn token(id: ConnectionId) -> Token {
    Token(id.index() as usize)
}
