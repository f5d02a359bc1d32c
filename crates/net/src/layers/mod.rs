//! What lies between a socket and the bytes of MQTT, without IO.
//!
//! ```text
//!   socket ─► Detect ─┬─────────────────────────────────► MQTT: no layers any more
//!                     ├─ "GET …" ─► Request ─► WebSocket ► MQTT
//!                     └─ 0x16 ─► TLS ─► Detect ─┬────────► MQTT
//!                                               └─ "GET …" ─► Request ─► WebSocket ─► MQTT
//! ```
//!
//! Where a proxy is configured, its header comes before everything else.
//!
//! A new connection has [`Layers`] until its first bytes have shown that it is plain MQTT; from
//! then on it costs what it did without. They are a value, and move with the connection.

mod proxy;
mod tls;
pub mod websocket;

use std::io::IoSlice;
use std::mem;
use std::sync::Arc;

pub use proxy::{ProxyError, ProxyHeader};
pub use tls::TlsFailure;
use tls::{Progress, Tls};
use websocket::{CloseCode, Decoded, FrameError, Frames, HandshakeError, Request};

use crate::options::{ListenerOptions, Protocol, Proxies};
use crate::{Address, Carrier, Closed, Peer};

/// The most MQTT bytes that are taken at a time: what of them the kernel does not take is kept.
pub(crate) const TAKEN_AT_ONCE: usize = 64 * 1024;

/// Beyond this much that the kernel has not taken, a connection is not read: what is kept is one
/// portion of MQTT and answers to what was read before.
const UNSENT_MAXIMUM: usize = TAKEN_AT_ONCE + 16 * 1024;

/// Why the layers of a connection ended it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LayerError {
    /// The HTTP request that should have opened WebSocket.
    #[error("no WebSocket handshake: {0}")]
    Handshake(#[from] HandshakeError),
    /// WebSocket frames.
    #[error("WebSocket: {0}")]
    WebSocket(#[from] FrameError),
    /// The header of the PROXY protocol.
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    /// TLS: its handshake, a certificate, or what came later.
    #[error("TLS: {0}")]
    Tls(#[from] TlsFailure),
    /// The first bytes are of a protocol that the listener does not serve.
    #[error("this listener does not serve {0}")]
    NotServed(Protocol),
}

/// The first byte of a TLS connection: the record is of a handshake. In MQTT it would be a CONNECT
/// with flags that it must not have.
const TLS_HANDSHAKE: u8 = 0x16;

/// The first byte of `GET`. In MQTT it would be a PUBACK with such flags.
const HTTP_GET: u8 = b'G';

/// The layers of one connection.
#[derive(Debug)]
pub(crate) struct Layers {
    tls: Option<Box<Tls>>,
    stage: Stage,
    /// What is to be told before the first bytes of MQTT.
    arrival: Option<Box<Arrival>>,
    /// What the kernel has not taken, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// The connection is to be ended, for this reason.
    end: Option<Closed>,
}

#[derive(Debug)]
struct Arrival {
    peer: Peer,
    options: Arc<ListenerOptions>,
}

/// What the next bytes are.
#[derive(Debug)]
enum Stage {
    /// A PROXY header, as far as it has come.
    Proxy(Vec<u8>),
    /// The first byte tells.
    Detect,
    Request(Request),
    WebSocket(Frames),
    Mqtt,
    /// Nothing more is read.
    Over,
}

impl Stage {
    /// What a connection begins with, behind a PROXY header.
    fn first(options: &ListenerOptions) -> Self {
        if options.must_detect() {
            Self::Detect
        } else {
            Self::Mqtt
        }
    }
}

impl Layers {
    /// The layers of a connection that a listener has accepted.
    pub(crate) fn new(options: &Arc<ListenerOptions>, peer: Peer) -> Box<Self> {
        let stage = match options.proxies {
            Proxies::Always => Stage::Proxy(Vec::new()),
            Proxies::None => Stage::first(options),
        };
        let options = Arc::clone(options);
        Box::new(Self {
            tls: None,
            stage,
            arrival: Some(Box::new(Arrival { peer, options })),
            unsent: Vec::new(),
            sent: 0,
            end: None,
        })
    }

    /// Puts a copy of what has come of an incomplete record before what is read next; gives its length.
    pub(crate) fn put_back(&mut self, into: &mut [u8]) -> usize {
        self.tls.as_mut().map_or(0, |tls| tls.put_back(into))
    }

    /// Whether what is read next may take the time of a handshake to work on.
    pub(crate) fn are_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Reduces what the socket gave, which lies behind what was put back, to bytes of MQTT. They
    /// are in `input`, or in `plain`, which is empty. What the layers have to send of themselves
    /// is appended to `out`.
    pub(crate) fn receive<'a>(
        &mut self,
        input: &'a mut [u8],
        plain: &'a mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let mut replies = Vec::new();
        let input = match self.take_header(input) {
            Ok(input) => input,
            Err(error) => {
                self.end = Some(Closed::Layer(error.into()));
                &mut []
            }
        };
        let bytes = self.decrypt(input, plain, out);
        let bytes = match self.reduce(bytes, &mut replies) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.end.get_or_insert(Closed::Layer(error));
                &[]
            }
        };
        match &mut self.tls {
            None => out.append(&mut replies),
            Some(tls) => tls.encrypt(&replies, out),
        }
        if self.end.is_some() {
            self.stage = Stage::Over;
        }
        bytes
    }

    /// Takes the PROXY header off, if one is expected; gives what is behind it.
    fn take_header<'a>(&mut self, input: &'a mut [u8]) -> Result<&'a mut [u8], ProxyError> {
        let Stage::Proxy(header) = &mut self.stage else {
            return Ok(input);
        };
        let before = header.len();
        header.extend_from_slice(input);
        let Some(read) = ProxyHeader::read(header)? else {
            return Ok(&mut []);
        };
        let arrival = self.arrival.as_mut().expect("there until MQTT begins");
        arrival.peer.proxy = Some(arrival.peer.address);
        if let Some((from, to)) = read.addresses {
            arrival.peer.address = Address::Ip(from);
            arrival.peer.local = Address::Ip(to);
        }
        self.stage = Stage::first(&arrival.options);
        Ok(&mut input[read.length - before..])
    }

    /// Where the peer is, as far as a proxy has said so; it may be asked until MQTT begins.
    pub(crate) fn behind_proxy(&self) -> Option<Address> {
        let peer = &self.arrival.as_ref()?.peer;
        peer.proxy.map(|_| peer.address)
    }

    /// Ends the connection for a reason of ours.
    pub(crate) fn end(&mut self, cause: Closed) {
        self.end = Some(cause);
        self.stage = Stage::Over;
    }

    /// Takes TLS off, if it is there or begins here.
    fn decrypt<'a>(
        &mut self,
        input: &'a mut [u8],
        plain: &'a mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> &'a mut [u8] {
        match self.decrypt_into(input, plain, out) {
            Ok(None) => return input,
            Ok(Some(Progress::Open)) => {}
            Ok(Some(Progress::Closed)) => self.end = Some(Closed::ByPeer),
            Err(error) => self.end = Some(Closed::Layer(error)),
        }
        plain
    }

    fn decrypt_into(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Progress>, LayerError> {
        let begins = matches!(self.stage, Stage::Detect) && input.first() == Some(&TLS_HANDSHAKE);
        if self.tls.is_none() && begins {
            let options = &self.arrival().options;
            let served =
                options.protocols.allow(Protocol::Mqtts) || options.protocols.allow(Protocol::Wss);
            let server = options.tls.as_ref().filter(|_| served);
            let server = server.ok_or(LayerError::NotServed(Protocol::Mqtts))?;
            self.tls = Some(Box::new(Tls::new(server)?));
        }
        match &mut self.tls {
            None => Ok(None),
            Some(tls) => Ok(Some(tls.decrypt(input, plain, out)?)),
        }
    }

    /// Takes WebSocket off, if it is there or begins here.
    fn reduce<'a>(
        &mut self,
        mut bytes: &'a mut [u8],
        replies: &mut Vec<u8>,
    ) -> Result<&'a [u8], LayerError> {
        if let (Stage::Detect, Some(&first)) = (&self.stage, bytes.first()) {
            self.stage = self.detect(first)?;
        }
        if let Stage::Request(request) = &mut self.stage {
            let arrival = self.arrival.as_mut().expect("a handshake comes first");
            let Some(taken) = request.receive(bytes, &arrival.options.origins, replies)? else {
                return Ok(&[]);
            };
            arrival.peer.carrier = Carrier::WebSocket;
            self.stage = Stage::WebSocket(Frames::default());
            bytes = &mut bytes[taken..];
        }
        match &mut self.stage {
            Stage::Mqtt => Ok(bytes),
            Stage::WebSocket(frames) => {
                let (length, decoded) = frames.decode(bytes, replies);
                match decoded {
                    Decoded::Open => {}
                    Decoded::Closed => self.end = Some(Closed::ByPeer),
                    Decoded::Failed(error) => self.end = Some(Closed::Layer(error.into())),
                }
                Ok(&bytes[..length])
            }
            Stage::Proxy(_) | Stage::Detect | Stage::Request(_) | Stage::Over => Ok(&[]),
        }
    }

    fn detect(&self, first: u8) -> Result<Stage, LayerError> {
        let (stream, websocket) = match self.tls {
            None => (Protocol::Mqtt, Protocol::Ws),
            Some(_) => (Protocol::Mqtts, Protocol::Wss),
        };
        let (protocol, stage) = match first {
            HTTP_GET => (websocket, Stage::Request(Request::default())),
            _ => (stream, Stage::Mqtt),
        };
        if self.arrival().options.protocols.allow(protocol) {
            Ok(stage)
        } else {
            Err(LayerError::NotServed(protocol))
        }
    }

    fn arrival(&self) -> &Arrival {
        self.arrival.as_ref().expect("there until MQTT begins")
    }

    /// Who the peer is, once, when bytes of MQTT can come.
    pub(crate) fn introduction(&mut self) -> Option<Peer> {
        match self.stage {
            Stage::Mqtt | Stage::WebSocket(_) => {
                let mut peer = self.arrival.take()?.peer;
                peer.tls = self.tls.as_ref().map(|tls| tls.session());
                Some(peer)
            }
            Stage::Proxy(_) | Stage::Detect | Stage::Request(_) | Stage::Over => None,
        }
    }

    /// Whether nothing is between the socket and MQTT any more.
    pub(crate) fn are_transparent(&self) -> bool {
        matches!(self.stage, Stage::Mqtt)
            && self.tls.is_none()
            && self.arrival.is_none()
            && self.unsent.is_empty()
    }

    /// Whether the connection is to be ended.
    pub(crate) fn have_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Why, once.
    pub(crate) fn take_end(&mut self) -> Option<Closed> {
        self.end.take()
    }

    /// Appends to `out` what the peer is to get for the MQTT bytes of `slices` from `position` on,
    /// or for as many of them as are taken at a time; gives how many. `plain` is a buffer.
    pub(crate) fn wrap(
        &mut self,
        slices: &[IoSlice<'_>],
        position: usize,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> usize {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let count = (total - position).min(TAKEN_AT_ONCE);
        let framed = match self.tls {
            None => &mut *out,
            Some(_) => plain,
        };
        match self.stage {
            _ if count == 0 => return 0,
            Stage::Mqtt => {}
            Stage::WebSocket(_) => websocket::binary_header(count, framed),
            // A peer that has not come so far, or has ended, understands nothing.
            Stage::Proxy(_) | Stage::Detect | Stage::Request(_) | Stage::Over => {
                return total - position;
            }
        }
        gather(slices, position, count, framed);
        if let Some(tls) = &mut self.tls {
            tls.encrypt(plain, out);
        }
        count
    }

    /// Appends to `out` what ends the layers in order.
    pub(crate) fn say_goodbye(&mut self, out: &mut Vec<u8>) {
        let mut goodbye = Vec::new();
        if let Stage::WebSocket(_) = mem::replace(&mut self.stage, Stage::Over) {
            websocket::close_frame(CloseCode::Normal, &mut goodbye);
        }
        match &mut self.tls {
            None => out.append(&mut goodbye),
            Some(tls) => {
                tls.encrypt(&goodbye, out);
                tls.say_goodbye(out);
            }
        }
    }

    /// What the kernel has not taken.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent[self.sent..]
    }

    /// The kernel has not taken `bytes`.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// The kernel has taken the first `count` bytes of what was unsent.
    pub(crate) fn note_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
    }

    /// Whether so much is unsent that nothing more is to be read.
    pub(crate) fn are_full(&self) -> bool {
        self.unsent().len() > UNSENT_MAXIMUM
    }
}

/// Appends at most `maximum` bytes of `slices` from `position` on; gives how many.
fn gather(slices: &[IoSlice<'_>], mut position: usize, maximum: usize, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    for slice in slices {
        let bytes = slice.get(position..).unwrap_or_default();
        position = position.saturating_sub(slice.len());
        let left = maximum - (out.len() - start);
        out.extend_from_slice(&bytes[..bytes.len().min(left)]);
        if bytes.len() >= left {
            break;
        }
    }
    out.len() - start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_gathered_from_anywhere_in_the_slices() {
        let slices = [b"abc".as_slice(), b"", b"defg", b"h"].map(IoSlice::new);
        let gathered = |position, maximum| {
            let mut out = b"-".to_vec();
            let count = gather(&slices, position, maximum, &mut out);
            assert_eq!(count, out.len() - 1);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(gathered(0, 100), "-abcdefgh");
        assert_eq!(gathered(3, 100), "-defgh");
        assert_eq!(gathered(4, 2), "-ef");
        assert_eq!(gathered(2, 1), "-c");
        assert_eq!(gathered(8, 5), "-");
    }

    #[test]
    fn an_idle_websocket_costs_little() {
        let bytes = size_of::<Layers>();
        assert!(bytes <= 200, "{bytes} bytes");
    }
}
