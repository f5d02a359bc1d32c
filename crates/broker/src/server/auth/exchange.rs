//! The exchange of AUTH packets on one connection: the first one before CONNACK, and later ones that
//! its Client begins anew.

use dunlin_auth::scram::Exchange;
use dunlin_auth::{Cause, Identity, Method, Realm};
use dunlin_core::{Decision, Origin};

/// A connection whose CONNECT named an Authentication Method.
pub(super) struct AuthExchange {
    pub(super) origin: Origin,
    pub(super) client_id: Box<str>,
    /// After the Client's first message.
    begun: Option<Exchange>,
    /// Who it has proven to be: it stays the same user.
    user: Option<Box<str>>,
}

impl AuthExchange {
    pub(super) fn new(origin: Origin, client_id: &str) -> Self {
        AuthExchange {
            origin,
            client_id: client_id.into(),
            begun: None,
            user: None,
        }
    }

    /// Takes the Client's next message.
    pub(super) fn step(&mut self, realm: &Realm, data: &[u8]) -> Result<Decision, Cause> {
        let users = realm.passwords.as_ref().ok_or(Cause::Exchange)?;
        let Some(exchange) = self.begun.take() else {
            if data.is_empty() {
                // CONNECT came without the first message: it may come now.
                return Ok(Decision::Continue { data: Vec::new() });
            }
            let (exchange, data) = Exchange::begin(data, users).map_err(|_| Cause::Exchange)?;
            self.begun = Some(exchange);
            return Ok(Decision::Continue { data });
        };
        let (user, answer) = exchange.finish(data).map_err(|_| Cause::WrongPassword)?;
        if self.user.as_ref().is_some_and(|known| *known != user) {
            return Err(Cause::Exchange);
        }
        let hash = users.get(&user).ok_or(Cause::UnknownUser)?;
        let identity = Identity {
            fingerprint: hash.fingerprint(),
            ..Identity::new(Some((*user).into()), Method::Scram)
        };
        self.user = Some(user);
        Ok(Decision::Accept {
            data: Some(answer),
            grant: realm.grant(&identity, &self.client_id)?,
        })
    }
}
