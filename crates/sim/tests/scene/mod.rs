//! A few shards and Clients, told what to do step by step: for faults that a seed has found.

use std::collections::BTreeMap;

use dunlin_core::{
    AllowAll, Command, ConnectionId, Counters, Input, Limits, PeerMessage, Shard, ShardConfig,
    ShardId, Timestamp,
};
use dunlin_packet::{
    Connect, Framing, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion,
    Publish, QoS, SubscriptionOptions, TopicFilter, encode_subscribe, encode_unsubscribe,
    split_frame,
};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// Shards, and Clients of 5.0 that are connected to them.
pub(crate) struct Scene {
    shards: Vec<Shard>,
    /// What shards have said to each other, by sender and receiver.
    talks: BTreeMap<(usize, usize), Vec<PeerMessage>>,
    /// Who does not hear whom for now.
    held: Vec<(usize, usize)>,
    places: BTreeMap<String, (usize, ConnectionId)>,
    received: BTreeMap<String, Vec<u8>>,
    connections: u32,
}

impl Scene {
    /// A broker of so many shards.
    pub(crate) fn new(shards: usize, limits: Limits) -> Self {
        let shard = |n| {
            let limits = limits.clone();
            let config = ShardConfig {
                limits,
                ..ShardConfig::new(ShardId::new(n), shards, 7)
            };
            Shard::new(config, Box::new(AllowAll))
        };
        Scene {
            shards: (0..shards).map(shard).collect(),
            talks: BTreeMap::new(),
            held: Vec::new(),
            places: BTreeMap::new(),
            received: BTreeMap::new(),
            connections: 0,
        }
    }

    /// A name that has its home in a shard: of a Client, or of a group.
    pub(crate) fn at_home_in(&self, shard: usize, name: impl Fn(usize) -> String) -> String {
        let is_there = |name: &String| self.shards[0].home_of_session(name).index() == shard;
        (0..)
            .map(name)
            .find(is_there)
            .expect("there are many names")
    }

    /// One shard does not hear another until further notice.
    pub(crate) fn hold(&mut self, from: usize, to: usize) {
        self.held.push((from, to));
    }

    /// All shards hear each other again.
    pub(crate) fn release(&mut self) {
        self.held.clear();
        self.settle();
    }

    /// What all shards have counted.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.shards
            .iter()
            .for_each(|shard| sum.add(&shard.counters()));
        sum
    }

    // ------------------------------------------------------------------------- Clients

    /// Connects a Client, whose Session is to outlive the connection.
    pub(crate) fn connect(&mut self, client: &str, more: &[Property<'_>]) {
        let shard = self.shards[0].home_of_session(client).index();
        self.connections += 1;
        let connection = ConnectionId::new(self.connections, 0);
        self.places.insert(client.to_owned(), (shard, connection));
        self.handle(shard, Input::Opened { connection });
        let mut properties = PropertiesBuf::new();
        properties.push(Property::SessionExpiryInterval(1000));
        more.iter().for_each(|property| properties.push(*property));
        let connect = Connect {
            version: V5,
            clean_start: false,
            keep_alive: 0,
            client_id: client,
            will: None,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        self.send(client, &[Packet::Connect(connect)]);
    }

    /// Sends packets that arrive at once, and lets all shards do what follows.
    pub(crate) fn send(&mut self, client: &str, packets: &[Packet<'_>]) {
        let mut bytes = Vec::new();
        packets
            .iter()
            .for_each(|packet| packet.encode(V5, &mut bytes));
        self.send_bytes(client, &bytes);
        self.settle();
    }

    fn send_bytes(&mut self, client: &str, bytes: &[u8]) {
        let (shard, connection) = self.places[client];
        self.handle(shard, Input::Received { connection, bytes });
    }

    /// Sends SUBSCRIBE; nothing follows yet.
    pub(crate) fn subscribe(&mut self, client: &str, packet_id: u16, filter: &str, qos: QoS) {
        let filter = TopicFilter::parse(filter).expect("is valid");
        let filters = [(filter, SubscriptionOptions::new(qos))];
        let mut bytes = Vec::new();
        encode_subscribe(V5, id(packet_id), Properties::EMPTY, &filters, &mut bytes);
        self.send_bytes(client, &bytes);
    }

    /// Sends UNSUBSCRIBE.
    pub(crate) fn unsubscribe(&mut self, client: &str, packet_id: u16, filter: &str) {
        let filters = [TopicFilter::parse(filter).expect("is valid")];
        let mut bytes = Vec::new();
        encode_unsubscribe(V5, id(packet_id), Properties::EMPTY, &filters, &mut bytes);
        self.send_bytes(client, &bytes);
        self.settle();
    }

    /// A Client's connection breaks.
    pub(crate) fn lose(&mut self, client: &str) {
        let (shard, connection) = self.places[client];
        self.handle(shard, Input::Lost { connection });
        self.settle();
    }

    /// What a Client has got since the last call, packet by packet.
    pub(crate) fn received(&mut self, client: &str) -> Vec<String> {
        let bytes = self.received.remove(client).unwrap_or_default();
        let (mut rest, mut packets) = (bytes.as_slice(), Vec::new());
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            packets.push(show(
                &Packet::decode(V5, frame).expect("the broker encodes well"),
                length,
            ));
            rest = &rest[length..];
        }
        packets
    }

    // ----------------------------------------------------------------------- the broker

    fn handle(&mut self, shard: usize, input: Input<'_>) {
        self.shards[shard].handle(Timestamp::from_millis(1), input);
    }

    /// All shards take their turns until nothing is left but what is held.
    pub(crate) fn settle(&mut self) {
        loop {
            (0..self.shards.len()).for_each(|shard| self.turn(shard));
            let ready: Vec<_> = self
                .talks
                .keys()
                .copied()
                .filter(|pair| !self.held.contains(pair))
                .collect();
            if ready.is_empty() {
                return;
            }
            for (from, to) in ready {
                let mut messages = self.talks.remove(&(from, to)).unwrap_or_default();
                let (from, messages) = (ShardId::new(from), &mut messages);
                self.handle(to, Input::Peer { from, messages });
            }
        }
    }

    fn turn(&mut self, n: usize) {
        loop {
            let mut dirty = Vec::new();
            self.shards[n].take_dirty(&mut dirty);
            if dirty.is_empty() {
                break;
            }
            for connection in dirty {
                self.write(n, connection);
            }
        }
        let mut commands = Vec::new();
        self.shards[n].take_commands(&mut commands);
        let moves = |command: &Command| matches!(command, Command::Move { .. });
        assert!(!commands.iter().any(moves), "Clients connect to their home");
        for to in 0..self.shards.len() {
            let mut messages = Vec::new();
            self.shards[n].take_peer_messages(ShardId::new(to), &mut messages);
            if !messages.is_empty() {
                self.talks.entry((n, to)).or_default().append(&mut messages);
            }
        }
    }

    fn write(&mut self, shard: usize, connection: ConnectionId) {
        let mut slices = Vec::new();
        if let Some(output) = self.shards[shard].output(connection) {
            output.slices(&mut slices);
        }
        let written: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let bytes = written.len();
        let is_its =
            |(_, place): &(&String, &(usize, ConnectionId))| **place == (shard, connection);
        if let Some((client, _)) = self.places.iter().find(is_its) {
            self.received
                .entry(client.clone())
                .or_default()
                .extend(written);
        }
        self.handle(shard, Input::Written { connection, bytes });
    }
}

/// A Packet Identifier.
pub(crate) fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect("is not 0")
}

/// A PUBLISH with QoS 1 or 2.
pub(crate) fn publish<'a>(
    packet_id: u16,
    topic: &'a str,
    qos: QoS,
    payload: &'a [u8],
) -> Publish<'a> {
    Publish {
        dup: false,
        retain: false,
        qos,
        topic,
        packet_id: (qos > QoS::AtMostOnce).then(|| id(packet_id)),
        properties: Properties::EMPTY,
        payload,
    }
}

fn show(packet: &Packet<'_>, length: usize) -> String {
    match packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id.map_or(0, PacketId::get);
            let dup = if publish.dup { " again" } else { "" };
            format!("PUBLISH {id}{dup}, {length} bytes")
        }
        Packet::ConnAck(connack) => format!("CONNACK {}", connack.session_present),
        Packet::PubAck(puback) => format!("PUBACK {} {}", puback.packet_id, puback.reason),
        Packet::PubRec(pubrec) => format!("PUBREC {} {}", pubrec.packet_id, pubrec.reason),
        Packet::SubAck(suback) => format!("SUBACK {}", suback.packet_id),
        other => format!("{:?}", other.packet_type()),
    }
}
