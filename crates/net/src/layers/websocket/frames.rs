//! Frames, in and out.
//!
//! ```text
//!   0               1               2 … 3 or 2 … 9        4 bytes
//!  +-+-+-+-+-------+-+-------------+---------------------+---------------+------------- - -
//!  |F|R|R|R| opcode|M| length (7)  | length (16 or 64)   | masking key   | payload
//!  |I|S|S|S|  (4)  |A|             | if 126 or 127       | from a client |
//!  |N|V|V|V|       |S|             |                     | always        |
//!  +-+-+-+-+-------+-+-------------+---------------------+---------------+------------- - -
//! ```

use super::CloseCode;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// The longest payload of a control frame.
const CONTROL_MAXIMUM: u64 = 125;

/// The longest frame: what the longest possible packet of MQTT needs.
const FRAME_MAXIMUM: u64 = 268_435_455 + 5;

/// What a client did wrong with its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A reserved bit is set; no extension was agreed on. (5.2)
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode that means nothing. (5.2)
    #[error("unknown opcode {0:#x}")]
    UnknownOpcode(u8),
    /// A frame without a mask. (5.1)
    #[error("a frame is not masked")]
    NotMasked,
    /// A length in more bytes than it needs, or of more than 63 bits. (5.2)
    #[error("a length is not in its shortest form")]
    Length,
    /// A control frame in fragments, or longer than 125 bytes. (5.5)
    #[error("a control frame is fragmented or too long")]
    ControlFrame,
    /// A continuation of nothing, or a new message within another. (5.4)
    #[error("a fragment is out of order")]
    Fragment,
    /// A text frame: MQTT is binary. [MQTT-6.0.0-1]
    #[error("a text frame")]
    Text,
    /// A frame longer than any packet of MQTT can be.
    #[error("a frame is too long")]
    TooLong,
    /// The status code of a Close frame is half there, or none that may be sent. (7.4)
    #[error("a Close frame has no valid status code")]
    CloseCode,
    /// The reason of a Close frame is not UTF-8. (5.5.1)
    #[error("the reason of a Close frame is not UTF-8")]
    CloseReason,
}

impl FrameError {
    fn code(self) -> CloseCode {
        match self {
            Self::Text => CloseCode::UnacceptableData,
            Self::TooLong => CloseCode::TooBig,
            Self::CloseReason => CloseCode::InvalidPayload,
            Self::ReservedBit
            | Self::UnknownOpcode(_)
            | Self::NotMasked
            | Self::Length
            | Self::ControlFrame
            | Self::Fragment
            | Self::CloseCode => CloseCode::ProtocolError,
        }
    }
}

/// What bytes of a client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// More may come.
    Open,
    /// The client has sent a Close frame, and the answer is among the replies.
    Closed,
    /// The client broke the protocol, and the Close frame is among the replies.
    Failed(FrameError),
}

/// Reads the frames of a client. It keeps the part of a header that has come, and the payload of a
/// control frame; some dozen bytes when idle.
#[derive(Debug, Default)]
pub struct Frames {
    /// The header that is being read.
    header: [u8; 14],
    /// How many bytes of it have come. At `header_length`, its payload is being read.
    have: u8,
    /// Bytes of the payload that have not come.
    left: u64,
    /// The masking key, turned so that its first byte is for the next byte of the payload.
    mask: [u8; 4],
    /// A message is under way, and the next data frame continues it.
    fragmented: bool,
    /// The payload of the control frame that is being read.
    control: Vec<u8>,
}

impl Frames {
    /// Takes `bytes` of the client, leaves the payload of its data frames at the front of them and
    /// gives its length. What has to be answered (pong, close) is appended to `replies`. After
    /// anything but [`Decoded::Open`] nothing more may be given.
    pub fn decode(&mut self, bytes: &mut [u8], replies: &mut Vec<u8>) -> (usize, Decoded) {
        let mut kept = 0;
        let mut at = 0;
        while at < bytes.len() {
            match self.step(bytes, &mut at, &mut kept, replies) {
                Ok(Decoded::Open) => {}
                Ok(end) => return (kept, end),
                Err(error) => {
                    close_frame(error.code(), replies);
                    return (kept, Decoded::Failed(error));
                }
            }
        }
        (kept, Decoded::Open)
    }

    /// Some bytes of a header, or of a payload.
    fn step(
        &mut self,
        bytes: &mut [u8],
        at: &mut usize,
        kept: &mut usize,
        replies: &mut Vec<u8>,
    ) -> Result<Decoded, FrameError> {
        if usize::from(self.have) < self.header_length() {
            *at += self.read_header(&bytes[*at..])?;
            if usize::from(self.have) < self.header_length() {
                return Ok(Decoded::Open);
            }
            self.begin_payload()?;
        }
        let rest = (bytes.len() - *at) as u64;
        let count = self.left.min(rest) as usize;
        let payload = *at..*at + count;
        *at += count;
        self.left -= count as u64;
        if self.is_control() {
            let start = self.control.len();
            self.control.extend_from_slice(&bytes[payload]);
            unmask(&mut self.control[start..], &mut self.mask);
        } else {
            bytes.copy_within(payload, *kept);
            unmask(&mut bytes[*kept..*kept + count], &mut self.mask);
            *kept += count;
        }
        if self.left > 0 {
            return Ok(Decoded::Open);
        }
        self.have = 0;
        self.finish(replies)
    }

    /// Bytes that the header has, as far as can be said from what has come of it.
    fn header_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        match self.header[1] & LENGTH {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    /// Takes what belongs to the header from the front of `bytes`; gives how much that is.
    fn read_header(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let mut taken = 0;
        while taken < bytes.len() && usize::from(self.have) < self.header_length() {
            let have = usize::from(self.have);
            let count = (self.header_length() - have).min(bytes.len() - taken);
            self.header[have..have + count].copy_from_slice(&bytes[taken..taken + count]);
            taken += count;
            self.have += count as u8;
            if have < 2 && self.have >= 2 {
                self.judge_start()?;
            }
        }
        Ok(taken)
    }

    /// Judges the first two bytes of a header, before anything else is waited for.
    fn judge_start(&self) -> Result<(), FrameError> {
        let [first, second, ..] = self.header;
        if first & RESERVED != 0 {
            return Err(FrameError::ReservedBit);
        }
        let starts_within = match first & OPCODE {
            CONTINUATION => !self.fragmented,
            BINARY => self.fragmented,
            TEXT => return Err(FrameError::Text),
            CLOSE | PING | PONG => {
                if first & FINAL == 0 || u64::from(second & LENGTH) > CONTROL_MAXIMUM {
                    return Err(FrameError::ControlFrame);
                }
                false
            }
            unknown => return Err(FrameError::UnknownOpcode(unknown)),
        };
        if second & MASKED == 0 {
            return Err(FrameError::NotMasked);
        }
        if starts_within {
            return Err(FrameError::Fragment);
        }
        Ok(())
    }

    /// Takes length and masking key out of a header that is complete.
    fn begin_payload(&mut self) -> Result<(), FrameError> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
        let key = self.header_length() - 4;
        let (length, least) = match self.header[1] & LENGTH {
            126 => (number(&self.header[2..key]), 126),
            127 => (number(&self.header[2..key]), 1 << 16),
            short => (u64::from(short), 0),
        };
        if length < least || length >> 63 != 0 {
            return Err(FrameError::Length);
        }
        if length > FRAME_MAXIMUM {
            return Err(FrameError::TooLong);
        }
        self.left = length;
        self.mask.copy_from_slice(&self.header[key..key + 4]);
        if !self.is_control() {
            self.fragmented = self.header[0] & FINAL == 0;
        }
        Ok(())
    }

    fn is_control(&self) -> bool {
        self.header[0] & OPCODE >= CLOSE
    }

    /// The last byte of a frame has come.
    fn finish(&mut self, replies: &mut Vec<u8>) -> Result<Decoded, FrameError> {
        if !self.is_control() {
            return Ok(Decoded::Open);
        }
        let payload = std::mem::take(&mut self.control);
        match self.header[0] & OPCODE {
            PING => control_frame(PONG, &payload, replies),
            CLOSE => {
                judge_close(&payload)?;
                control_frame(CLOSE, &payload[..payload.len().min(2)], replies);
                return Ok(Decoded::Closed);
            }
            _ => {}
        }
        Ok(Decoded::Open)
    }
}

/// A Close frame has nothing in it, or a status code and a reason.
fn judge_close(payload: &[u8]) -> Result<(), FrameError> {
    let (code, reason) = match *payload {
        [] => return Ok(()),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
        [_] => return Err(FrameError::CloseCode),
    };
    // 1004 to 1006 and 1015 are for use without a frame.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(FrameError::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(FrameError::CloseReason),
    }
}

/// Takes the mask off, and turns it for the byte that follows.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let word = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(rest.len() % 4);
}

/// Appends the header of a binary frame whose payload of `length` bytes follows.
pub(crate) fn binary_header(length: usize, out: &mut Vec<u8>) {
    header(BINARY, length, out);
}

/// Appends a Close frame.
pub(crate) fn close_frame(code: CloseCode, out: &mut Vec<u8>) {
    control_frame(CLOSE, &(code as u16).to_be_bytes(), out);
}

fn control_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

fn header(opcode: u8, length: usize, out: &mut Vec<u8>) {
    out.push(FINAL | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
