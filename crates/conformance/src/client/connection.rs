//! One TCP connection: packets out, packets in until a deadline, and a transcript of both.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::case::Failure;
use crate::wire::{self, Packet, Version, WireError};

/// What went over the connections of a case, for the report of a failure.
pub type Transcript = Rc<RefCell<Vec<String>>>;

/// What a read brought.
pub(super) enum Next {
    Packet(Packet),
    /// The broker has closed and everything before that was read.
    Closed,
    /// The deadline has passed.
    Late,
}

pub(super) struct Connection {
    pub(super) name: String,
    pub(super) version: Version,
    /// The size in bytes of the largest packet received so far.
    pub(super) largest: usize,
    stream: TcpStream,
    buffer: Vec<u8>,
    closed: bool,
    transcript: Transcript,
}

impl Connection {
    pub(super) fn open(
        address: SocketAddr,
        version: Version,
        name: &str,
        transcript: &Transcript,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, patience)
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        Ok(Self {
            name: name.into(),
            version,
            largest: 0,
            stream,
            buffer: Vec::new(),
            closed: false,
            transcript: Rc::clone(transcript),
        })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.note('>', bytes);
        if self.stream.write_all(bytes).is_err() {
            self.remark("> (connection is gone)");
        }
    }

    pub(super) fn next(&mut self, deadline: Instant) -> Result<Next, WireError> {
        loop {
            if let Some(length) = wire::split(&self.buffer)? {
                let bytes: Vec<u8> = self.buffer.drain(..length).collect();
                self.note('<', &bytes);
                self.largest = self.largest.max(length);
                return Ok(Next::Packet(wire::parse(self.version, &bytes)?));
            }
            if self.closed {
                return Ok(Next::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Late);
            }
            self.fill(left);
        }
    }

    /// Reads once. A broker that resets the connection has closed it like any other.
    fn fill(&mut self, patience: Duration) {
        let mut chunk = [0; 65_536];
        let read = self
            .stream
            .set_read_timeout(Some(patience))
            .and_then(|()| self.stream.read(&mut chunk));
        match read.map_err(|error| error.kind()) {
            Ok(length @ 1..) => self.buffer.extend_from_slice(&chunk[..length]),
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => {
                self.closed = true;
                self.remark("< (closed by the broker)");
            }
        }
    }

    /// Adds a line to the transcript.
    pub(super) fn remark(&self, what: &str) {
        self.transcript
            .borrow_mut()
            .push(format!("{} {what}", self.name));
    }

    fn note(&self, direction: char, bytes: &[u8]) {
        const SHOWN: usize = 96;
        let mut line = String::from(direction);
        for byte in bytes.iter().take(SHOWN) {
            // Writing to a String cannot fail.
            let _ = write!(line, " {byte:02x}");
        }
        if bytes.len() > SHOWN {
            let _ = write!(line, " … {} bytes", bytes.len());
        }
        self.remark(&line);
    }
}
