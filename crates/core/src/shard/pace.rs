//! Clients that send faster than they may: what has come waits, and nothing more is read, so that they
//! feel it. Who does not let up is disconnected.

use dunlin_packet::PacketType;

use super::{Command, Shard};
use crate::connection::Phase;
use crate::event::Event;
use crate::fault::Ending;
use crate::id::ConnectionId;
use crate::time::Timestamp;

/// What becomes of a packet.
pub(super) enum Pace {
    /// It is handled.
    Go,
    /// It waits, and so does all that comes after it, until [`Shard::go_on`].
    Hold,
}

impl Shard {
    /// Whether a packet may be handled now; then it counts. Before CONNACK other bounds hold.
    pub(super) fn pace(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        packet_type: PacketType,
        length: usize,
    ) -> Result<Pace, Ending> {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return Ok(Pace::Go);
        };
        let Phase::Open(session) = connection.phase else {
            return Ok(Pace::Go);
        };
        if connection.is_within() {
            return Ok(Pace::Go);
        }
        let rates = connection.rates.get_or_insert_default();
        let charged = rates.charge(&self.clients.limits, packet_type, length, now);
        let counters = &mut self.clients.counters;
        let hold = charged.inspect_err(|_| counters.clients_too_fast += 1)?;
        let Some(hold) = hold else {
            return Ok(Pace::Go);
        };
        if hold.is_first {
            counters.clients_slowed += 1;
            let client_id = self.clients.sessions[session].client_id.clone();
            self.emit(Event::Slowed { client_id });
        }
        self.set_deadline(now, id);
        self.commands.push(Command::Pause(id));
        Ok(Pace::Hold)
    }

    /// The time of a Client that was held back has come.
    pub(super) fn go_on(&mut self, now: Timestamp, id: ConnectionId) {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        if let Some(rates) = &mut connection.rates {
            rates.release();
        }
        self.received(now, id, &[]);
        let connection = self.clients.connections.get(id);
        let is_free = |phase: &Phase| matches!(phase, Phase::Open(_));
        let goes_on = connection.is_some_and(|it| is_free(&it.phase) && it.held_until().is_none());
        if goes_on {
            self.set_deadline(now, id);
            self.commands.push(Command::Resume(id));
        }
    }
}
