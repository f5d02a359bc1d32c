//! Core's door: what the realm of a connection's listener says to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dunlin_auth::{Credentials, Outcome, Realm, Source, scram};
use dunlin_core::{ConnectionId, Decision, Grant, Origin, Policy, Review, ShardId};
use dunlin_packet::{Connect, ReasonCode};

use super::Authentication;
use super::exchange::AuthExchange;
use super::workers::{Asker, Busy, Question};

/// The policy of one shard.
pub(in crate::server) struct ShardPolicy {
    shard: ShardId,
    shared: Arc<Authentication>,
    /// Where connections come from that have not sent a CONNECT yet.
    entering: HashMap<ConnectionId, Origin>,
    /// Connections with an exchange of AUTH packets, as long as they last.
    exchanges: HashMap<ConnectionId, AuthExchange>,
}

impl ShardPolicy {
    pub(in crate::server) fn new(shard: ShardId, shared: Arc<Authentication>) -> Self {
        ShardPolicy {
            shard,
            shared,
            entering: HashMap::new(),
            exchanges: HashMap::new(),
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
            Outcome::Accepted(identity) => match realm.grant(&identity, client_id) {
                Ok(grant) => Decision::accept(grant),
                Err(cause) => self.shared.workers.turn_away(asker, client_id, cause),
            },
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

    fn client_id(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Option<String> {
        let origin = self.entering.get(&connection)?;
        let realms = self.shared.realms();
        let realm = realms.get(origin.listener as usize)?;
        realm.client_id(connect.user_name, origin.certificate.as_deref())
    }

    fn connect(&mut self, connection: ConnectionId, connect: &Connect<'_>) -> Decision {
        let Some(origin) = self.entering.remove(&connection) else {
            return Decision::refuse(ReasonCode::NotAuthorized);
        };
        if let Some(method) = connect.properties.authentication_method() {
            let exchange = AuthExchange::new(origin, connect.client_id);
            self.exchanges.insert(connection, exchange);
            let data = connect.properties.authentication_data();
            return self.authenticate(connection, method, data.unwrap_or_default());
        }
        let realms = self.shared.realms();
        let Some(realm) = realms.get(origin.listener as usize) else {
            return Decision::refuse(ReasonCode::NotAuthorized);
        };
        let outcome = realm.authenticate(&Credentials {
            client_id: connect.client_id,
            user_name: connect.user_name,
            password: connect.password,
            certificate: origin.certificate.as_deref(),
            address: origin.address,
            now: since_1970(),
        });
        let asker = Asker {
            shard: self.shard,
            connection,
            address: origin.address,
        };
        self.judge(asker, realm.clone(), connect.client_id, outcome)
    }

    fn authenticate(&mut self, connection: ConnectionId, method: &str, data: &[u8]) -> Decision {
        let realms = self.shared.realms();
        let Some(exchange) = self.exchanges.get_mut(&connection) else {
            return Decision::refuse(ReasonCode::NotAuthorized);
        };
        let realm = realms.get(exchange.origin.listener as usize);
        let Some((realm, true)) = realm.map(|realm| (realm, method == scram::METHOD)) else {
            // [MQTT-4.12.0-1]
            return Decision::refuse(ReasonCode::BadAuthenticationMethod);
        };
        match exchange.step(realm, data) {
            Ok(decision) => decision,
            Err(cause) => {
                let asker = Asker {
                    shard: self.shard,
                    connection,
                    address: exchange.origin.address,
                };
                let client_id = exchange.client_id.clone();
                self.shared.workers.turn_away(asker, &client_id, cause)
            }
        }
    }

    fn closed(&mut self, connection: ConnectionId) {
        self.entering.remove(&connection);
        self.exchanges.remove(&connection);
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

pub(super) fn since_1970() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    time.map_or(0, |time| time.as_secs())
}
