//! What Clients are allowed: a grant comes with a connection, stays with the Session, and changes
//! with the rules.
//!
//! Every single action is judged by `Session::may`. Here is what happens to what a Session has
//! already when its grant changes: subscriptions that are not allowed end, and messages that may
//! not be received leave its queue.

use super::Shard;
use crate::event::Event;
use crate::fault::Ending;
use crate::id::{ConnectionId, SessionId};
use crate::policy::{Action, Grant, Review};
use crate::shared::filter_of;
use crate::time::Timestamp;
use crate::timers::Timer;

impl Shard {
    /// Notes what the Client of a connection, and with it a Session, is granted.
    pub(super) fn set_grant(&mut self, id: ConnectionId, session: SessionId, grant: Grant) {
        if let Some(connection) = self.clients.connections.get_mut(id) {
            connection.expires_at = grant.expires_at;
        }
        let is_plain = grant.access.is_none()
            && grant.mount_point.is_none()
            && grant.user_name.is_none()
            && grant.source == 0;
        self.clients.sessions[session].grant = (!is_plain).then(|| Box::new(grant));
    }

    /// Sets the timer of an open connection anew.
    pub(super) fn set_deadline(&mut self, now: Timestamp, id: ConnectionId) {
        if let Some(connection) = self.clients.connections.get_mut(id) {
            let deadline = connection.due_at(now);
            let timer = Timer::Connection(id.index() as u32);
            self.clients
                .timers
                .set(timer, &mut connection.deadline, deadline);
        }
    }

    /// Takes from a Session what its grant does not allow it to have.
    pub(super) fn enforce_grant(&mut self, id: SessionId) {
        if !self.clients.sessions[id].is_restricted() {
            return;
        }
        for filter in self.filters_of(id) {
            let behind = filter.strip_prefix("$share/").map_or(&*filter, filter_of);
            if self.clients.sessions[id].may(Action::Subscribe, behind) {
                continue;
            }
            if self.unsubscribe_from(id, &filter) {
                let client_id = self.clients.sessions[id].client_id.clone();
                let filter = filter.into();
                self.emit(Event::Unsubscribed { client_id, filter });
            }
        }
        self.clients.drop_forbidden(id);
    }

    /// The filters of all subscriptions of a Session, as its Client wrote them.
    fn filters_of(&self, id: SessionId) -> Vec<String> {
        let session = &self.clients.sessions[id];
        let own = session
            .subscriptions
            .iter()
            .map(|filter| self.routes.filter(filter));
        let memberships = session.memberships();
        let shared = memberships
            .iter()
            .filter_map(|membership| self.memberships.get(membership))
            .map(|membership| format!("$share/{}", membership.group));
        own.chain(shared).collect()
    }

    /// The rules have changed: asks the policy anew for every Session that has a grant.
    pub(super) fn review_grants(&mut self, now: Timestamp) {
        let sessions: Vec<SessionId> = self.clients.sessions.ids().collect();
        for id in sessions {
            let session = &self.clients.sessions[id];
            let connection = session.connection;
            let none = Grant::default();
            let grant = session.grant.as_deref().unwrap_or(&none);
            match self.policy.review(&session.client_id, grant) {
                Review::Keep => {}
                Review::Replace(grant) => {
                    match connection {
                        Some(connection) => {
                            self.set_grant(connection, id, grant);
                            self.set_deadline(now, connection);
                        }
                        None => self.clients.sessions[id].grant = Some(Box::new(grant)),
                    }
                    self.enforce_grant(id);
                }
                Review::End => {
                    if let Some(connection) = connection {
                        self.close(now, connection, Ending::GrantWithdrawn);
                    }
                }
            }
        }
    }
}
