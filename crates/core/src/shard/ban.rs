//! Bans: by name, and of Clients that connect too often.

use std::hash::BuildHasher;
use std::sync::Arc;

use dunlin_packet::{Connect, ReasonCode};

use super::Shard;
use crate::bans::{Bans, Comeback};
use crate::event::Event;
use crate::fault::Ending;
use crate::id::{ConnectionId, SessionId};
use crate::policy::Refusal;
use crate::time::Timestamp;

impl Shard {
    /// Whether a CONNECT is refused before anybody asks who its Client is.
    pub(super) fn is_banned(
        &self,
        now: Timestamp,
        id: ConnectionId,
        connect: &Connect<'_>,
    ) -> bool {
        let client_id = connect.client_id;
        self.bans.apply_to(client_id, connect.user_name)
            || !client_id.is_empty()
                && !self.is_within(id)
                && self.flapping.bans(self.name_hash(client_id), now)
    }

    /// Counts a CONNECT of a Client that may come in; whether it has come too often now. Nobody can have
    /// a Client banned who does not know its password.
    pub(super) fn comes_too_often(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        client_id: &str,
    ) -> bool {
        if self.clients.limits.flapping_connects.is_none() || self.is_within(id) {
            return false;
        }
        let hash = self.name_hash(client_id);
        match self.flapping.count(hash, &self.clients.limits, now) {
            Comeback::Welcome => false,
            Comeback::BannedNow => {
                self.clients.counters.clients_banned += 1;
                let client_id = client_id.into();
                self.emit(Event::Banned { client_id });
                true
            }
        }
    }

    /// Refuses a CONNECT; gives the way in which its connection ends.
    pub(super) fn refuse_banned(&mut self, id: ConnectionId, client_id: &str) -> Ending {
        self.clients.counters.connects_banned += 1;
        self.refuse(id, client_id, &Refusal::new(ReasonCode::Banned))
    }

    /// These names are banned from now on.
    pub(super) fn ban(&mut self, now: Timestamp, bans: Arc<Bans>) {
        if bans == self.bans {
            return;
        }
        self.bans = bans;
        let sessions: Vec<SessionId> = self.clients.sessions.ids().collect();
        for id in sessions {
            let session = &self.clients.sessions[id];
            let grant = session.grant.as_deref();
            let user_name = grant.and_then(|grant| grant.user_name.as_deref());
            if let Some(connection) = session.connection
                && self.bans.apply_to(&session.client_id, user_name)
            {
                self.close(now, connection, Ending::Banned);
            }
        }
    }

    fn is_within(&self, id: ConnectionId) -> bool {
        let connection = self.clients.connections.get(id);
        connection.is_some_and(|connection| connection.is_within())
    }

    fn name_hash(&self, name: &str) -> u64 {
        self.placement.hash_one(name)
    }
}
