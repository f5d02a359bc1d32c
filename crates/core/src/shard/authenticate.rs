//! What the policy decides about a CONNECT, at once or later, and the exchange of AUTH packets.

use dunlin_packet::{Auth, Connect, Packet, PropertiesBuf, Property, ReasonCode};

use super::connect::decode_connect;
use super::{Command, Shard};
use crate::connection::{Exchange, Phase};
use crate::fault::{Ending, Violation};
use crate::id::ConnectionId;
use crate::policy::Decision;
use crate::time::Timestamp;
use crate::timers::Timer;

impl Shard {
    /// Carries out what the policy says to a CONNECT, whose packet has this body.
    pub(super) fn decide(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        connect: &Connect<'_>,
        body: &[u8],
        decision: Decision,
    ) -> Result<(), Ending> {
        let method = connect.properties.authentication_method();
        let exchange = || Exchange {
            connect: body.to_vec(),
            method: method.unwrap_or_default().to_owned(),
        };
        match decision {
            Decision::Accept { data, grant } => self.accept(now, id, connect, data, grant),
            Decision::Refuse(refusal) => Err(self.refuse(id, connect.client_id, &refusal)),
            Decision::Continue { data } => {
                let reason = ReasonCode::ContinueAuthentication;
                self.send_auth(id, reason, method.unwrap_or_default(), Some(&data));
                let deadline = now.after(self.clients.limits.connect_timeout);
                if let Some(connection) = self.clients.connections.get_mut(id) {
                    connection.phase = Phase::Authenticating(Box::new(exchange()));
                    let timer = Timer::Connection(id.index() as u32);
                    self.clients
                        .timers
                        .set(timer, &mut connection.deadline, deadline);
                }
                Ok(())
            }
            Decision::Pending => {
                // Its timer runs on: the time for a CONNECT is that for its decision, too.
                if let Some(connection) = self.clients.connections.get_mut(id) {
                    connection.phase = Phase::Deciding(Box::new(exchange()));
                }
                self.commands.push(Command::Pause(id));
                Ok(())
            }
        }
    }

    /// A decision that was pending has come.
    pub(super) fn decided(&mut self, now: Timestamp, id: ConnectionId, decision: Decision) {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        let outcome = match std::mem::replace(&mut connection.phase, Phase::Opening) {
            Phase::Deciding(exchange) => {
                self.commands.push(Command::Resume(id));
                self.decided_before_connack(now, id, &exchange, decision)
            }
            phase => {
                let open = matches!(phase, Phase::Open(_));
                connection.phase = phase;
                if !open {
                    return;
                }
                self.re_authenticated(now, id, decision)
            }
        };
        match outcome {
            Ok(()) => self.received(now, id, &[]),
            Err(ending) => self.close(now, id, ending),
        }
    }

    fn decided_before_connack(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        exchange: &Exchange,
        decision: Decision,
    ) -> Result<(), Ending> {
        let connect = decode_connect(&exchange.connect)?;
        self.decide(now, id, &connect, &exchange.connect, decision)
    }

    /// The next step of an exchange before CONNACK. `[MQTT-4.12.0-3]`
    pub(super) fn auth_before_connack(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        auth: Auth<'_>,
    ) -> Result<(), Ending> {
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return Ok(());
        };
        let phase = std::mem::replace(&mut connection.phase, Phase::Opening);
        let Phase::Authenticating(exchange) = phase else {
            return Ok(());
        };
        let method = auth.properties.authentication_method();
        if method != Some(&exchange.method) || auth.reason != ReasonCode::ContinueAuthentication {
            return Err(Violation::AuthenticationMethodChanged.into());
        }
        let data = auth.properties.authentication_data().unwrap_or_default();
        let decision = self.policy.authenticate(id, &exchange.method, data);
        self.decided_before_connack(now, id, &exchange, decision)
    }

    /// AUTH on a connection that is open. `[MQTT-4.12.1-1]`
    pub(super) fn re_authenticate(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        auth: Auth<'_>,
    ) -> Result<(), Ending> {
        let Some(connection) = self.clients.connections.get(id) else {
            return Ok(());
        };
        let method = auth.properties.authentication_method();
        if connection.method.is_none() || method != connection.method.as_deref() {
            return Err(Violation::AuthenticationMethodChanged.into());
        }
        let method = method.unwrap_or_default();
        let data = auth.properties.authentication_data().unwrap_or_default();
        let decision = self.policy.authenticate(id, method, data);
        self.re_authenticated(now, id, decision)
    }

    /// The policy has judged an AUTH on a connection that is open; all else goes on meanwhile.
    fn re_authenticated(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        decision: Decision,
    ) -> Result<(), Ending> {
        let Some(connection) = self.clients.connections.get(id) else {
            return Ok(());
        };
        let Phase::Open(session) = connection.phase else {
            return Ok(());
        };
        let method = connection.method.clone().unwrap_or_default();
        match decision {
            Decision::Accept { data, grant } => {
                self.set_grant(id, session, grant);
                self.enforce_grant(session);
                self.set_deadline(now, id);
                self.send_auth(id, ReasonCode::Success, &method, data.as_deref());
                Ok(())
            }
            Decision::Continue { data } => {
                let reason = ReasonCode::ContinueAuthentication;
                self.send_auth(id, reason, &method, Some(&data));
                Ok(())
            }
            Decision::Pending => Ok(()),
            Decision::Refuse(refusal) => Err(Ending::NoLongerAuthenticated(refusal.reason)),
        }
    }

    fn send_auth(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        method: &str,
        data: Option<&[u8]>,
    ) {
        let mut properties = PropertiesBuf::default();
        properties.push(Property::AuthenticationMethod(method));
        if let Some(data) = data {
            properties.push(Property::AuthenticationData(data));
        }
        let properties = properties.as_properties();
        self.send(id, &Packet::Auth(Auth { reason, properties }));
    }
}
