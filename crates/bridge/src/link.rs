//! Bytes over a socket that does not block: to this broker, or to another one, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustls::ClientConnection;

/// Bytes read at once.
const READ_SIZE: usize = 64 * 1024;

/// One connection.
pub(crate) enum Link {
    Local(UnixStream),
    Plain(TcpStream),
    Tls(Box<ClientConnection>, TcpStream),
}

impl Link {
    /// Bytes that have come, one portion of them; empty: none for now.
    ///
    /// # Errors
    /// The connection has ended, in order or not.
    pub(crate) fn read(&mut self, scratch: &mut Vec<u8>) -> io::Result<()> {
        scratch.resize(READ_SIZE, 0);
        let read = match self {
            Link::Local(stream) => stream.read(scratch),
            Link::Plain(stream) => stream.read(scratch),
            Link::Tls(session, stream) => read_tls(session, stream, scratch),
        };
        let read = match read {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_temporary(&error) => 0,
            read => read?,
        };
        scratch.truncate(read);
        Ok(())
    }

    /// Writes as much of `output` as goes, and takes it out. Gives how much that was.
    ///
    /// # Errors
    /// The connection has ended.
    pub(crate) fn write(&mut self, output: &mut Vec<u8>) -> io::Result<usize> {
        let mut written = 0;
        while written < output.len() {
            let rest = &output[written..];
            let taken = match self {
                Link::Local(stream) => stream.write(rest),
                Link::Plain(stream) => stream.write(rest),
                Link::Tls(session, stream) => write_tls(session, stream, rest),
            };
            match taken {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if is_temporary(&error) => break,
                Err(error) => return Err(error),
            }
        }
        output.drain(..written);
        if let Link::Tls(session, stream) = self {
            flush_tls(session, stream)?;
        }
        Ok(written)
    }

    /// Whether TLS itself has something to be written.
    pub(crate) fn wants_write(&self) -> bool {
        matches!(self, Link::Tls(session, _) if session.wants_write())
    }

    /// Whether the handshake goes on: what is written waits until it is over.
    fn is_shaking_hands(&self) -> bool {
        matches!(self, Link::Tls(session, _) if session.is_handshaking())
    }

    /// Whether `output` can be written when the socket is writable.
    pub(crate) fn takes(&self, output: &[u8]) -> bool {
        self.wants_write() || (!output.is_empty() && !self.is_shaking_hands())
    }

    /// Says that nothing follows.
    pub(crate) fn finish(&mut self) {
        match self {
            Link::Local(stream) => drop(stream.shutdown(std::net::Shutdown::Write)),
            Link::Plain(stream) => drop(stream.shutdown(std::net::Shutdown::Write)),
            Link::Tls(session, stream) => {
                session.send_close_notify();
                // The connection is over either way.
                let _ = flush_tls(session, stream);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Link::Local(stream) => stream.as_fd(),
            Link::Plain(stream) | Link::Tls(_, stream) => stream.as_fd(),
        }
    }
}

fn read_tls(
    session: &mut ClientConnection,
    stream: &mut TcpStream,
    scratch: &mut [u8],
) -> io::Result<usize> {
    loop {
        match session.reader().read(scratch) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        let read = session.read_tls(stream);
        if read? == 0 {
            return Ok(0);
        }
        if let Err(error) = session.process_new_packets() {
            // The other side is told why, if it still listens.
            let _ = flush_tls(session, stream);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        flush_tls(session, stream)?;
    }
}

/// Takes 0 as long as the handshake goes on.
fn write_tls(
    session: &mut ClientConnection,
    stream: &mut TcpStream,
    bytes: &[u8],
) -> io::Result<usize> {
    if session.is_handshaking() {
        return Ok(0);
    }
    flush_tls(session, stream)?;
    if session.wants_write() {
        return Ok(0);
    }
    session.writer().write(bytes)
}

fn flush_tls(session: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while session.wants_write() {
        match session.write_tls(stream) {
            Ok(_) => {}
            Err(error) if is_temporary(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Nothing now, but later.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
