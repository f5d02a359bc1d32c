//! The server's side of WebSocket (RFC 6455), without IO: a handshake, then frames.
//!
//! The payload of binary frames is one stream of bytes, whatever the frames and fragments are: it
//! is given out as it arrives, so that nothing of it is ever kept here [MQTT-6.0.0-2].

mod frames;
mod handshake;

pub use frames::{Decoded, FrameError, Frames};
pub(crate) use frames::{binary_header, close_frame};
pub use handshake::{HandshakeError, Request};

/// Why a connection is closed, as a Close frame says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    Normal = 1000,
    ProtocolError = 1002,
    UnacceptableData = 1003,
    InvalidPayload = 1007,
    TooBig = 1009,
}
