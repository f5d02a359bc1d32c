//! The protocol between both sides, without IO: packets come in from one side and go out to the
//! other, under the same Packet Identifiers.
//!
//! ```text
//!   from one side                  to the other
//!   PUBLISH        ── translated ──▶ PUBLISH
//!   PUBACK, PUBREC, PUBCOMP ◀─────── PUBACK, PUBREC, PUBCOMP
//!   PUBREL         ────────────────▶ PUBREL
//! ```
//!
//! What cannot go yet is held (see [`Flow`]), what cannot go at all is acknowledged and counted.

use std::collections::VecDeque;
use std::sync::Arc;

use dunlin_packet::{
    ConnAck, Disconnect, Framing, Malformed, Packet, PacketId, PacketType, Properties,
    PropertiesBuf, Property, PubAck, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode,
    split_frame,
};

use crate::flow::Flow;
use crate::hello::{self, News, State};
use crate::leg::{Leg, Phase, Request};
use crate::topics::translate;
use crate::{BridgeCounters, BridgeSettings, Counted, Privacy};

/// Bytes that may wait to be written to one side; beyond, the other one is not read.
const OUTPUT_BYTES: usize = 1 << 20;

/// The largest packet that MQTT knows.
const LARGEST_PACKET: u32 = 268_435_455 + 5;

/// Which of the two brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This one.
    Local,
    /// The other one.
    Remote,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Side::Local => Side::Remote,
            Side::Remote => Side::Local,
        }
    }
}

/// Something that the thread has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The broker there has accepted the connection.
    Accepted(Side),
    /// It has answered all that was asked of it at the beginning.
    Settled(Side),
    /// It does not let the bridge subscribe to this.
    FilterRefused(Side, String, u8),
    /// It has refused a message.
    MessageRefused(Side, ReasonCode),
    /// A message was not passed to this side, as it does not fit what that takes.
    Dropped(Side, ReasonCode),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("malformed packet: {0}")]
    Malformed(#[from] Malformed),
    #[error("the connection was refused: {0:?}")]
    Refused(ReasonCode),
    #[error("ended by the broker: {0:?}")]
    Disconnected(ReasonCode),
    #[error("{0:?} is not what a broker sends now")]
    Unexpected(PacketType),
}

/// Both connections of a bridge, and what is on its way between them.
#[derive(Debug)]
pub(crate) struct Relay {
    settings: Arc<BridgeSettings>,
    counters: Arc<BridgeCounters>,
    legs: [Leg; 2],
    /// By the side that messages come from.
    flows: [Flow; 2],
    /// What SUBSCRIBE asks each side for, at the next connection.
    news: [News; 2],
    pub(crate) events: VecDeque<Event>,
}

impl Relay {
    pub(crate) fn new(settings: Arc<BridgeSettings>, counters: Arc<BridgeCounters>) -> Self {
        let version = settings.remote.version;
        Self {
            settings,
            counters,
            legs: [
                Leg::new(dunlin_packet::ProtocolVersion::V5),
                Leg::new(version),
            ],
            flows: Default::default(),
            news: [News::None, News::All],
            events: VecDeque::new(),
        }
    }

    pub(crate) fn leg(&mut self, side: Side) -> &mut Leg {
        &mut self.legs[side as usize]
    }

    /// Bytes to be written to a side.
    pub(crate) fn output(&self, side: Side) -> &[u8] {
        &self.legs[side as usize].output
    }

    pub(crate) fn flow(&self, from: Side) -> &Flow {
        &self.flows[from as usize]
    }

    fn flow_mut(&mut self, from: Side) -> &mut Flow {
        &mut self.flows[from as usize]
    }

    /// Whether bytes from this side can be taken.
    pub(crate) fn wants_bytes(&self, side: Side) -> bool {
        let output = &self.legs[side.other() as usize].output;
        output.len() < OUTPUT_BYTES && self.flow(side).has_room()
    }

    /// Whether messages pass: both sides are open.
    pub(crate) fn is_passing(&self) -> bool {
        self.legs.iter().all(Leg::is_open)
    }

    /// Whether no message is on its way in either direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.flows.iter().all(Flow::is_idle)
    }

    // ------------------------------------------------------------------- beginning, end

    /// The connection to this broker has been opened.
    pub(crate) fn connect_here(&mut self) {
        let remote = &self.legs[Side::Remote as usize];
        let receive_maximum = remote.limits.receive_maximum;
        let leg = &mut self.legs[Side::Local as usize];
        hello::connect_here(&self.settings, leg, receive_maximum);
    }

    /// The connection to the other broker has been opened.
    pub(crate) fn connect_there(&mut self, privacy: Privacy) {
        let leg = &mut self.legs[Side::Remote as usize];
        hello::connect_there(&self.settings, leg, privacy);
    }

    /// Forgets both connections, and all that was on its way: the Sessions know it.
    pub(crate) fn close(&mut self) {
        self.legs.iter_mut().for_each(Leg::close);
        self.flows.iter_mut().for_each(Flow::close);
        self.events.clear();
    }

    /// Says the last words to a side, if it listens.
    pub(crate) fn say_goodbye(&mut self, side: Side) {
        if !self.leg(side).is_open() {
            return;
        }
        self.publish_state(side, State::Down);
        let leg = self.leg(side);
        leg.send(&Packet::Disconnect(Disconnect {
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }));
        leg.phase = Phase::Closed;
    }

    fn accepted(&mut self, side: Side, connack: &ConnAck<'_>) -> Result<(), Fault> {
        if connack.reason.is_error() {
            return Err(Fault::Refused(connack.reason));
        }
        self.leg(side).accept(connack);
        if let (Side::Remote, Some(maximum)) = (side, self.settings.maximum_packet_size) {
            let limits = &mut self.leg(side).limits;
            limits.packet_size = limits.packet_size.min(maximum);
        }
        self.events.push_back(Event::Accepted(side));
        if self.is_passing() {
            let [local, remote] = [Side::Local, Side::Remote];
            let present = |relay: &Self, side: Side| relay.legs[side as usize].session_present;
            let (here, there) = (present(self, local), present(self, remote));
            self.flow_mut(local).stale.begin(here, there);
            self.flow_mut(remote).stale.begin(there, here);
            self.introduce(local);
            self.introduce(remote);
            self.pass_held(local);
            self.pass_held(remote);
        } else if side == Side::Local {
            self.introduce_alone();
        }
        Ok(())
    }

    /// Subscribes, and tells the state.
    fn introduce(&mut self, side: Side) {
        let number = side as usize;
        let leg = &mut self.legs[number];
        // What a Session asks for that there was not before is new to the bridge as well.
        let news = match (self.news[number], leg.session_present, side) {
            (_, false, Side::Remote) => News::All,
            (news, ..) => news,
        };
        hello::subscribe(&self.settings, leg, side, news);
        if side == Side::Remote && self.settings.attempt_unsubscribe {
            hello::unsubscribe(&self.settings, leg);
        }
        self.news[number] = News::Changed;
        self.publish_state(side, State::Up);
    }

    /// This broker is to queue what comes, as the other one is not there yet.
    fn introduce_alone(&mut self) {
        let leg = &mut self.legs[Side::Local as usize];
        hello::subscribe(&self.settings, leg, Side::Local, News::None);
        let news = &mut self.news[Side::Local as usize];
        if *news == News::None {
            *news = match leg.session_present {
                true => News::Changed,
                false => News::All,
            };
        }
        self.publish_state(Side::Local, State::Down);
    }

    fn publish_state(&mut self, side: Side, state: State) {
        let Some(notifications) = &self.settings.notifications else {
            return;
        };
        if side == Side::Remote && !notifications.remote {
            return;
        }
        let topic = notifications.topic.clone();
        let retain = side == Side::Local || self.settings.outgoing_retain;
        let leg = self.leg(side);
        let qos = QoS::AtLeastOnce.min(leg.limits.qos);
        let packet_id = (qos > QoS::AtMostOnce).then(|| leg.request(Request::State));
        let publish = Publish {
            dup: false,
            retain: retain && leg.limits.retain,
            qos,
            topic: &topic,
            packet_id,
            properties: Properties::EMPTY,
            payload: state.payload(),
        };
        leg.send(&Packet::Publish(publish));
    }

    // ------------------------------------------------------------------- packets

    /// Takes bytes from a side, in any portions.
    pub(crate) fn receive(&mut self, side: Side, bytes: &[u8]) -> Result<(), Fault> {
        let mut input = std::mem::take(&mut self.leg(side).input);
        input.extend_from_slice(bytes);
        let mut used = 0;
        while let Framing::Complete { frame, length } = split_frame(&input[used..], LARGEST_PACKET)?
        {
            let packet = Packet::decode(self.leg(side).version, frame)?;
            self.packet(side, packet, &input[used..used + length])?;
            used += length;
        }
        input.drain(..used);
        self.leg(side).input = input;
        Ok(())
    }

    fn packet(&mut self, side: Side, packet: Packet<'_>, raw: &[u8]) -> Result<(), Fault> {
        match (self.leg(side).phase, packet) {
            (Phase::Connecting, Packet::ConnAck(connack)) => self.accepted(side, &connack)?,
            (Phase::Open, Packet::Publish(publish)) => self.publish(side, publish, raw),
            (Phase::Open, Packet::PubRel(ack)) => self.release(side, ack, raw),
            (Phase::Open, Packet::PubAck(ack)) => self.acknowledged(side, ack),
            (Phase::Open, Packet::PubRec(ack)) => self.received(side, ack),
            (Phase::Open, Packet::PubComp(ack)) => self.completed(side, ack),
            (Phase::Open, Packet::SubAck(ack)) => self.answered(side, ack.packet_id, ack.reasons),
            (Phase::Open, Packet::UnsubAck(ack)) => self.answered(side, ack.packet_id, &[]),
            (Phase::Open, Packet::PingResp) => {}
            (_, Packet::Disconnect(disconnect)) => {
                return Err(Fault::Disconnected(disconnect.reason));
            }
            // The last words have been said.
            (Phase::Closed, _) => {}
            (_, packet) => return Err(Fault::Unexpected(packet.packet_type())),
        }
        Ok(())
    }

    /// A broker has answered what the bridge asked for.
    fn answered(&mut self, side: Side, id: PacketId, reasons: &[u8]) {
        match self.leg(side).requests.remove(&id) {
            Some(Request::Subscribe(filters)) => {
                for (filter, reason) in filters.into_iter().zip(reasons) {
                    if *reason >= 0x80 {
                        let refused = Event::FilterRefused(side, filter, *reason);
                        self.events.push_back(refused);
                    }
                }
            }
            Some(Request::Unsubscribe | Request::State) => {}
            None => return,
        }
        if self.leg(side).requests.is_empty() {
            self.events.push_back(Event::Settled(side));
        }
        self.pass_held(side.other());
    }

    // ------------------------------------------------------------------- a message passes

    fn publish(&mut self, from: Side, publish: Publish<'_>, raw: &[u8]) {
        let is_next = self.flow(from).held() == 0 && self.is_passing();
        if is_next && self.has_room(from, publish.packet_id) {
            self.pass(from, &publish);
        } else if publish.packet_id.is_some() || self.flow(from).has_room() {
            self.flow_mut(from).hold(raw);
        } else {
            self.drop_message(from.other(), ReasonCode::QuotaExceeded);
        }
    }

    /// Whether the other side takes a message now.
    fn has_room(&self, from: Side, id: Option<PacketId>) -> bool {
        let leg = &self.legs[from.other() as usize];
        id.is_none_or(|id| {
            self.flow(from).in_flight() < usize::from(leg.limits.receive_maximum)
                && !leg.requests.contains_key(&id)
        })
    }

    /// Passes on what is held, as far as the other side takes it.
    fn pass_held(&mut self, from: Side) {
        while self.is_passing()
            && let Some(first) = self.flow(from).first_held()
        {
            let id = match decode(self.legs[from as usize].version, first) {
                Some(Packet::Publish(publish)) => publish.packet_id,
                _ => None,
            };
            if !self.has_room(from, id) {
                return;
            }
            let Some(packet) = self.flow_mut(from).pop_held() else {
                return;
            };
            match decode(self.legs[from as usize].version, &packet) {
                Some(Packet::Publish(publish)) => self.pass(from, &publish),
                Some(Packet::PubRel(ack)) => self.release(from, ack, &packet),
                _ => {}
            }
        }
    }

    /// Sends a message to the other side, or acknowledges it if that cannot be.
    fn pass(&mut self, from: Side, publish: &Publish<'_>) {
        let to = from.other();
        let settings = Arc::clone(&self.settings);
        let Some(topic) = translate(&settings.topics, from, publish.topic) else {
            return self.decline(from, publish, ReasonCode::TopicNameInvalid);
        };
        let is_deep = || topic.split('/').count() > settings.local.topic_levels;
        if to == Side::Local && is_deep() {
            return self.decline(from, publish, ReasonCode::TopicNameInvalid);
        }
        let limits = self.leg(to).limits;
        let qos = publish.qos.min(limits.qos);
        let sound = sound_properties(publish);
        let translated = Publish {
            qos,
            retain: publish.retain
                && limits.retain
                && (to == Side::Local || settings.outgoing_retain),
            topic: &topic,
            packet_id: publish.packet_id.filter(|_| qos > QoS::AtMostOnce),
            properties: sound
                .as_ref()
                .map_or(publish.properties, PropertiesBuf::as_properties),
            dup: publish.dup && qos > QoS::AtMostOnce,
            ..*publish
        };
        if let (QoS::ExactlyOnce, Some(id)) = (qos, publish.packet_id)
            && self.flow_mut(from).stale.release_before(id)
        {
            let release = PubRel::new(id, ReasonCode::Success);
            self.leg(to).send(&Packet::PubRel(release));
        }
        let leg = self.leg(to);
        let start = leg.output.len();
        leg.send(&Packet::Publish(translated));
        if leg.output.len() - start > limits.packet_size as usize {
            leg.output.truncate(start);
            return self.decline(from, publish, ReasonCode::PacketTooLarge);
        }
        self.counters.count(match to {
            Side::Local => Counted::Received,
            Side::Remote => Counted::Sent,
        });
        match (translated.packet_id, publish.packet_id) {
            (Some(id), _) => self.flow_mut(from).send(id, publish.qos),
            // The other side knows no acknowledgements.
            (None, Some(id)) => self.acknowledge(from, id, publish.qos, ReasonCode::Success),
            (None, None) => {}
        }
    }

    /// A message cannot be passed on, now or ever.
    fn decline(&mut self, from: Side, publish: &Publish<'_>, reason: ReasonCode) {
        self.drop_message(from.other(), reason);
        // An acknowledgement has no word for a size.
        let reason = match reason {
            ReasonCode::PacketTooLarge => ReasonCode::ImplementationSpecificError,
            reason => reason,
        };
        if let Some(id) = publish.packet_id {
            self.acknowledge(from, id, publish.qos, reason);
        }
    }

    fn drop_message(&mut self, to: Side, reason: ReasonCode) {
        self.counters.count(Counted::Dropped);
        self.events.push_back(Event::Dropped(to, reason));
    }

    /// Acknowledges a message where it came from.
    fn acknowledge(&mut self, from: Side, id: PacketId, qos: QoS, reason: ReasonCode) {
        if qos == QoS::ExactlyOnce {
            // An error ends it, but a 3.x broker is not told of that.
            if !reason.is_error() || !self.leg(from).version.has_properties() {
                self.flow_mut(from).answered.insert(id);
            }
            let answer = PubRec::new(id, reason);
            self.leg(from).send(&Packet::PubRec(answer));
        } else {
            let answer = PubAck::new(id, reason);
            self.leg(from).send(&Packet::PubAck(answer));
        }
    }

    // ------------------------------------------------------------------- acknowledgements pass

    /// PUBACK from the receiver of a message.
    fn acknowledged(&mut self, to: Side, ack: PubAck<'_>) {
        let (from, id) = (to.other(), ack.packet_id);
        if self.leg(to).requests.get(&id) == Some(&Request::State) {
            self.answered(to, id, &[]);
            return;
        }
        let Some(qos) = self.flow_mut(from).finish(id) else {
            return;
        };
        self.note_refusal(to, ack.reason);
        self.acknowledge(from, id, qos, ack.reason);
        self.pass_held(from);
    }

    /// PUBREC from the receiver of a message.
    fn received(&mut self, to: Side, ack: PubRec<'_>) {
        let (from, id) = (to.other(), ack.packet_id);
        if self.flow(from).qos(id) != Some(QoS::ExactlyOnce) {
            return;
        }
        self.note_refusal(to, ack.reason);
        if ack.reason.is_error() {
            self.flow_mut(from).finish(id);
            self.acknowledge(from, id, QoS::ExactlyOnce, ack.reason);
            self.pass_held(from);
            return;
        }
        let answer = PubRec::new(id, ack.reason);
        self.leg(from).send(&Packet::PubRec(answer));
    }

    /// PUBREL from the sender of a message.
    fn release(&mut self, from: Side, ack: PubRel<'_>, raw: &[u8]) {
        let id = ack.packet_id;
        if self.flow_mut(from).answered.remove(&id) {
            let answer = PubComp::new(id, ReasonCode::Success);
            self.leg(from).send(&Packet::PubComp(answer));
        } else if self.is_passing() {
            let release = PubRel::new(id, ack.reason);
            self.leg(from.other()).send(&Packet::PubRel(release));
        } else {
            self.flow_mut(from).hold(raw);
        }
    }

    /// PUBCOMP from the receiver of a message.
    fn completed(&mut self, to: Side, ack: PubComp<'_>) {
        let (from, id) = (to.other(), ack.packet_id);
        if self.flow_mut(from).stale.completed(id) {
            return;
        }
        self.flow_mut(from).finish(id);
        let answer = PubComp::new(id, ack.reason);
        self.leg(from).send(&Packet::PubComp(answer));
        self.pass_held(from);
    }

    fn note_refusal(&mut self, by: Side, reason: ReasonCode) {
        if reason.is_error() {
            self.counters.count(Counted::Refused);
            self.events.push_back(Event::MessageRefused(by, reason));
        }
    }
}

/// A packet that was decoded before.
fn decode(version: dunlin_packet::ProtocolVersion, bytes: &[u8]) -> Option<Packet<'_>> {
    match split_frame(bytes, LARGEST_PACKET).ok()? {
        Framing::Complete { frame, .. } => Packet::decode(version, frame).ok(),
        Framing::Incomplete { .. } => None,
    }
}

/// Properties without the claim that the payload is text, where it is not: a broker may end the
/// connection for that, again and again. `None`: they can stay as they are.
fn sound_properties(publish: &Publish<'_>) -> Option<PropertiesBuf> {
    let is_wrong = publish.properties.payload_format_indicator() == Some(1)
        && std::str::from_utf8(publish.payload).is_err();
    is_wrong.then(|| {
        let mut sound = PropertiesBuf::new();
        for property in publish.properties.iter() {
            if !matches!(property, Property::PayloadFormatIndicator(_)) {
                sound.push(property);
            }
        }
        sound
    })
}

#[cfg(test)]
mod tests;
