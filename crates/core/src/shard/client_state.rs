//! What is known of one Client, for those who ask from outside.

use super::Shard;
use crate::policy::Grant;

/// A Client that has a Session, as it is now.
#[derive(Clone, Debug)]
pub struct ClientState {
    /// Whether it has a Network Connection.
    pub is_connected: bool,
    /// What it was granted when it came in, or when the rules changed last.
    pub grant: Grant,
    /// Its subscriptions, shared ones among them.
    pub subscriptions: usize,
}

impl Shard {
    /// The Client with this Client Identifier, if its Session lives here.
    pub fn client(&self, client_id: &str) -> Option<ClientState> {
        let session = &self.clients.sessions[self.clients.sessions.find(client_id)?];
        Some(ClientState {
            is_connected: session.connection.is_some(),
            grant: session.grant.as_deref().cloned().unwrap_or_default(),
            subscriptions: session.subscription_count(),
        })
    }
}
