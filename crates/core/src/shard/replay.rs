//! Replay: Sessions that read the log.

use dunlin_packet::{PropertiesBuf, Property, ProtocolVersion, QoS, ReasonCode};

use super::{Reader, Shard, Wants};
use crate::id::SessionId;
use crate::message::Message;
use crate::policy::Action;
use crate::replay::{Asked, Replay, ReplayStart, Replayed, WrongReplay, rfc_3339};
use crate::session::{Delivery, SubscriptionIds};
use crate::time::Timestamp;

impl Shard {
    /// Carries out an entry of a SUBSCRIBE that asks for a replay; gives its Reason Code. Reading
    /// begins when the Session has nothing else to be sent.
    pub(super) fn subscribe_to_replay(
        &mut self,
        session: SessionId,
        text: &str,
        asked: Result<Asked<'_>, WrongReplay>,
        qos: QoS,
        id: u32,
    ) -> ReasonCode {
        let known = &self.clients.sessions[session];
        let connection = known
            .connection
            .and_then(|id| self.clients.connections.get(id));
        let version = connection.map(|connection| connection.version);
        let Ok((asked, from)) = asked.and_then(|asked| {
            let from = asked.start(self.now)?;
            Ok((asked, from))
        }) else {
            return ReasonCode::TopicFilterInvalid;
        };
        // Where a message is can only be said in User Properties.
        if !self.routes.keeps_any() || version != Some(ProtocolVersion::V5) {
            return ReasonCode::ImplementationSpecificError;
        }
        if !known.may(Action::Subscribe, asked.filter.as_str()) {
            return ReasonCode::NotAuthorized;
        }
        if known.subscription_count() >= self.clients.limits.subscriptions
            && known.replays().iter().all(|replay| *replay.text != *text)
        {
            return ReasonCode::QuotaExceeded;
        }
        // What is sent is not in the log as this Session's: after a crash, the Packet Identifiers of
        // QoS 2 would be forgotten on one side alone. The position tells a repetition.
        let qos = qos.min(QoS::AtLeastOnce);
        let replay = Replay {
            id: self.next_number(),
            text: text.into(),
            from,
            asked: false,
            qos,
            subscription_ids: SubscriptionIds::of(id),
        };
        self.end_replays(session, |known| *known.text == *text);
        self.clients.sessions[session].replays_mut().push(replay);
        self.clients.hungry.push(session);
        match qos {
            QoS::AtMostOnce => ReasonCode::Success,
            _ => ReasonCode::GrantedQoS1,
        }
    }

    /// Ends the replays of a Session that `ends` names. False: there was none.
    pub(super) fn end_replays(
        &mut self,
        session: SessionId,
        ends: impl Fn(&Replay) -> bool,
    ) -> bool {
        let known = &mut self.clients.sessions[session];
        if known.replays().is_empty() {
            return false;
        }
        let ended: Vec<Replay> = known.replays_mut().extract_if(.., |it| ends(it)).collect();
        let asked = ended.iter().filter(|replay| replay.asked);
        let readers = asked.map(|replay| Reader(Wants::Replay(session, replay.id)));
        self.ended_replays.extend(readers);
        self.clients.tidy(session);
        !ended.is_empty()
    }

    /// A Session can be sent more: asks for the next part of all that it reads.
    pub(super) fn ask_for_replay(&mut self, id: SessionId) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        if session.replays().is_empty() {
            return;
        }
        for replay in session.replays_mut() {
            if !std::mem::replace(&mut replay.asked, true) {
                let reader = Reader(Wants::Replay(id, replay.id));
                self.replay_reads.push((reader, replay.from));
            }
        }
    }

    /// The next part of what a Session reads, and where the part after it begins.
    pub(super) fn replay(
        &mut self,
        now: Timestamp,
        id: SessionId,
        number: u64,
        messages: Vec<Replayed>,
        next: u64,
    ) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let mut replays = session.replays().iter();
        let Some(place) = replays.position(|replay| replay.id == number) else {
            return;
        };
        let replay = &mut session.replays_mut()[place];
        (replay.from, replay.asked) = (ReplayStart::Cursor(next), false);
        let (granted, subscription_ids) = (replay.qos, replay.subscription_ids.clone());
        let mut wanted = Vec::new();
        for replayed in messages {
            let topic = replayed.message.topic();
            let is_alive = replayed.message.expires_at() > now;
            if replay.matches(topic) && self.routes.keeps(topic) && is_alive {
                wanted.push(replayed);
            }
        }
        for replayed in wanted {
            let message = located(&replayed);
            let delivery = Delivery {
                qos: message.qos().min(granted),
                retain: false,
                subscription_ids: subscription_ids.clone(),
                origin: None,
                message,
            };
            self.clients.replay(now, id, delivery);
        }
        self.clients.pump(now, id);
    }
}

/// A message of the log with where it is; no longer the one that is in the log.
fn located(replayed: &Replayed) -> Message {
    let Replayed {
        position,
        at,
        message,
    } = replayed;
    let mut properties = PropertiesBuf::default();
    properties.extend_raw(message.properties().as_bytes());
    properties.push(Property::UserProperty(
        "log-position",
        &position.to_string(),
    ));
    properties.push(Property::UserProperty("log-time", &rfc_3339(*at)));
    message.with_properties(properties.as_properties())
}
