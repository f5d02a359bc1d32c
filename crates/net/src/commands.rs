//! What the owner of a reactor asks of it between turns.

use std::io::{self, IoSlice, Write};
use std::mem;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use socket2::Socket;

use crate::reactor::{enqueue, token};
use crate::table::{Connection, Phase};
use crate::{AttachError, ConnectionId, Reactor, Transport};

/// How many slices one writev(2) takes: the kernel's own limit (`IOV_MAX`) on all systems in use.
const SLICES_PER_CALL: usize = 1024;

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what the kernel did not take has to be kept and written again"]
pub struct Written {
    /// Bytes that the kernel took, counted from the first slice on.
    pub bytes: usize,
    /// What to do about the others.
    pub state: WriteState,
}

/// What a connection can take after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteState {
    /// The kernel took all of it.
    Complete,
    /// The kernel's buffer is full: `Handler::writable` tells when to go on, once. Until then,
    /// writes take nothing and cost nothing.
    Blocked,
    /// Nothing can be written any more. Either the id is not valid (the connection was closed by
    /// whomever), or writing failed, and `Handler::closed` follows, once.
    Gone,
}

impl Reactor {
    /// Writes `slices`, in order, with one system call (one more for every 1024 slices; with
    /// layers, one for every 64 KiB). What a layer has taken counts as written: the reactor itself
    /// sends the rest of it, and less than two such portions are ever kept for a connection.
    pub fn write(&mut self, id: ConnectionId, slices: &[IoSlice<'_>]) -> Written {
        let mut bytes = 0;
        let state = self.write_some(id, slices, &mut bytes);
        Written { bytes, state }
    }

    fn write_some(
        &mut self,
        id: ConnectionId,
        slices: &[IoSlice<'_>],
        bytes: &mut usize,
    ) -> WriteState {
        let Some(connection) = self.table.get_mut(id) else {
            return WriteState::Gone;
        };
        if connection.phase != Phase::Open {
            return WriteState::Gone;
        }
        if connection.blocked {
            return WriteState::Blocked;
        }
        if connection.layers.is_some() {
            return self.write_layers(id, slices, bytes);
        }
        for slices in slices.chunks(SLICES_PER_CALL) {
            let wanted: usize = slices.iter().map(|slice| slice.len()).sum();
            if wanted == 0 {
                continue;
            }
            self.counters.writes += 1;
            let failure = match write_once(&mut connection.stream, slices) {
                Ok(count) => {
                    *bytes += count;
                    self.counters.bytes_out += count as u64;
                    if count == wanted {
                        continue;
                    }
                    self.counters.blocked_writes += 1;
                    match block(self.poll.registry(), id, connection) {
                        Ok(()) => return WriteState::Blocked,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            return self.break_off(id, &failure);
        }
        WriteState::Complete
    }

    /// As [`Reactor::write_some`], for a connection with layers.
    fn write_layers(
        &mut self,
        id: ConnectionId,
        slices: &[IoSlice<'_>],
        bytes: &mut usize,
    ) -> WriteState {
        loop {
            self.encoded.clear();
            self.plain.clear();
            let layers = self.table.get_mut(id).and_then(|c| c.layers.as_mut());
            let layers = layers.expect("the caller has looked");
            let taken = layers.wrap(slices, *bytes, &mut self.plain, &mut self.encoded);
            if taken == 0 {
                return WriteState::Complete;
            }
            *bytes += taken;
            match self.send_encoded(id) {
                WriteState::Complete => {}
                blocked_or_gone => return blocked_or_gone,
            }
        }
    }

    /// Sends what layers have put into `encoded`. What the kernel does not take is kept in them.
    pub(crate) fn send_encoded(&mut self, id: ConnectionId) -> WriteState {
        let connection = self.table.get_mut(id).expect("the caller has looked");
        if self.encoded.is_empty() {
            return WriteState::Complete;
        }
        let mut sent = 0;
        if !connection.blocked {
            self.counters.writes += 1;
            match write_once(&mut connection.stream, &[IoSlice::new(&self.encoded)]) {
                Ok(count) => sent = count,
                Err(error) => return self.break_off(id, &error),
            }
            self.counters.bytes_out += sent as u64;
        }
        let rest = &self.encoded[sent..];
        if rest.is_empty() {
            return WriteState::Complete;
        }
        if let Some(layers) = &mut connection.layers {
            layers.keep(rest);
        }
        if connection.blocked {
            return WriteState::Blocked;
        }
        self.counters.blocked_writes += 1;
        match block(self.poll.registry(), id, connection) {
            Ok(()) => WriteState::Blocked,
            Err(error) => self.break_off(id, &error),
        }
    }

    /// Sends what layers have kept, as the kernel has room again. True: all of it.
    pub(crate) fn send_kept(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.table.get_mut(id) else {
            return false;
        };
        let Some(layers) = &mut connection.layers else {
            return true;
        };
        while !layers.unsent().is_empty() {
            self.counters.writes += 1;
            let outcome = match write_once(&mut connection.stream, &[IoSlice::new(layers.unsent())])
            {
                Ok(0) => block(self.poll.registry(), id, connection),
                Ok(count) => {
                    self.counters.bytes_out += count as u64;
                    layers.note_sent(count);
                    continue;
                }
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                let _ = self.break_off(id, &error);
            }
            return false;
        }
        true
    }

    /// Writing failed: the next turn delivers what the peer had sent, and then reports the end.
    fn break_off(&mut self, id: ConnectionId, failure: &io::Error) -> WriteState {
        if let Some(connection) = self.table.get_mut(id) {
            if connection.phase == Phase::Open {
                connection.phase = Phase::Broken(failure.raw_os_error().unwrap_or(0));
            }
            if !mem::replace(&mut connection.queued, true) {
                self.ready.push(id);
            }
        }
        WriteState::Gone
    }

    /// Ends the connection in order: the peer gets what was written, then FIN. `id` is invalid at
    /// once, and the handler hears no more of it. The socket lingers for the peer's FIN within the
    /// limits of [`LingerConfig`](crate::LingerConfig), reading and discarding, so that the last
    /// packet is not destroyed by a reset.
    pub fn close(&mut self, id: ConnectionId) {
        if self.table.contains(id) {
            self.counters.closed_by_us += 1;
            self.end_in_order(id);
        }
    }

    /// What layers have to say at the end, what they have kept, then FIN; then the connection
    /// lingers, or is gone if there is nobody to linger for.
    pub(crate) fn end_in_order(&mut self, id: ConnectionId) {
        let Some(connection) = self.table.get_mut(id) else {
            return;
        };
        if let (Phase::Open, Some(layers)) = (connection.phase, &mut connection.layers) {
            self.encoded.clear();
            layers.say_goodbye(&mut self.encoded);
            let _ = self.send_encoded(id);
        }
        let connection = self.table.get_mut(id).expect("looked up above");
        let lingers = connection.phase == Phase::Open && self.config.linger.count > 0;
        if !lingers || !connection.finish_writing() {
            drop(self.remove(id));
            return;
        }
        self.begin_to_linger(id);
    }

    fn begin_to_linger(&mut self, id: ConnectionId) {
        if self.linger.live() >= self.config.linger.count
            && let Some((_, oldest)) = self.linger.oldest(&self.table)
        {
            self.cut(oldest);
        }
        let id = self.table.rename(id).expect("the caller has looked it up");
        let connection = self.table.get_mut(id).expect("just renamed");
        connection.phase = Phase::Lingering(self.config.linger.bytes);
        connection.permit = None;
        connection.paused = self.config.linger.bytes == 0;
        connection.blocked &= connection.layers.is_some();
        connection.queued = false; // The entry on the ready list has the old id.
        enqueue(&mut self.ready, id, connection);
        self.counters.open -= 1;
        self.linger.push(id, &self.table);
    }

    /// Ends the connection at once: what the kernel has not sent yet is thrown away and the peer
    /// gets RST. `id` is invalid at once, and the handler hears no more of it.
    pub fn abort(&mut self, id: ConnectionId) {
        let Some(connection) = self.remove(id) else {
            return;
        };
        self.counters.closed_by_us += 1;
        // Where the option is refused, the socket is dead already, and dropping it is enough.
        let _ = socket2::SockRef::from(&connection.stream).set_linger(Some(Default::default()));
    }

    /// Stops reading from the connection, so that the peer is slowed down by its own kernel. While
    /// paused, the end of the connection is noticed only by a write that fails.
    pub fn pause(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.paused = true;
        }
    }

    /// Goes on reading, from the next turn on, which delivers what has been waiting.
    pub fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.table.get_mut(id) {
            connection.paused = false;
            enqueue(&mut self.ready, id, connection);
        }
    }

    /// Takes the connection out of this reactor, for another one. `id` is invalid at once, and the
    /// handler hears no more of it. `None` if it was invalid already. The new reactor starts
    /// afresh: neither paused, nor blocked.
    pub fn detach(&mut self, id: ConnectionId) -> Option<Transport> {
        let Connection {
            stream,
            layers,
            permit,
            ..
        } = self.remove(id)?;
        let registry = self.poll.registry();
        let gone = registry.deregister(&mut SourceFd(&stream.as_raw_fd()));
        gone.expect("a registered connection can be deregistered");
        self.counters.detached += 1;
        Some(Transport {
            stream,
            layers,
            permit,
        })
    }

    /// The connections whose address is banned, now that the rules of the [`Admission`](crate::Admission)
    /// are others.
    pub fn banned(&self) -> Vec<ConnectionId> {
        let is_banned = |connection: &Connection| {
            connection
                .permit
                .as_ref()
                .is_some_and(|permit| permit.is_banned())
        };
        let all = self.table.iter();
        all.filter(|(_, connection)| is_banned(connection))
            .map(|(id, _)| id)
            .collect()
    }

    /// Takes over a connection. Bytes that wait in the kernel, or its end, are delivered by the
    /// next turns. The handler hears no `accepted`.
    ///
    /// # Errors
    /// [`AttachError`]; the connection is closed then.
    pub fn attach(&mut self, transport: Transport) -> Result<ConnectionId, AttachError> {
        let maximum = self.config.maximum_connections;
        if self.counters.open >= maximum {
            return Err(AttachError::MaximumConnections { maximum });
        }
        let Transport {
            stream,
            layers,
            permit,
        } = transport;
        let id = self.insert(stream, layers, permit)?;
        self.counters.attached += 1;
        Ok(id)
    }
}

/// One send(2) or writev(2). A kernel that takes nothing now is no error, but a count of 0.
fn write_once(stream: &mut Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        let written = match slices {
            [slice] => stream.write(slice),
            slices => stream.write_vectored(slices),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            written => return written,
        }
    }
}

/// Has the kernel tell when the connection takes bytes again.
fn block(registry: &Registry, id: ConnectionId, connection: &mut Connection) -> io::Result<()> {
    connection.blocked = true;
    if mem::replace(&mut connection.watches_writable, true) {
        return Ok(());
    }
    let interest = Interest::READABLE | Interest::WRITABLE;
    registry.reregister(
        &mut SourceFd(&connection.stream.as_raw_fd()),
        token(id),
        interest,
    )
}
