//! What a listener and the limits forbid: QoS, RETAIN, payloads, Topic Aliases; and messages of QoS 0
//! that wait.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use dunlin_core::{
    AllowAll, ConnectionId, Input, Limits, Message, Origin, Shard, ShardConfig, ShardId, Terms,
    Timestamp,
};
use dunlin_packet::{
    Connect, Framing, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion,
    Publish, QoS, SubscriptionOptions, TopicFilter, Will, encode_subscribe, split_frame,
};

const V5: ProtocolVersion = ProtocolVersion::V5;
const CONNECTION: ConnectionId = ConnectionId::new(0, 0);

struct World {
    shard: Shard,
    now: Timestamp,
}

impl World {
    /// A shard with these terms for listener 1.
    fn new(terms: Terms, limits: Limits) -> Self {
        let config = ShardConfig {
            terms: vec![Terms::default(), terms],
            limits,
            ..ShardConfig::new(ShardId::new(0), 1, 1)
        };
        World {
            shard: Shard::new(config, Box::new(AllowAll)),
            now: Timestamp::from_millis(1),
        }
    }

    /// A connection by a listener; what its CONNECT is answered.
    fn connect(
        &mut self,
        connection: ConnectionId,
        listener: u32,
        will: Option<Will<'_>>,
    ) -> Vec<String> {
        self.connect_as("alice", connection, listener, will)
    }

    fn connect_as(
        &mut self,
        client_id: &str,
        connection: ConnectionId,
        listener: u32,
        will: Option<Will<'_>>,
    ) -> Vec<String> {
        self.shard.handle(self.now, Input::Opened { connection });
        let origin = Origin {
            listener,
            address: None,
            certificate: None,
        };
        let origin = &origin;
        self.shard
            .handle(self.now, Input::Identified { connection, origin });
        let mut properties = PropertiesBuf::default();
        properties.push(Property::SessionExpiryInterval(100));
        let connect = Connect {
            version: V5,
            clean_start: false,
            keep_alive: 0,
            client_id,
            will,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        self.say(connection, &Packet::Connect(connect))
    }

    fn publish(&mut self, qos: QoS, retain: bool, payload: &[u8]) -> Vec<String> {
        let publish = Publish {
            dup: false,
            retain,
            qos,
            topic: "a",
            packet_id: (qos > QoS::AtMostOnce).then_some(PacketId::FIRST),
            properties: Properties::EMPTY,
            payload,
        };
        self.say(CONNECTION, &Packet::Publish(publish))
    }

    fn publish_with_alias(&mut self, alias: u16) -> Vec<String> {
        let mut properties = PropertiesBuf::default();
        properties.push(Property::TopicAlias(alias));
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: "a",
            packet_id: Some(PacketId::FIRST),
            properties: properties.as_properties(),
            payload: b"",
        };
        self.say(CONNECTION, &Packet::Publish(publish))
    }

    fn subscribe(&mut self, qos: QoS) -> Vec<String> {
        let filters = [(
            TopicFilter::parse("a").unwrap(),
            SubscriptionOptions::new(qos),
        )];
        let mut bytes = Vec::new();
        encode_subscribe(V5, PacketId::FIRST, Properties::EMPTY, &filters, &mut bytes);
        self.receive(CONNECTION, &bytes)
    }

    fn say(&mut self, connection: ConnectionId, packet: &Packet<'_>) -> Vec<String> {
        let mut bytes = Vec::new();
        packet.encode(V5, &mut bytes);
        self.receive(connection, &bytes)
    }

    fn receive(&mut self, connection: ConnectionId, bytes: &[u8]) -> Vec<String> {
        self.shard
            .handle(self.now, Input::Received { connection, bytes });
        self.hear()
    }

    /// What was written, in short.
    fn hear(&mut self) -> Vec<String> {
        let mut dirty = Vec::new();
        self.shard.take_dirty(&mut dirty);
        let mut heard = Vec::new();
        for connection in dirty {
            let mut slices = Vec::new();
            self.shard.output(connection).unwrap().slices(&mut slices);
            let bytes = slices.iter().flat_map(|slice| slice.to_vec());
            let bytes: Vec<u8> = bytes.collect();
            let written = bytes.len();
            self.shard.handle(
                self.now,
                Input::Written {
                    connection,
                    bytes: written,
                },
            );
            let mut rest = &bytes[..];
            while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
                heard.push(short(&Packet::decode(V5, frame).unwrap()));
                rest = &rest[length..];
            }
        }
        heard
    }
}

fn short(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(it) => {
            let properties = it.properties;
            let (qos, retain) = (properties.maximum_qos(), properties.retain_available());
            let aliases = properties.topic_alias_maximum();
            format!(
                "CONNACK {:?} qos {qos:?} retain {retain:?} aliases {aliases:?}",
                it.reason
            )
        }
        Packet::PubAck(it) => format!("PUBACK {:?}", it.reason),
        Packet::SubAck(it) => format!("SUBACK {:?}", it.reasons),
        Packet::Disconnect(it) => format!("DISCONNECT {:?}", it.reason),
        Packet::Publish(it) => format!("PUBLISH {} {:?}", it.topic, it.qos),
        other => format!("{:?}", other.packet_type()),
    }
}

fn terms() -> Terms {
    Terms {
        maximum_qos: QoS::AtLeastOnce,
        topic_aliases_in: Some(3),
        assigns_client_id: false,
        ..Terms::default()
    }
}

#[test]
fn the_terms_of_its_listener_are_told_in_connack() {
    let mut world = World::new(terms(), Limits::default());
    let told = world.connect(CONNECTION, 1, None);
    assert_eq!(
        told,
        ["CONNACK Success qos Some(1) retain None aliases Some(3)"]
    );
    let mut world = World::new(terms(), Limits::default());
    let told = world.connect(CONNECTION, 0, None);
    assert_eq!(
        told,
        ["CONNACK Success qos None retain None aliases Some(32)"]
    );
}

#[test]
fn a_client_identifier_is_chosen_where_that_is_allowed() {
    let mut world = World::new(terms(), Limits::default());
    let told = world.connect_as("", CONNECTION, 1, None);
    assert!(
        told[0].starts_with("CONNACK ClientIdentifierNotValid"),
        "{told:?}"
    );
    let told = world.connect_as("", ConnectionId::new(1, 0), 0, None);
    assert!(told[0].starts_with("CONNACK Success"), "{told:?}");
}

#[test]
fn a_qos_above_the_maximum_ends_the_connection_and_is_not_granted() {
    let mut world = World::new(terms(), Limits::default());
    world.connect(CONNECTION, 1, None);
    assert_eq!(world.subscribe(QoS::ExactlyOnce), ["SUBACK [1]"]);
    let told = world.publish(QoS::AtLeastOnce, false, b"x");
    assert!(told.contains(&"PUBACK Success".to_owned()), "{told:?}");
    assert_eq!(
        world.publish(QoS::ExactlyOnce, false, b"x"),
        ["DISCONNECT QoSNotSupported"]
    );
}

#[test]
fn a_topic_alias_above_that_of_the_listener_ends_the_connection() {
    let mut world = World::new(terms(), Limits::default());
    world.connect(CONNECTION, 1, None);
    assert_eq!(
        world.publish_with_alias(3),
        ["PUBACK NoMatchingSubscribers"]
    );
    assert_eq!(
        world.publish_with_alias(4),
        ["DISCONNECT TopicAliasInvalid"]
    );
}

#[test]
fn a_will_that_cannot_be_kept_refuses_its_connect() {
    let will = |qos, retain| Will {
        topic: "gone",
        payload: b"",
        qos,
        retain,
        properties: Properties::EMPTY,
    };
    let limits = Limits {
        retain_available: false,
        ..Limits::default()
    };
    let mut world = World::new(terms(), limits);
    let told = world.connect(CONNECTION, 1, Some(will(QoS::ExactlyOnce, false)));
    assert!(told[0].starts_with("CONNACK QoSNotSupported"), "{told:?}");
    let told = world.connect(
        ConnectionId::new(1, 0),
        1,
        Some(will(QoS::AtMostOnce, true)),
    );
    assert!(
        told[0].starts_with("CONNACK RetainNotSupported"),
        "{told:?}"
    );
}

#[test]
fn nothing_is_retained_where_that_is_off() {
    let limits = Limits {
        retain_available: false,
        ..Limits::default()
    };
    let mut world = World::new(terms(), limits);
    let told = world.connect(CONNECTION, 0, None);
    assert_eq!(
        told,
        ["CONNACK Success qos None retain Some(0) aliases Some(32)"]
    );
    assert_eq!(
        world.publish(QoS::AtMostOnce, true, b"x"),
        ["DISCONNECT RetainNotSupported"]
    );
    assert_eq!(world.shard.retained().count(), 0);
}

#[test]
fn a_payload_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let limits = Limits {
        payload_size: Some(4),
        ..Limits::default()
    };
    let mut world = World::new(terms(), limits);
    world.connect(CONNECTION, 0, None);
    assert_eq!(
        world.publish(QoS::AtLeastOnce, false, b"12345"),
        ["PUBACK ImplementationSpecificError"]
    );
    assert!(world.publish(QoS::AtMostOnce, false, b"12345").is_empty());
    assert_eq!(
        world.publish(QoS::AtLeastOnce, false, b"1234"),
        ["PUBACK NoMatchingSubscribers"]
    );
    assert_eq!(world.shard.counters().refused, 2);
}

#[test]
fn messages_of_qos_0_wait_where_that_is_wanted() {
    for (queue_qos0, waits) in [(false, 0), (true, 1)] {
        let limits = Limits {
            queue_qos0,
            ..Limits::default()
        };
        let mut world = World::new(terms(), limits);
        world.connect(CONNECTION, 0, None);
        world.subscribe(QoS::AtMostOnce);
        world.shard.handle(
            world.now,
            Input::Lost {
                connection: CONNECTION,
            },
        );
        let message = Message::new("a", b"x", QoS::AtMostOnce, false);
        world.shard.handle(world.now, Input::Publish { message });
        let told = world.connect(ConnectionId::new(1, 0), 0, None);
        let published = told.iter().filter(|packet| packet.starts_with("PUBLISH"));
        assert_eq!(published.count(), waits, "{told:?}");
        let counters = world.shard.counters();
        assert_eq!(counters.due, 1);
        assert_eq!(counters.delivered, waits as u64);
    }
}
