//! Core's door: what the realm of a connection's listener says to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dunlin_auth::{Credentials, Outcome, Realm, Source};
use dunlin_core::{ConnectionId, Decision, Grant, Origin, Policy, Review, ShardId};
use dunlin_packet::{Connect, ReasonCode};

use super::Authentication;
use super::workers::{Asker, Busy, Question};

/// The policy of one shard.
pub(in crate::server) struct ShardPolicy {
    shard: ShardId,
    shared: Arc<Authentication>,
    /// Where connections come from that have not sent a CONNECT yet.
    entering: HashMap<ConnectionId, Origin>,
}

impl ShardPolicy {
    pub(in crate::server) fn new(shard: ShardId, shared: Arc<Authentication>) -> Self {
        ShardPolicy {
            shard,
            shared,
            entering: HashMap::new(),
        }
    }

    fn judge(
        &mut self,
        asker: Asker,
        realm: Arc<Realm>,
        client_id: &str,
        outcome: Outcome,
    ) -> Decision {
        match outcome {
            Outcome::Accepted(identity) => Decision::accept(realm.grant(&identity, client_id)),
            Outcome::Refused(cause) => self.shared.workers.turn_away(asker, client_id, cause),
            Outcome::Slow(check) => {
                let question = Question {
                    asker,
                    check,
                    realm,
                    client_id: client_id.into(),
                    changes: self.shared.changes(),
                };
                match self.shared.workers.ask(question) {
                    Ok(()) => Decision::Pending,
                    Err(Busy) => Decision::refuse(ReasonCode::ServerBusy),
                }
            }
        }
    }
}

impl Policy for ShardPolicy {
    fn opened(&mut self, connection: ConnectionId, origin: &Origin) {
        self.entering.insert(connection, origin.clone());
    }

    fn connect(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Decision {
        let origin = self.entering.remove(&connection).unwrap_or_default();
        if connect.properties.authentication_method().is_some() {
            // [MQTT-4.12.0-1]
            return Decision::refuse(ReasonCode::BadAuthenticationMethod);
        }
        let realms = self.shared.realms();
        let Some(realm) = realms.get(origin.listener as usize) else {
            return Decision::refuse(ReasonCode::NotAuthorized);
        };
        let address = match origin.address {
            Some(address) if realm.http.is_some() => address.to_string(),
            _ => String::new(),
        };
        let outcome = realm.authenticate(&Credentials {
            client_id: connect.client_id,
            user_name: connect.user_name,
            password: connect.password,
            certificate: origin.certificate.as_deref(),
            address: &address,
            now: since_1970(),
        });
        let asker = Asker {
            shard: self.shard,
            connection,
            address: origin.address,
        };
        self.judge(asker, realm.clone(), connect.client_id, outcome)
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> Decision {
        Decision::refuse(ReasonCode::BadAuthenticationMethod)
    }

    fn closed(&mut self, connection: ConnectionId) {
        self.entering.remove(&connection);
    }

    fn review(&mut self, client_id: &str, grant: &Grant) -> Review {
        let realms = self.shared.realms();
        let Some(source) = Source::from_number(grant.source) else {
            // It came in where everybody was let in and could do everything.
            let open = realms.iter().all(|realm| realm.is_open());
            return if open { Review::Keep } else { Review::End };
        };
        match realms.get(usize::from(source.listener)) {
            Some(realm) => realm.review(client_id, grant, source),
            None => Review::End,
        }
    }
}

fn since_1970() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_secs())
}
