//! The dense table of connections, and what the reactor knows about each: a few dozen bytes, and no
//! buffer.

use std::io;
use std::net::Shutdown;

use socket2::Socket;

use crate::layers::Layers;
use crate::{Closed, ConnectionId, Permit};

/// One connection of the reactor.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Socket,
    /// What lies between the socket and MQTT, if anything.
    pub(crate) layers: Option<Box<Layers>>,
    /// Its place among those that may be there, if it came in by a listener and has not ended.
    pub(crate) permit: Option<Box<Permit>>,
    pub(crate) phase: Phase,
    /// The kernel may hold bytes, or an end, that we have not read. Events come on the edge only,
    /// so this is set by an event and cleared by a read that shows the kernel's buffer drained.
    pub(crate) unread: bool,
    /// An end was announced: even a short read is followed by another one, until one reports it.
    pub(crate) hung_up: bool,
    /// Its id is on the ready list.
    pub(crate) queued: bool,
    /// The caller does not want to be given bytes.
    pub(crate) paused: bool,
    /// The last write was not taken whole, and no writable event has come since.
    pub(crate) blocked: bool,
    /// Registered for writable events too. Asked for at the first blocked write and kept: on the
    /// edge it is reported only after a full send buffer, so it costs nothing from then on.
    pub(crate) watches_writable: bool,
}

/// How far a connection is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// A write failed with this `errno`: deliver what the peer had sent, then report the end.
    Broken(i32),
    /// Closed for the caller, who has no id of it any more: read and discard this many bytes.
    Lingering(u32),
}

impl Connection {
    pub(crate) fn new(stream: Socket, layers: Option<Box<Layers>>) -> Self {
        Self {
            stream,
            layers,
            permit: None,
            phase: Phase::Open,
            unread: false,
            hung_up: false,
            queued: false,
            paused: false,
            blocked: false,
            watches_writable: false,
        }
    }

    /// Sends FIN, unless layers have kept something: then it is to be called again when that has
    /// been sent. False: the connection is gone.
    pub(crate) fn finish_writing(&mut self) -> bool {
        let waits = |layers: &Layers| !layers.unsent().is_empty();
        if self.layers.as_deref().is_some_and(waits) {
            return true;
        }
        self.layers = None;
        self.stream.shutdown(Shutdown::Write).is_ok()
    }

    /// Why it ends: a failed write is the better reason than what a read found afterwards.
    pub(crate) fn cause(&self, found: Closed) -> Closed {
        match self.phase {
            Phase::Broken(errno) => io::Error::from_raw_os_error(errno).into(),
            Phase::Open | Phase::Lingering(_) => found,
        }
    }
}

/// Connections by index. An index is dense, and is used again with the next generation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

impl Table {
    /// The id that the next [`Table::insert`] will give.
    pub(crate) fn next_id(&self) -> ConnectionId {
        match self.free.last() {
            Some(&index) => ConnectionId::new(index, self.slots[index as usize].generation),
            None => {
                let index = u32::try_from(self.slots.len());
                ConnectionId::new(index.expect("fewer sockets than 2^32"), 0)
            }
        }
    }

    pub(crate) fn insert(&mut self, connection: Connection) -> ConnectionId {
        let id = self.next_id();
        match self.free.pop() {
            Some(index) => self.slots[index as usize].connection = Some(connection),
            None => self.slots.push(Slot {
                generation: 0,
                connection: Some(connection),
            }),
        }
        id
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slot(id)?.connection.as_mut()
    }

    pub(crate) fn contains(&self, id: ConnectionId) -> bool {
        let slot = self.slots.get(id.index() as usize);
        slot.is_some_and(|slot| slot.generation == id.generation() && slot.connection.is_some())
    }

    /// The connection at `index` now, whichever generation it is.
    pub(crate) fn at(&mut self, index: usize) -> Option<(ConnectionId, &mut Connection)> {
        let slot = self.slots.get_mut(index)?;
        let id = ConnectionId::new(u32::try_from(index).ok()?, slot.generation);
        Some((id, slot.connection.as_mut()?))
    }

    /// All connections.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(index, slot)| {
            let id = ConnectionId::new(index, slot.generation);
            Some((id, slot.connection.as_ref()?))
        })
    }

    /// Takes the connection out; its index is free from now on.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let slot = self.slot(id)?;
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index());
        Some(connection)
    }

    /// Keeps the connection where it is under a new id, so that `id` means nothing any more.
    pub(crate) fn rename(&mut self, id: ConnectionId) -> Option<ConnectionId> {
        let slot = self.slot(id)?;
        slot.connection.as_ref()?;
        slot.generation = slot.generation.wrapping_add(1);
        Some(ConnectionId::new(id.index(), slot.generation))
    }

    fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index() as usize)?;
        (slot.generation == id.generation()).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_costs_some_dozen_bytes() {
        assert!(size_of::<Slot>() <= 48, "{}", size_of::<Slot>());
    }
}
