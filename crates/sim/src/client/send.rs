//! What a Client sends of its own accord.

use dunlin_packet::{
    Connect, Disconnect, Packet, PacketId, PropertiesBuf, Property, ProtocolVersion, PubRel,
    Publish, QoS, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter, Will,
    encode_subscribe, encode_unsubscribe,
};

use super::{Client, Desk, Hello, Memory, Outgoing, Phase, Testament, Wire, payload};
use crate::history::{Outcome, Publication, PublicationNumber};
use crate::plan::{FILTERS, Role, TOPICS};
use crate::rng::Rng;

impl Client {
    /// Decides how to connect next.
    pub fn greet(
        &mut self,
        now: u64,
        rng: &mut Rng,
        history: &mut crate::history::History,
    ) -> Hello {
        let plan = self.plan.clone();
        let clean = self.must_start_clean || (!self.draining && rng.percent(plan.clean_percent));
        let clean_start = clean || self.version() == ProtocolVersion::V3_1;
        let session_expiry = match (self.is_v5(), clean_start) {
            (false, true) => 0,
            (false, false) => u32::MAX,
            (true, _) => plan.session_expiry,
        };
        let wants_will = !self.draining && rng.percent(plan.will_percent);
        let will = wants_will.then(|| self.make_will(now, rng, history));
        Hello {
            version: self.version(),
            clean_start: clean_start || (!self.is_v5() && session_expiry == 0),
            session_expiry,
            keep_alive: plan.keep_alive,
            // A Client may come back with less than it had.
            receive_maximum: plan.receive_maximum.map(|most| rng.pick(&[most, most, 1])),
            topic_alias_maximum: plan.topic_alias_maximum,
            maximum_packet_size: plan.maximum_packet_size,
            will,
        }
    }

    fn make_will(
        &mut self,
        now: u64,
        rng: &mut Rng,
        history: &mut crate::history::History,
    ) -> Testament {
        self.wills += 1;
        let publication = history.publish(Publication {
            client: self.index,
            topic: format!("will/{}/{}", self.name, self.wills),
            qos: random_qos(rng),
            retain: rng.percent(20),
            size: 4 + rng.below(20),
            expiry: None,
            will: true,
            sent: 0,
            sent_at: now,
            transmissions: 0,
            outcome: Outcome::Unknown,
            era: history.era,
        });
        let delay = if self.is_v5() {
            rng.pick(&[0, 1, 2, 5])
        } else {
            0
        };
        Testament { publication, delay }
    }

    /// Sends CONNECT on a new connection.
    pub fn connect(&mut self, desk: &mut Desk<'_>, hello: Hello) {
        self.wire = Wire {
            last_sent: desk.now,
            ..Wire::default()
        };
        self.phase = Phase::Connecting;
        if hello.clean_start {
            self.must_start_clean = true;
            self.memory = Memory::new();
        }
        let mut properties = PropertiesBuf::new();
        let mut will_properties = PropertiesBuf::new();
        if self.is_v5() {
            connect_properties(&hello, &mut properties);
            if let Some(Testament {
                delay: delay @ 1.., ..
            }) = hello.will
            {
                will_properties.push(Property::WillDelayInterval(delay));
            }
        }
        let message = hello.will.as_ref().map(|will| {
            let publication = &desk.history.publications[will.publication];
            (publication, payload(will.publication, publication.size))
        });
        let connect = Connect {
            version: hello.version,
            clean_start: hello.clean_start,
            keep_alive: hello.keep_alive,
            client_id: &self.name,
            will: message.as_ref().map(|(publication, payload)| Will {
                topic: &publication.topic,
                payload,
                qos: publication.qos,
                retain: publication.retain,
                properties: will_properties.as_properties(),
            }),
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        Packet::Connect(connect).encode(hello.version, &mut desk.out);
        let (name, clean) = (&self.name, hello.clean_start);
        desk.trace.log(
            desk.now,
            format_args!(
                "{name} > CONNECT on link {}, {} clean {clean} expiry {} will {:?}",
                desk.link, hello.version, hello.session_expiry, hello.will
            ),
        );
        self.wire.hello = Some(hello);
    }

    /// Encodes a packet.
    pub(super) fn send(&mut self, desk: &mut Desk<'_>, packet: &Packet<'_>) {
        packet.encode(self.version(), &mut desk.out);
        self.wire.last_sent = desk.now;
        let name = &self.name;
        match packet {
            Packet::Publish(_) => {}
            other => desk.trace.log(desk.now, format_args!("{name} > {other:?}")),
        }
    }

    // ---------------------------------------------------------------------- publishing

    /// Publishes something, if the broker's limits allow it just now.
    pub fn publish(&mut self, desk: &mut Desk<'_>, one_retainer: Option<usize>) {
        let place = desk.rng.below(TOPICS.len());
        let topic = TOPICS[place].to_owned();
        let may_retain = one_retainer.is_none_or(|clients| place % clients == self.index);
        let retain = may_retain && desk.rng.percent(25);
        let least = usize::from(retain && one_retainer.is_some());
        let qos = QoS::try_from((desk.rng.below(3 - least) + least) as u8).expect("0 to 2");
        let size = match desk.rng.below(10) {
            0 if retain => 0,
            1 => 1000 + desk.rng.below(1500),
            _ => 4 + desk.rng.below(20),
        };
        let expires = self.is_v5() && !retain && desk.rng.percent(15);
        let room = self.memory.outgoing.len() < self.wire.receive_maximum;
        if (qos > QoS::AtMostOnce && !room) || size + 100 > self.wire.packet_size {
            return;
        }
        let number = desk.history.publish(Publication {
            client: self.index,
            topic,
            qos,
            retain,
            size,
            expiry: expires.then(|| desk.rng.pick(&[1, 3, 1000])),
            will: false,
            sent: 0,
            sent_at: desk.now,
            transmissions: 0,
            outcome: Outcome::Unknown,
            era: desk.history.era,
        });
        let sent = desk.history.moment();
        desk.history.publications[number].sent = sent;
        let packet_id = (qos > QoS::AtMostOnce).then(|| self.free_id());
        if let Some(packet_id) = packet_id {
            let released = false;
            self.memory.outgoing.push_back(Outgoing {
                packet_id,
                publication: number,
                qos,
                released,
            });
        }
        self.transmit(desk, number, packet_id, false);
    }

    fn transmit(
        &mut self,
        desk: &mut Desk<'_>,
        number: PublicationNumber,
        packet_id: Option<PacketId>,
        dup: bool,
    ) {
        let publication = &mut desk.history.publications[number];
        publication.transmissions += 1;
        let publication = publication.clone();
        let payload = match publication.size {
            0 => Vec::new(),
            size => payload(number, size),
        };
        let mut properties = PropertiesBuf::new();
        let mut topic = publication.topic.as_str();
        let tag = number.to_string();
        if self.is_v5() {
            if let Some(seconds) = publication.expiry {
                properties.push(Property::MessageExpiryInterval(seconds));
            }
            if number.is_multiple_of(3) {
                properties.push(Property::UserProperty("number", &tag));
            }
            if let Some((alias, known)) = self.alias(desk.rng, topic) {
                properties.push(Property::TopicAlias(alias));
                topic = if known { "" } else { topic };
            }
        }
        let packet = Packet::Publish(Publish {
            dup,
            retain: publication.retain,
            qos: publication.qos,
            topic,
            packet_id,
            properties: properties.as_properties(),
            payload: &payload,
        });
        self.send(desk, &packet);
        let Publication {
            topic,
            qos,
            retain,
            size,
            ..
        } = publication;
        let (name, qos, id) = (&self.name, qos as u8, packet_id.map_or(0, PacketId::get));
        desk.trace.log(
            desk.now,
            format_args!(
                "{name} > PUBLISH m{number} {topic} qos {qos} retain {retain} size {size} id {id} dup {dup}"
            ),
        );
    }

    /// An alias for a topic, and whether the broker knows it already.
    fn alias(&mut self, rng: &mut Rng, topic: &str) -> Option<(u16, bool)> {
        if self.wire.alias_maximum == 0 || rng.percent(60) {
            return None;
        }
        if let Some(&alias) = self.wire.aliases_out.get(topic) {
            return Some((alias, rng.percent(80)));
        }
        let alias = rng.between(1, u64::from(self.wire.alias_maximum)) as u16;
        self.wire.aliases_out.retain(|_, other| *other != alias);
        self.wire.aliases_out.insert(topic.to_owned(), alias);
        Some((alias, false))
    }

    pub(super) fn free_id(&mut self) -> PacketId {
        loop {
            let id = self.memory.next_id;
            self.memory.next_id = id.next();
            let taken = self
                .memory
                .outgoing
                .iter()
                .any(|known| known.packet_id == id)
                || self.wire.subscribing.contains_key(&id)
                || self.wire.unsubscribing.contains_key(&id);
            if !taken {
                return id;
            }
        }
    }

    /// Sends again what was not acknowledged, in order. `[MQTT-4.4.0-1]`
    pub(super) fn resend(&mut self, desk: &mut Desk<'_>) {
        let again: Vec<_> = self
            .memory
            .outgoing
            .iter()
            .map(|known| (known.packet_id, known.publication, known.released))
            .collect();
        for (packet_id, publication, released) in again {
            if released {
                let pubrel = PubRel::new(packet_id, ReasonCode::Success);
                self.send(desk, &Packet::PubRel(pubrel));
            } else {
                self.transmit(desk, publication, Some(packet_id), true);
            }
        }
    }

    // --------------------------------------------------------------------- subscribing

    /// Subscribes to one or two filters.
    pub fn subscribe(&mut self, desk: &mut Desk<'_>) {
        let Some(session) = desk.session else {
            return;
        };
        let shared = self.plan.role == Role::Worker;
        let count = if shared { 1 } else { 1 + desk.rng.below(2) };
        let place = desk.rng.below(FILTERS.len());
        let mut filters = Vec::new();
        let mut identifier = (self.is_v5() && desk.rng.percent(50)).then(|| 1 + place as u32);
        for n in 0..count {
            if shared {
                let filter = desk.rng.pick(&self.plan.shared);
                let group = crate::plan::SHARED
                    .iter()
                    .position(|known| *known == filter);
                identifier = self.is_v5().then_some(101 + group.unwrap_or(0) as u32);
                let qos = QoS::try_from(self.plan.shared_qos).expect("0 to 2");
                filters.push((filter, SubscriptionOptions::new(qos)));
            } else {
                let filter = FILTERS[(place + n) % FILTERS.len()];
                filters.push((filter, self.random_options(desk.rng)));
            }
        }
        self.send_subscribe(desk, session, &filters, identifier);
    }

    /// Subscribes to given filters.
    pub fn send_subscribe(
        &mut self,
        desk: &mut Desk<'_>,
        session: usize,
        filters: &[(&str, SubscriptionOptions)],
        identifier: Option<u32>,
    ) {
        let mut properties = PropertiesBuf::new();
        if let Some(identifier) = identifier {
            properties.push(Property::SubscriptionIdentifier(identifier));
        }
        let mut wishes = Vec::new();
        for &(filter, options) in filters {
            let identifier = identifier.unwrap_or(0);
            let moment = desk.history.wish(session, filter, options, identifier);
            wishes.push((filter.to_owned(), options, moment));
        }
        let packet_id = self.free_id();
        let parsed: Vec<_> = filters
            .iter()
            .map(|&(filter, options)| (TopicFilter::parse(filter).expect("is valid"), options))
            .collect();
        let properties = properties.as_properties();
        encode_subscribe(
            self.version(),
            packet_id,
            properties,
            &parsed,
            &mut desk.out,
        );
        self.wire.last_sent = desk.now;
        let name = &self.name;
        desk.trace.log(
            desk.now,
            format_args!("{name} > SUBSCRIBE {filters:?} id {packet_id} {properties:?}"),
        );
        self.wire.subscribing.insert(packet_id, wishes);
    }

    fn random_options(&self, rng: &mut Rng) -> SubscriptionOptions {
        let is_v5 = self.is_v5();
        SubscriptionOptions {
            qos: random_qos(rng),
            no_local: is_v5 && rng.percent(15),
            retain_as_published: is_v5 && rng.percent(30),
            retain_handling: match rng.below(6) {
                0 if is_v5 => RetainHandling::SendIfNew,
                1 if is_v5 => RetainHandling::DoNotSend,
                _ => RetainHandling::SendAtSubscribe,
            },
        }
    }

    /// Ends one of its subscriptions.
    pub fn unsubscribe(&mut self, desk: &mut Desk<'_>) {
        let filters: Vec<_> = self.memory.filters.iter().cloned().collect();
        if filters.is_empty() {
            return;
        }
        let (Some(session), filter) = (desk.session, &filters[desk.rng.below(filters.len())])
        else {
            return;
        };
        desk.history.give_up(session, filter);
        let packet_id = self.free_id();
        let parsed = TopicFilter::parse(filter).expect("is valid");
        let properties = dunlin_packet::Properties::EMPTY;
        encode_unsubscribe(
            self.version(),
            packet_id,
            properties,
            &[parsed],
            &mut desk.out,
        );
        self.wire.last_sent = desk.now;
        let name = &self.name;
        desk.trace.log(
            desk.now,
            format_args!("{name} > UNSUBSCRIBE {filter} id {packet_id}"),
        );
        self.wire
            .unsubscribing
            .insert(packet_id, vec![filter.clone()]);
    }

    // -------------------------------------------------------------------------- ending

    /// Says that it is there.
    pub fn ping(&mut self, desk: &mut Desk<'_>) {
        self.send(desk, &Packet::PingReq);
    }

    /// Says DISCONNECT; gives the Session Expiry Interval in it.
    pub fn disconnect(&mut self, desk: &mut Desk<'_>) -> Option<u32> {
        let mut reason = ReasonCode::NormalDisconnection;
        let mut properties = PropertiesBuf::new();
        let mut expiry = None;
        if self.is_v5() {
            if desk.rng.percent(30) {
                reason = ReasonCode::DisconnectWithWill;
            }
            if self.plan.session_expiry > 0 && desk.rng.percent(20) {
                expiry = Some(desk.rng.pick(&[0, 1, 3, 1000]));
            }
        }
        if let Some(seconds) = expiry {
            properties.push(Property::SessionExpiryInterval(seconds));
        }
        let properties = properties.as_properties();
        self.send(desk, &Packet::Disconnect(Disconnect { reason, properties }));
        expiry
    }
}

fn connect_properties(hello: &Hello, properties: &mut PropertiesBuf) {
    if hello.session_expiry > 0 {
        properties.push(Property::SessionExpiryInterval(hello.session_expiry));
    }
    if let Some(maximum) = hello.receive_maximum {
        properties.push(Property::ReceiveMaximum(maximum));
    }
    if hello.topic_alias_maximum > 0 {
        properties.push(Property::TopicAliasMaximum(hello.topic_alias_maximum));
    }
    if let Some(size) = hello.maximum_packet_size {
        properties.push(Property::MaximumPacketSize(size));
    }
}

fn random_qos(rng: &mut Rng) -> QoS {
    QoS::try_from(rng.below(3) as u8).expect("0 to 2")
}
