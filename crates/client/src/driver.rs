//! A [`Client`] on a blocking `TcpStream`: no thread, one read at a time, the read timeout is the
//! next deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::{Client, Event};

/// Bytes asked for with one read.
const READ_SIZE: usize = 64 * 1024;

/// How long the Server may refuse to take a byte before the Network Connection counts as lost.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the Server may take to close its side after us.
const LINGER: Duration = Duration::from_secs(1);

/// Which way bytes went, from the client's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the Server.
    Received,
    /// To the Server.
    Sent,
}

/// Gets to see all bytes that pass.
type Observer = Box<dyn FnMut(Direction, &[u8]) + Send>;

/// Moves bytes between a [`Client`] and its Network Connection.
///
/// A failing socket is no error of its own: it ends the Network Connection, which the client
/// reports as [`Event::Closed`].
pub struct Driver {
    client: Client,
    stream: TcpStream,
    scratch: Box<[u8]>,
    observer: Option<Observer>,
}

impl Driver {
    /// Begins a Network Connection on `stream`, which has just been opened.
    ///
    /// # Errors
    /// If the socket does not take its options.
    pub fn new(client: Client, stream: TcpStream) -> io::Result<Self> {
        let scratch = vec![0; READ_SIZE].into_boxed_slice();
        let mut driver = Self {
            client,
            stream,
            scratch,
            observer: None,
        };
        driver.begin()?;
        Ok(driver)
    }

    /// Begins another Network Connection of the same client.
    ///
    /// # Errors
    /// If the socket does not take its options.
    pub fn reconnect(&mut self, stream: TcpStream) -> io::Result<()> {
        self.stream = stream;
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        self.stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        self.client.connect(Instant::now());
        Ok(())
    }

    /// Shows every portion of bytes to `observer` before the client gets it, or after it was written.
    pub fn observe(&mut self, observer: impl FnMut(Direction, &[u8]) + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// The client, to ask it for something; what it puts out is written by the next call.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The socket, to wait for it together with other things; see [`receive`](Self::receive).
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Waits for the next event, until `until` if that is given; `None` when that time has come.
    pub fn next_event(&mut self, until: Option<Instant>) -> Option<Event> {
        loop {
            if let Some(event) = self.poll_event() {
                return Some(event);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return None;
            }
            let deadline = [until, self.client.next_deadline()]
                .into_iter()
                .flatten()
                .min();
            let patience = deadline.map(|deadline| {
                // Zero would mean no timeout at all.
                deadline
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1))
            });
            self.receive(patience);
        }
    }

    /// Does what is due and writes what is to be written, then takes an event, without waiting for
    /// the Server.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.client.handle_time(Instant::now());
        self.flush();
        self.client.poll_event()
    }

    /// Reads once. Blocks until there is something to read, or for `patience` if that is given.
    pub fn receive(&mut self, patience: Option<Duration>) {
        let read = self
            .stream
            .set_read_timeout(patience)
            .and_then(|()| self.stream.read(&mut self.scratch));
        match read {
            Ok(0) => self.client.handle_close(),
            Ok(count) => {
                let bytes = &self.scratch[..count];
                if let Some(observer) = &mut self.observer {
                    observer(Direction::Received, bytes);
                }
                self.client.handle_bytes(bytes);
            }
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.client.handle_close(),
        }
    }

    /// Writes all output, and closes the Network Connection if the client wants that.
    pub fn flush(&mut self) {
        let output = self.client.output();
        if !output.is_empty() {
            let count = output.len();
            // A failed write is not the end: the Server may have said why before it closed, and
            // that is still to be read. The read fails too once there is nothing left.
            if self.stream.write_all(output).is_ok()
                && let Some(observer) = &mut self.observer
            {
                observer(Direction::Sent, output);
            }
            self.client.transmitted(count, Instant::now());
        }
        if self.client.wants_close() {
            self.close();
        }
    }

    /// Closes the Network Connection so that the last packet arrives: with unread bytes left, the
    /// kernel would reset the connection and the Server might lose our DISCONNECT.
    fn close(&mut self) {
        let until = Instant::now() + LINGER;
        // Fails only if the other side was faster, and then so does the read.
        let _ = self.stream.shutdown(Shutdown::Write);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                break;
            }
            if !matches!(self.stream.read(&mut self.scratch), Ok(1..)) {
                break;
            }
        }
        self.client.handle_close();
    }
}

/// Nothing was read, but the next attempt may succeed.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
