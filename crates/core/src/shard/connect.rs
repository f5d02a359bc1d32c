//! CONNECT and CONNACK.

use dunlin_packet::{
    ConnAck, Connect, Frame, Malformed, Packet, PacketType, Properties, PropertiesBuf, Property,
    ProtocolVersion, QoS, ReasonCode,
};

use super::receive::Flow;
use super::{LogRoom, Shard};
use crate::connection::Phase;
use crate::event::Event;
use crate::fault::Ending;
use crate::id::{ConnectionId, SessionId};
use crate::limits::Limits;
use crate::message::Message;
use crate::policy::{Grant, Refusal};
use crate::session::{Session, SessionWill};
use crate::terms::Terms;
use crate::time::Timestamp;
use crate::timers::Timer;

/// What CONNACK has to say beyond what CONNECT asked for.
struct Acceptance<'a> {
    /// What was said to others before: CONNACK waits for the rest.
    marks: u64,
    session_present: bool,
    /// The Client Identifier, if it is not that of CONNECT.
    assigned: Option<&'a str>,
    /// What the authentication exchange ended with.
    data: Option<Vec<u8>>,
}

impl Shard {
    pub(super) fn connect_packet(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        body: &[u8],
    ) -> Result<Flow, Ending> {
        let connect = match decode_connect(body) {
            Ok(connect) => connect,
            Err(malformed) => {
                self.refuse_malformed(id, body, &malformed);
                return Err(malformed.into());
            }
        };
        let named = self.policy.client_id(id, &connect);
        let client_id = named.as_deref().unwrap_or(connect.client_id);
        let home = self.home_of_session(client_id);
        if !client_id.is_empty() && home != self.id {
            return Ok(Flow::Move(home));
        }
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return Ok(Flow::Continue);
        };
        connection.version = connect.version;
        connection.is_bridge = Connect::is_from_bridge(body);
        let listener = connection.listener as usize;
        if connect.version == ProtocolVersion::V5 {
            let properties = connect.properties;
            connection.problem_information = properties
                .request_problem_information()
                .is_none_or(|wanted| wanted != 0);
            connection.maximum_packet_size = properties.maximum_packet_size().unwrap_or(u32::MAX);
            connection.method = properties.authentication_method().map(Into::into);
        }
        if self.stopping {
            let refusal = Refusal::new(ReasonCode::ServerShuttingDown);
            return Err(self.refuse(id, connect.client_id, &refusal));
        }
        // [MQTT-3.1.3-8] in 3.1.1; 3.1 wants at least one character.
        let may_be_empty = match connect.version {
            ProtocolVersion::V3_1 => false,
            ProtocolVersion::V3_1_1 => connect.clean_start,
            ProtocolVersion::V5 => true,
        };
        let assigned = match self.terms.get(listener) {
            _ if !client_id.is_empty() => named,
            Some(terms) if !terms.assigns_client_id => None,
            _ => may_be_empty.then(|| self.assign_client_id(listener)),
        };
        let client_id = assigned.as_deref().unwrap_or(connect.client_id);
        if client_id.is_empty() {
            let refusal = Refusal::new(ReasonCode::ClientIdentifierNotValid);
            return Err(self.refuse(id, client_id, &refusal));
        }
        let named = Connect {
            client_id,
            ..connect
        };
        if self.is_banned(now, id, &named) {
            return Err(self.refuse_banned(id, client_id));
        }
        let decision = self.policy.connect(id, &named);
        if let Some(connection) = self.clients.connections.get_mut(id) {
            connection.assigned = assigned.map(Into::into);
        }
        self.decide(now, id, &connect, body, decision)?;
        Ok(Flow::Continue)
    }

    // ---------------------------------------------------------------------- accepted

    pub(super) fn accept(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        connect: &Connect<'_>,
        data: Option<Vec<u8>>,
        grant: Grant,
    ) -> Result<(), Ending> {
        let marks = self.clients.settlement.marks();
        let connection = self.clients.connections.get_mut(id);
        let assigned = connection.and_then(|connection| connection.assigned.take());
        let client_id = assigned.as_deref().unwrap_or(connect.client_id);
        if let Some(reason) = self.will_refusal(id, connect, &grant) {
            return Err(self.refuse(id, client_id, &Refusal::new(reason)));
        }
        if self.bans.apply_to(client_id, grant.user_name.as_deref())
            || !connect.client_id.is_empty() && self.comes_too_often(now, id, client_id)
        {
            return Err(self.refuse_banned(id, client_id));
        }
        let mut known = self.clients.sessions.find(client_id);
        let limits = &self.clients.limits;
        let is_durable = self.promises_durability(id) && expiry_interval(connect, limits) > 0;
        // What a Session has that is not in the log would not outlive the process: a new one will.
        let is_to_end = |known| is_durable && !self.clients.is_recorded(known);
        let is_clean = connect.clean_start || known.is_some_and(is_to_end);
        let is_new = known.is_none() || is_clean;
        let no_room_in_log = is_new && is_durable && self.log_room == LogRoom::Full;
        if no_room_in_log || known.is_none() && self.clients.sessions.len() >= limits.sessions {
            let refusal = Refusal::new(ReasonCode::QuotaExceeded);
            return Err(self.refuse(id, client_id, &refusal));
        }
        // [MQTT-3.1.4-3]
        if let Some(other) = known.and_then(|known| self.clients.sessions[known].connection) {
            self.close(now, other, Ending::TakenOver);
            known = self.clients.sessions.find(client_id);
        }
        // [MQTT-3.1.2-4]
        if is_clean && let Some(known) = known.take() {
            self.end_session(now, known);
        }
        let session_present = known.is_some();
        let session = match known {
            Some(session) => session,
            None => self.clients.sessions.insert(Session::new(client_id)),
        };
        let user_name = grant.user_name.clone();
        self.set_grant(id, session, grant);
        if session_present {
            self.enforce_grant(session);
        }
        let had_will = self.clients.sessions[session].will.is_some();
        let session_expiry_interval = self.begin(now, id, session, connect);
        self.record_expiry(session, session_expiry_interval);
        if had_will || self.clients.sessions[session].will.is_some() {
            self.record_will(session);
        }
        let version = connect.version;
        self.clients.counters.connects_accepted += 1;
        self.emit(Event::Connected {
            connection: id,
            client_id: client_id.into(),
            user_name,
            version,
            session_present,
            keep_alive: connect.keep_alive,
            session_expiry_interval,
        });
        let acceptance = Acceptance {
            marks,
            session_present,
            assigned: assigned.as_deref(),
            data,
        };
        self.send_connack(id, connect, session_expiry_interval, &acceptance);
        if let Some(outgoing) = &mut self.clients.sessions[session].outgoing {
            outgoing.begin_resending();
        }
        self.resume_memberships(session);
        self.clients.pump(now, session);
        Ok(())
    }

    /// Why the Will of a CONNECT cannot be kept, if it cannot. `[MQTT-3.2.2-12]`, `[MQTT-3.2.2-13]`
    fn will_refusal(
        &self,
        id: ConnectionId,
        connect: &Connect<'_>,
        grant: &Grant,
    ) -> Option<ReasonCode> {
        let will = connect.will?;
        let mount_point = grant.mount_point.as_ref();
        if mount_point.is_some_and(|it| it.topic(will.topic).is_none()) {
            return Some(ReasonCode::TopicNameInvalid);
        }
        let highest = self.clients.connections.get(id)?.maximum_qos;
        if will.qos > highest {
            return Some(ReasonCode::QoSNotSupported);
        }
        let cannot = will.retain && !self.clients.limits.retain_available;
        cannot.then_some(ReasonCode::RetainNotSupported)
    }

    /// Ties a Session to the connection that serves it from now on. Gives the Session Expiry
    /// Interval.
    fn begin(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session_id: SessionId,
        connect: &Connect<'_>,
    ) -> u32 {
        let limits = &self.clients.limits;
        let expiry_interval = expiry_interval(connect, limits);
        let session = &mut self.clients.sessions[session_id];
        debug_assert_eq!(session.connection, None);
        self.clients.connected += 1;
        session.connection = Some(id);
        session.expiry_interval = expiry_interval;
        let timer = Timer::Session(session_id);
        self.clients
            .timers
            .set(timer, &mut session.expires_at, Timestamp::NEVER);
        // A Will that was delayed is not sent, now that the Client is back. [MQTT-3.1.3-9]
        if let Some(mut last) = session.will.take() {
            let timer = Timer::Will(session_id);
            self.clients
                .timers
                .set(timer, &mut last.due_at, Timestamp::NEVER);
        }
        session.will = connect.will.map(|will| {
            let whole = session.mount_point().and_then(|it| it.topic(will.topic));
            Box::new(SessionWill {
                message: Message::from_will(&will, whole.as_deref().unwrap_or(will.topic)),
                expiry_interval: will.properties.message_expiry_interval(),
                delay_interval: will.properties.will_delay_interval().unwrap_or(0),
                due_at: Timestamp::NEVER,
            })
        });
        let receive_maximum = connect
            .properties
            .receive_maximum()
            .unwrap_or(limits.in_flight);
        let keep_alive = effective_keep_alive(connect.keep_alive, limits.keep_alive);
        let send_quota = receive_maximum.min(limits.in_flight);
        let aliases = connect.properties.topic_alias_maximum().unwrap_or(0);
        if let Some(connection) = self.clients.connections.get_mut(id) {
            connection.phase = Phase::Open(session_id);
            connection.send_quota = send_quota;
            connection.silence_allowed = u32::from(keep_alive) * 1500;
            let deadline = connection.due_at(now);
            let timer = Timer::Connection(id.index() as u32);
            self.clients
                .timers
                .set(timer, &mut connection.deadline, deadline);
        }
        self.clients.allow_aliases(id, aliases);
        expiry_interval
    }

    fn send_connack(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        session_expiry_interval: u32,
        acceptance: &Acceptance<'_>,
    ) {
        let mut properties = PropertiesBuf::default();
        if connect.version == ProtocolVersion::V5 {
            self.connack_properties(
                id,
                connect,
                session_expiry_interval,
                acceptance,
                &mut properties,
            );
        }
        let connack = ConnAck {
            session_present: acceptance.session_present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        };
        let connack = Packet::ConnAck(connack);
        if !acceptance.session_present && self.promises_durability(id) {
            // That an earlier Session has ended may have been said before, and is not to be undone.
            self.send_settled(id, &connack);
        } else {
            self.send_since(acceptance.marks, id, &connack);
        }
    }

    fn connack_properties(
        &self,
        id: ConnectionId,
        connect: &Connect<'_>,
        session_expiry_interval: u32,
        acceptance: &Acceptance<'_>,
        properties: &mut PropertiesBuf,
    ) {
        // Their order means nothing; it is Mosquitto's, as far as that has them.
        let limits = &self.clients.limits;
        let connection = self.clients.connections.get(id);
        if let Some(connection) = connection.filter(|it| it.topic_aliases_in > 0) {
            properties.push(Property::TopicAliasMaximum(connection.topic_aliases_in));
        }
        let keep_alive = effective_keep_alive(connect.keep_alive, limits.keep_alive);
        if keep_alive != connect.keep_alive {
            properties.push(Property::ServerKeepAlive(keep_alive));
        }
        let assigned = acceptance.assigned;
        if let Some(assigned) = assigned.filter(|_| connect.client_id.is_empty()) {
            properties.push(Property::AssignedClientIdentifier(assigned));
        }
        if !limits.retain_available {
            properties.push(Property::RetainAvailable(0));
        }
        properties.push(Property::MaximumPacketSize(limits.packet_size));
        properties.push(Property::ReceiveMaximum(limits.receive_maximum));
        if let Some(connection) = connection.filter(|it| it.maximum_qos < QoS::ExactlyOnce) {
            properties.push(Property::MaximumQoS(connection.maximum_qos as u8));
        }
        if connect.properties.session_expiry_interval().unwrap_or(0) != session_expiry_interval {
            properties.push(Property::SessionExpiryInterval(session_expiry_interval));
        }
        if connect.properties.request_response_information() == Some(1) {
            let client_id = acceptance.assigned.unwrap_or(connect.client_id);
            let topic = format!("{}{client_id}", self.response_topic_prefix);
            properties.push(Property::ResponseInformation(&topic));
        }
        if let Some(method) = connect.properties.authentication_method() {
            // [MQTT-4.12.0-5]
            properties.push(Property::AuthenticationMethod(method));
            if let Some(data) = &acceptance.data {
                properties.push(Property::AuthenticationData(data));
            }
        }
    }

    /// A Client Identifier that nobody has and whose Session lives here. `[MQTT-3.1.3-6]`
    fn assign_client_id(&mut self, listener: usize) -> String {
        let terms = self.terms.get(listener);
        let prefix = terms.map_or(Terms::CLIENT_ID_PREFIX, |terms| &terms.client_id_prefix);
        let prefix = prefix.to_owned();
        loop {
            let client_id = format!("{prefix}{:016x}", self.next_random());
            let taken = self.clients.sessions.find(&client_id).is_some();
            if !taken && self.home_of_session(&client_id) == self.id {
                return client_id;
            }
        }
    }

    // ----------------------------------------------------------------------- refused

    /// Answers with CONNACK and a Reason Code; gives the way in which the connection ends.
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        client_id: &str,
        refusal: &Refusal,
    ) -> Ending {
        let version = self
            .clients
            .connections
            .get(id)
            .map(|connection| connection.version);
        let mut properties = PropertiesBuf::default();
        if version == Some(ProtocolVersion::V5) {
            if let Some(reason_string) = &refusal.reason_string {
                properties.push(Property::ReasonString(reason_string));
            }
            if let Some(server_reference) = &refusal.server_reference {
                properties.push(Property::ServerReference(server_reference));
            }
        }
        self.send_refusal(id, refusal.reason, properties.as_properties());
        let reason = refusal.reason;
        self.emit(Event::Refused {
            connection: id,
            client_id: client_id.into(),
            reason,
        });
        Ending::Refused(reason)
    }

    fn send_refusal(&mut self, id: ConnectionId, reason: ReasonCode, properties: Properties<'_>) {
        self.clients.counters.connects_refused += 1;
        // [MQTT-3.2.2-6]
        let connack = ConnAck {
            session_present: false,
            reason,
            properties,
        };
        self.send(id, &Packet::ConnAck(connack));
    }

    /// Answers a CONNECT that could not be decoded, if it says enough about itself for the answer
    /// to be understood. `[MQTT-3.1.2-2]`, `[MQTT-3.1.4-1]`
    fn refuse_malformed(&mut self, id: ConnectionId, body: &[u8], malformed: &Malformed) {
        let level = match body {
            [0, 4, b'M', b'Q', b'T', b'T', level, ..] => *level,
            [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..] => *level,
            _ => return,
        };
        let reason = malformed.reason_code();
        let unsupported = reason == ReasonCode::UnsupportedProtocolVersion;
        let Some(connection) = self.clients.connections.get_mut(id) else {
            return;
        };
        match level {
            5.. => connection.version = ProtocolVersion::V5,
            _ if unsupported => connection.version = ProtocolVersion::V3_1_1,
            // 3.x has no return code for it.
            _ => return,
        }
        self.send_refusal(id, reason, Properties::EMPTY);
    }
}

pub(super) fn decode_connect(body: &[u8]) -> Result<Connect<'_>, Malformed> {
    let frame = Frame {
        packet_type: PacketType::Connect,
        flags: 0,
        body,
    };
    match Packet::decode(ProtocolVersion::V5, frame)? {
        Packet::Connect(connect) => Ok(connect),
        _ => unreachable!("a CONNECT frame holds a CONNECT"),
    }
}

/// The Session Expiry Interval that a Client gets.
fn expiry_interval(connect: &Connect<'_>, limits: &Limits) -> u32 {
    let wanted = match connect.version {
        ProtocolVersion::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
        // Clean Session means at both ends what 5.0 tells apart.
        _ if connect.clean_start => 0,
        _ => u32::MAX,
    };
    wanted.min(limits.session_expiry)
}

/// The Keep Alive that counts: the Client's, unless a limit lowers it. 0 is none.
fn effective_keep_alive(wanted: u16, limit: Option<u16>) -> u16 {
    match limit {
        Some(limit) if wanted == 0 || wanted > limit => limit,
        _ => wanted,
    }
}
