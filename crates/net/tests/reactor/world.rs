//! A reactor with one listener, and a handler that writes down what it hears.

use std::collections::HashMap;
use std::io::{IoSlice, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dunlin_net::{
    Accepted, Closed, ConnectionId, Handler, ListenerId, ListenerOptions, Peer, Protocol,
    Protocols, Reactor, ReactorConfig, Refused, Written, bind,
};

pub(crate) const LISTENER: ListenerId = ListenerId(7);

/// Everything that a handler was told, in the order of the kinds.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) accepted: Vec<(ConnectionId, Accepted)>,
    pub(crate) introduced: Vec<(ConnectionId, Peer)>,
    pub(crate) received: HashMap<ConnectionId, Vec<u8>>,
    /// Sizes of the single `received` calls of any connection.
    pub(crate) chunks: Vec<(ConnectionId, usize)>,
    pub(crate) writable: Vec<ConnectionId>,
    /// The `Debug` form of the cause: `io::Error` cannot be compared.
    pub(crate) closed: Vec<(ConnectionId, String)>,
    pub(crate) refused: Vec<String>,
    pub(crate) woken: usize,
}

impl Heard {
    pub(crate) fn bytes_of(&self, id: ConnectionId) -> &[u8] {
        self.received.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn closing_of(&self, id: ConnectionId) -> Option<&str> {
        let closing = self.closed.iter().find(|(closed, _)| *closed == id);
        closing.map(|(_, cause)| cause.as_str())
    }
}

impl Handler for Heard {
    fn accepted(&mut self, connection: ConnectionId, accepted: &Accepted) {
        self.accepted.push((connection, accepted.clone()));
    }

    fn introduced(&mut self, connection: ConnectionId, peer: Peer) {
        assert!(!self.received.contains_key(&connection), "too late");
        self.introduced.push((connection, peer));
    }

    fn received(&mut self, connection: ConnectionId, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        assert!(self.closing_of(connection).is_none(), "bytes after the end");
        self.received.entry(connection).or_default().extend(bytes);
        self.chunks.push((connection, bytes.len()));
    }

    fn writable(&mut self, connection: ConnectionId) {
        self.writable.push(connection);
    }

    fn closed(&mut self, connection: ConnectionId, cause: &Closed) {
        assert!(self.closing_of(connection).is_none(), "ended twice");
        self.closed.push((connection, format!("{cause:?}")));
    }

    fn woken(&mut self) {
        self.woken += 1;
    }

    fn refused(&mut self, listener: ListenerId, cause: &Refused) {
        assert_eq!(listener, LISTENER);
        self.refused.push(cause.to_string());
    }
}

/// One shard, seen from the network side.
pub(crate) struct World {
    pub(crate) reactor: Reactor,
    pub(crate) heard: Heard,
    pub(crate) address: SocketAddr,
}

impl World {
    /// A listener of plain MQTT, so that any bytes at all go through.
    pub(crate) fn new(config: ReactorConfig) -> Self {
        let options = ListenerOptions {
            protocols: Protocols::of(&[Protocol::Mqtt]),
            ..ListenerOptions::new(LISTENER)
        };
        Self::serving(config, options)
    }

    pub(crate) fn serving(config: ReactorConfig, options: ListenerOptions) -> Self {
        let listener = bind(([127, 0, 0, 1], 0).into(), 128).unwrap();
        let address = listener.local_addr().unwrap();
        let mut reactor = Reactor::new(config).unwrap();
        reactor.listen(listener, options.into()).unwrap();
        Self {
            reactor,
            heard: Heard::default(),
            address,
        }
    }

    /// One turn that waits a moment at most.
    pub(crate) fn turn(&mut self) {
        let moment = Some(Duration::from_millis(20));
        self.reactor.turn(moment, &mut self.heard).unwrap();
    }

    /// Turns until `done`, at most for some seconds.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..500 {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("did not happen: {what}; heard {:?}", self.heard);
    }

    /// Turns until a turn finds nothing at all to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.reactor
                .turn(Some(Duration::ZERO), &mut self.heard)
                .unwrap();
        }
    }

    /// A client that the reactor has accepted, and its id there.
    pub(crate) fn connect(&mut self) -> (TcpStream, ConnectionId) {
        let before = self.heard.accepted.len();
        let client = TcpStream::connect(self.address).unwrap();
        self.until("accepted", |world| world.heard.accepted.len() > before);
        let (id, accepted) = &self.heard.accepted[before];
        assert_eq!(accepted.peer, client.local_addr().unwrap().into());
        (client, *id)
    }

    pub(crate) fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> Written {
        self.reactor.write(id, &[IoSlice::new(bytes)])
    }

    pub(crate) fn until_received(&mut self, id: ConnectionId, bytes: &[u8]) {
        self.until("received", |world| {
            world.heard.bytes_of(id).len() >= bytes.len()
        });
        assert_eq!(self.heard.bytes_of(id), bytes);
    }

    pub(crate) fn until_closed(&mut self, id: ConnectionId) -> String {
        self.until("closed", |world| world.heard.closing_of(id).is_some());
        self.heard.closing_of(id).unwrap().to_owned()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(ReactorConfig::default())
    }
}

/// Bytes in which a gap, a repetition or a swap would show.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 251 + i % 251) as u8).collect()
}

/// Reads exactly `length` bytes; the reactor must have sent them, or be sending without turns.
pub(crate) fn read_exactly(mut client: &TcpStream, length: usize) -> Vec<u8> {
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

/// Makes the socket end with RST when it is dropped.
pub(crate) fn reset(client: TcpStream) {
    socket2::SockRef::from(&client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}
