//! The server's side of TLS on one connection, without IO and, when idle, without buffers.

use std::fmt;
use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ProtocolVersion, ServerConfig};

use crate::tls::{Challenge, TlsServer, TlsSession, TlsVersion};

/// The most plaintext in a record, and what a record needs besides.
const RECORD: usize = 16 * 1024;
const RECORD_OVERHEAD: usize = 64;

/// The most that is kept of a record, or of a message of the handshake, that has not come whole.
const PARTIAL_MAXIMUM: usize = 20 * 1024;

/// TLS on one connection.
pub(crate) struct Tls {
    connection: UnbufferedServerConnection,
    /// What has come of a record, or of a message in several records, that has not come whole. The
    /// library remembers places in it: it must be given the same bytes again, whatever it is asked.
    partial: Vec<u8>,
    /// Nothing more can be asked of the library.
    has_failed: bool,
    authority: Authority,
}

/// Whether the peer is an authority that wants to see to whom a name belongs.
enum Authority {
    No,
    /// Its first message will tell.
    Perhaps(Arc<Challenge>),
    Yes,
}

/// What TLS made of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Open,
    /// The peer has said that nothing more follows.
    Closed,
}

/// What ended a TLS connection: in the peer's bytes, or that we could not agree with it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsFailure {
    /// The library's own words.
    #[error("{0}")]
    Library(rustls::Error),
    /// A message of the handshake is longer than 20 KiB.
    #[error("a message of the handshake is too long")]
    TooLong,
}

impl Tls {
    pub(crate) fn new(server: &TlsServer) -> Result<Self, TlsFailure> {
        Ok(Self {
            connection: begin(server.config())?,
            partial: Vec::new(),
            has_failed: false,
            authority: server.challenge().map_or(Authority::No, Authority::Perhaps),
        })
    }

    /// Whether the handshake has not come to its end.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Puts a copy of what was kept before the bytes that are read next; gives its length.
    pub(crate) fn put_back(&mut self, into: &mut [u8]) -> usize {
        into[..self.partial.len()].copy_from_slice(&self.partial);
        self.partial.len()
    }

    /// Decrypts `input`, which begins with what was kept, and appends the plaintext to `plain`.
    /// What TLS itself has to say is appended to `out`, in failure too.
    pub(crate) fn decrypt(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Progress, TlsFailure> {
        self.partial = Vec::new();
        if let Authority::Perhaps(challenge) = &self.authority {
            match challenge.is_asked_by(input) {
                None => return self.keep(input),
                Some(false) => self.authority = Authority::No,
                Some(true) => {
                    self.connection = begin(challenge.config())?;
                    self.authority = Authority::Yes;
                }
            }
        }
        let mut start = 0;
        let outcome = self.take_records(input, &mut start, plain, out);
        if outcome.is_err() {
            self.has_failed = true;
            // The library may remember places in what has failed, too.
            let alert = self.connection.process_tls_records(&mut input[start..]);
            if let Ok(ConnectionState::EncodeTlsData(mut data)) = alert.state {
                append(out, |room| data.encode(room).ok());
            }
        }
        outcome
    }

    fn take_records(
        &mut self,
        input: &mut [u8],
        start: &mut usize,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Progress, TlsFailure> {
        let is_authority = matches!(self.authority, Authority::Yes);
        loop {
            let UnbufferedStatus {
                mut discard, state, ..
            } = self.connection.process_tls_records(&mut input[*start..]);
            let wants_more = match state.map_err(TlsFailure::Library)? {
                // It has come to look, and nobody has judged who it is.
                ConnectionState::ReadTraffic(_) if is_authority => return Ok(Progress::Closed),
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(TlsFailure::Library)?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    false
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(out, |room| data.encode(room).ok());
                    false
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Ok(Progress::Closed);
                }
                // Nothing whole is left. (Early data is not offered.)
                _ => true,
            };
            *start += discard;
            if wants_more {
                return self.keep(&input[*start..]);
            }
        }
    }

    fn keep(&mut self, rest: &[u8]) -> Result<Progress, TlsFailure> {
        if rest.len() > PARTIAL_MAXIMUM {
            return Err(TlsFailure::TooLong);
        }
        if !rest.is_empty() {
            self.partial = rest.to_vec();
        }
        Ok(Progress::Open)
    }

    /// Appends `plain`, encrypted, to `out`. Nothing, if the handshake has not come so far.
    pub(crate) fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if plain.is_empty() {
            return;
        }
        self.write(out, |traffic, out| {
            let room = plain.len() + (plain.len() / RECORD + 1) * RECORD_OVERHEAD;
            let start = out.len();
            out.resize(start + room, 0);
            let written = traffic.encrypt(plain, &mut out[start..]).unwrap_or(0);
            out.truncate(start + written);
        });
    }

    /// Appends to `out` that nothing more follows.
    pub(crate) fn say_goodbye(&mut self, out: &mut Vec<u8>) {
        self.write(out, |traffic, out| {
            append(out, |room| traffic.queue_close_notify(room).ok());
        });
    }

    /// Lets `encode` append to `out`, after what TLS itself has to say first.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        encode: impl FnOnce(
            &mut rustls::unbuffered::WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut Vec<u8>,
        ),
    ) {
        while !self.has_failed {
            match self.connection.process_tls_records(&mut self.partial).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(out, |room| data.encode(room).ok());
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => return encode(&mut traffic, out),
                _ => return,
            }
        }
    }

    /// What was agreed on, and whom the peer has shown to be.
    pub(crate) fn session(&self) -> TlsSession {
        let version = match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            _ => TlsVersion::V1_3,
        };
        let shown = self.connection.peer_certificates();
        let certificate = shown.and_then(<[_]>::first);
        TlsSession {
            version,
            certificate: certificate.map(|certificate| Arc::from(certificate.as_ref())),
        }
    }
}

fn begin(config: Arc<ServerConfig>) -> Result<UnbufferedServerConnection, TlsFailure> {
    UnbufferedServerConnection::new(config).map_err(TlsFailure::Library)
}

/// Has `encode` write to the end of `out`, with room for a record; it gives how much it wrote.
fn append(out: &mut Vec<u8>, encode: impl FnOnce(&mut [u8]) -> Option<usize>) {
    let start = out.len();
    out.resize(start + RECORD + RECORD_OVERHEAD, 0);
    let written = encode(&mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
