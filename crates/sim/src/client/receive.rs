//! What a Client makes of the packets that it gets.

use dunlin_packet::{
    ConnAck, Framing, Packet, PacketId, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode,
    SubAck, split_frame,
};

use super::{Client, Desk, Held, Memory, Phase, Verdict, number_in, payload};
use crate::history::{Delivery, Outcome};

impl Client {
    /// Takes bytes from its connection, and answers.
    pub fn receive(&mut self, desk: &mut Desk<'_>, bytes: &[u8]) -> Verdict {
        self.wire.inbox.extend_from_slice(bytes);
        let inbox = std::mem::take(&mut self.wire.inbox);
        let mut rest = inbox.as_slice();
        let maximum = self
            .wire
            .hello
            .as_ref()
            .and_then(|hello| hello.maximum_packet_size);
        loop {
            let (frame, length) = match split_frame(rest, maximum.unwrap_or(u32::MAX)) {
                Ok(Framing::Complete { frame, length }) => (frame, length),
                Ok(Framing::Incomplete { .. }) => break,
                Err(malformed) => return self.bad(desk, format!("sent {malformed}")),
            };
            rest = &rest[length..];
            let verdict = match Packet::decode(self.version(), frame) {
                Ok(packet) => self.packet(desk, packet),
                Err(malformed) => self.bad(desk, format!("sent {malformed}")),
            };
            if verdict == Verdict::Close {
                return Verdict::Close;
            }
        }
        self.wire.inbox = rest.to_vec();
        Verdict::GoOn
    }

    /// The broker does what it must not do.
    fn bad(&self, desk: &mut Desk<'_>, what: String) -> Verdict {
        let Client { name, .. } = self;
        desk.history
            .violation("protocol", format!("{name} on link {}: {what}", desk.link));
        Verdict::Close
    }

    fn packet(&mut self, desk: &mut Desk<'_>, packet: Packet<'_>) -> Verdict {
        let name = &self.name;
        if !matches!(packet, Packet::Publish(_)) {
            desk.trace
                .log(desk.now, format_args!("{name} < {packet:?}"));
        }
        match packet {
            Packet::ConnAck(connack) if self.phase == Phase::Connecting => {
                return self.connack(desk, connack);
            }
            _ if self.phase != Phase::Online => {
                return self.bad(desk, format!("{packet:?} before CONNACK"));
            }
            Packet::Publish(publish) => return self.publish_received(desk, publish),
            Packet::PubAck(puback) => self.puback(desk, puback),
            Packet::PubRec(pubrec) => self.pubrec(desk, pubrec),
            Packet::PubRel(pubrel) => {
                self.memory.received.remove(&pubrel.packet_id);
                self.acknowledge(desk, Held::Comp(pubrel.packet_id));
            }
            Packet::PubComp(pubcomp) => {
                let done = |known: &super::Outgoing| {
                    known.packet_id == pubcomp.packet_id && known.released
                };
                self.memory.outgoing.retain(|known| !done(known));
            }
            Packet::SubAck(suback) => return self.suback(desk, suback),
            Packet::UnsubAck(unsuback) => {
                let Some(filters) = self.wire.unsubscribing.remove(&unsuback.packet_id) else {
                    return self.bad(desk, "UNSUBACK without UNSUBSCRIBE".to_owned());
                };
                self.memory
                    .filters
                    .retain(|filter| !filters.contains(filter));
            }
            Packet::PingResp => {}
            Packet::Disconnect(disconnect) => return self.disconnected(desk, disconnect.reason),
            other => return self.bad(desk, format!("sent {other:?}")),
        }
        Verdict::GoOn
    }

    fn disconnected(&self, desk: &mut Desk<'_>, reason: ReasonCode) -> Verdict {
        let faults = [
            ReasonCode::MalformedPacket,
            ReasonCode::ProtocolError,
            ReasonCode::TopicAliasInvalid,
            ReasonCode::ReceiveMaximumExceeded,
            ReasonCode::PacketTooLarge,
        ];
        if faults.contains(&reason) {
            return self.bad(desk, format!("a correct Client is disconnected: {reason}"));
        }
        Verdict::Close
    }

    fn connack(&mut self, desk: &mut Desk<'_>, connack: ConnAck<'_>) -> Verdict {
        if connack.reason.is_error() {
            return Verdict::Close;
        }
        let Some(hello) = &self.wire.hello else {
            return Verdict::Close;
        };
        let properties = connack.properties;
        let clean = hello.clean_start;
        self.wire.keep_alive = properties.server_keep_alive().unwrap_or(hello.keep_alive);
        self.wire.receive_maximum = match self.is_v5() {
            true => properties
                .receive_maximum()
                .unwrap_or(u16::MAX)
                .min(20)
                .into(),
            false => 10,
        };
        self.wire.alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
        self.wire.packet_size = properties
            .maximum_packet_size()
            .map_or(usize::MAX, |size| size as usize);
        self.phase = Phase::Online;
        self.must_start_clean = false;
        desk.history.greeted.insert(desk.link);
        if connack.session_present && clean {
            return self.bad(desk, "Session Present after Clean Start".to_owned());
        }
        let known = self.memory.session.is_none() || self.memory.session == desk.session;
        if connack.session_present && known {
            self.resend(desk);
        } else {
            self.memory = Memory::new();
        }
        self.memory.session = desk.session;
        Verdict::GoOn
    }

    fn suback(&mut self, desk: &mut Desk<'_>, suback: SubAck<'_>) -> Verdict {
        let Some(wanted) = self.wire.subscribing.remove(&suback.packet_id) else {
            return self.bad(desk, "SUBACK without SUBSCRIBE".to_owned());
        };
        if wanted.len() != suback.reasons.len() {
            return self.bad(
                desk,
                "SUBACK with a wrong number of Reason Codes".to_owned(),
            );
        }
        for ((filter, mut options, wished), reason) in wanted.into_iter().zip(suback.reasons) {
            if let (Ok(granted), Some(session)) = (QoS::try_from(*reason), desk.session) {
                if filter.starts_with("$replay/") {
                    self.replay_granted(desk, &filter);
                    continue;
                }
                options.qos = granted;
                self.memory.filters.insert(filter.clone());
                desk.history.grant(session, filter, options, wished);
            }
        }
        Verdict::GoOn
    }

    // ---------------------------------------------------------------- messages received

    fn publish_received(&mut self, desk: &mut Desk<'_>, publish: Publish<'_>) -> Verdict {
        let topic = match self.topic_of(&publish) {
            Ok(topic) => topic,
            Err(what) => return self.bad(desk, what),
        };
        let number = number_in(publish.payload);
        let name = &self.name;
        desk.trace.log(
            desk.now,
            format_args!(
                "{name} < PUBLISH m{} {topic} qos {} retain {} id {} dup {}",
                number.map_or(-1, |number| number as i64),
                publish.qos as u8,
                publish.retain,
                publish.packet_id.map_or(0, PacketId::get),
                publish.dup
            ),
        );
        if let Some(what) = self.is_altered(desk, &publish, &topic) {
            return self.bad(desk, what);
        }
        let mut repeated = false;
        if let Some(packet_id) = publish.packet_id {
            repeated = publish.qos == QoS::ExactlyOnce && !self.memory.received.insert(packet_id);
            if repeated && !publish.dup {
                return self.bad(desk, format!("Packet Identifier {packet_id} used again"));
            }
            self.wire.unacknowledged.insert(packet_id);
            let allowed = self
                .wire
                .hello
                .as_ref()
                .and_then(|hello| hello.receive_maximum);
            let allowed = allowed.unwrap_or(u16::MAX).min(desk.in_flight);
            if self.wire.unacknowledged.len() > usize::from(allowed) {
                return self.bad(desk, format!("more than {allowed} messages unacknowledged"));
            }
        }
        let is_replayed = self.note_replayed(desk, &publish);
        if let (false, Some(session)) = (repeated || is_replayed, desk.session) {
            let at = desk.history.moment();
            desk.history.deliveries.push(Delivery {
                session,
                link: desk.link,
                publication: number,
                topic,
                qos: publish.qos,
                retain: publish.retain,
                dup: publish.dup,
                packet_id: publish.packet_id,
                identifiers: publish.properties.subscription_identifiers().collect(),
                at,
            });
        }
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => self.acknowledge(desk, Held::Ack(id)),
            (QoS::ExactlyOnce, Some(id)) => self.acknowledge(desk, Held::Rec(id)),
            _ => {}
        }
        Verdict::GoOn
    }

    /// Resolves a Topic Alias.
    fn topic_of(&mut self, publish: &Publish<'_>) -> Result<String, String> {
        let Some(alias) = publish.properties.topic_alias() else {
            return Ok(publish.topic.to_owned());
        };
        let maximum = self
            .wire
            .hello
            .as_ref()
            .map_or(0, |hello| hello.topic_alias_maximum);
        if alias > maximum {
            return Err(format!("Topic Alias {alias} is above {maximum}"));
        }
        if publish.topic.is_empty() {
            let known = self.wire.aliases_in.get(&alias).cloned();
            return known.ok_or(format!("Topic Alias {alias} stands for nothing"));
        }
        self.wire.aliases_in.insert(alias, publish.topic.to_owned());
        Ok(publish.topic.to_owned())
    }

    /// How a message differs from what was published, if it does.
    fn is_altered(&self, desk: &Desk<'_>, publish: &Publish<'_>, topic: &str) -> Option<String> {
        if publish.payload.is_empty() {
            return None;
        }
        let number = number_in(publish.payload).unwrap_or(usize::MAX);
        let Some(original) = desk.history.publications.get(number) else {
            return Some(format!("a payload that nobody published, on {topic}"));
        };
        let properties = publish.properties;
        let left = properties.message_expiry_interval();
        let mut tags = properties.user_properties();
        let tag = tags.find(|(name, _)| !name.starts_with("log-"));
        if original.topic != topic {
            Some(format!("m{number} on {topic}"))
        } else if publish.payload != payload(number, original.size) {
            Some(format!("m{number} with another payload"))
        } else if publish.qos > original.qos || (publish.retain && !original.retain) {
            Some(format!(
                "m{number} with more QoS, or RETAIN, than it was published with"
            ))
        } else if left.is_some_and(|left| original.expiry.is_none_or(|whole| left > whole)) {
            Some(format!("m{number} with Message Expiry Interval {left:?}"))
        } else if tag.is_some_and(|tag| tag != ("number", &number.to_string())) {
            Some(format!("m{number} with another's User Property"))
        } else {
            None
        }
    }

    /// Sends an acknowledgement, or keeps it back for now.
    fn acknowledge(&mut self, desk: &mut Desk<'_>, held: Held) {
        if self.wire.holding {
            self.wire.held.push(held);
        } else {
            self.send_acknowledgement(desk, held);
        }
    }

    fn send_acknowledgement(&mut self, desk: &mut Desk<'_>, held: Held) {
        let reason = ReasonCode::Success;
        let packet = match held {
            Held::Ack(id) => Packet::PubAck(PubAck::new(id, reason)),
            Held::Rec(id) => Packet::PubRec(PubRec::new(id, reason)),
            Held::Comp(id) => Packet::PubComp(PubComp::new(id, reason)),
        };
        if let Held::Ack(id) | Held::Comp(id) = held {
            self.wire.unacknowledged.remove(&id);
        }
        self.send(desk, &packet);
    }

    /// Keeps acknowledgements back from now on, or sends all that it has kept.
    pub fn hold(&mut self, desk: &mut Desk<'_>, holding: bool) {
        self.wire.holding = holding;
        if !holding {
            for held in std::mem::take(&mut self.wire.held) {
                self.send_acknowledgement(desk, held);
            }
        }
    }

    // -------------------------------------------------------------------- messages sent

    fn puback(&mut self, desk: &mut Desk<'_>, puback: PubAck<'_>) {
        let is_it = |known: &super::Outgoing| {
            known.packet_id == puback.packet_id && known.qos == QoS::AtLeastOnce
        };
        if let Some(place) = self.memory.outgoing.iter().position(is_it)
            && let Some(known) = self.memory.outgoing.remove(place)
        {
            settle(desk, known.publication, puback.reason);
        }
    }

    fn pubrec(&mut self, desk: &mut Desk<'_>, pubrec: PubRec<'_>) {
        let is_it = |known: &super::Outgoing| {
            known.packet_id == pubrec.packet_id && known.qos == QoS::ExactlyOnce
        };
        let Some(place) = self.memory.outgoing.iter().position(is_it) else {
            return;
        };
        settle(desk, self.memory.outgoing[place].publication, pubrec.reason);
        if pubrec.reason.is_error() {
            self.memory.outgoing.remove(place);
        } else {
            self.memory.outgoing[place].released = true;
            let pubrel = PubRel::new(pubrec.packet_id, ReasonCode::Success);
            self.send(desk, &Packet::PubRel(pubrel));
        }
    }
}

/// A message was acknowledged.
fn settle(desk: &mut Desk<'_>, publication: usize, reason: ReasonCode) {
    if reason.is_error() {
        let publication = &mut desk.history.publications[publication];
        // A first copy may have been accepted, without an answer.
        if publication.transmissions <= 1 {
            publication.outcome = Outcome::Refused;
        }
    } else {
        desk.history.accepted(publication);
    }
}
