//! What the log makes visible to Clients: that it has no room, and replays of what it keeps.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dunlin_core::{
    AllowAll, Command, ConnectionId, Durability, Input, LogRoom, Message, Origin, Reader, Record,
    ReplayStart, Replayed, Shard, ShardConfig, ShardId, Terms, Timestamp,
};
use dunlin_packet::{
    Connect, Framing, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion,
    Publish, QoS, SubscriptionOptions, TopicFilter, encode_subscribe, split_frame,
};

const NOW: Timestamp = Timestamp::from_millis(1);

/// A shard with a log, whose records are stable at once, and the messages in it.
struct Broker(Shard, Vec<Message>, Vec<(Reader, ReplayStart)>);

impl Broker {
    fn new() -> Self {
        let mut config = ShardConfig::new(ShardId::new(0), 1, 7);
        config.durability = Durability::Log;
        config.replayable = vec!["kept/#".to_owned()];
        Broker(
            Shard::new(config, Box::new(AllowAll)),
            Vec::new(),
            Vec::new(),
        )
    }

    /// Listener 1 promises nothing.
    fn with_a_quick_listener() -> Self {
        let mut config = ShardConfig::new(ShardId::new(0), 1, 7);
        config.durability = Durability::Log;
        let quick = Terms {
            durability: Durability::Memory,
            ..Terms::default()
        };
        config.terms = vec![Terms::default(), quick];
        Broker(
            Shard::new(config, Box::new(AllowAll)),
            Vec::new(),
            Vec::new(),
        )
    }

    fn tell(&mut self, input: Input<'_>) {
        self.0.handle(NOW, input);
        let mut appended = Vec::new();
        let records = self.0.take_records(&mut appended);
        let messages = appended
            .iter()
            .filter_map(|record| record.message().cloned());
        self.1.extend(messages);
        self.0.handle(NOW, Input::Committed { records });
    }

    /// Answers what replays want to read, at most two messages each; gives how many had anything.
    fn read(&mut self) -> usize {
        let mut answered = 0;
        self.0.take_replay_reads(&mut self.2);
        for (reader, from) in std::mem::take(&mut self.2) {
            let first = match from {
                ReplayStart::First | ReplayStart::Time(_) => 0,
                ReplayStart::After(position) => position as usize + 1,
                ReplayStart::Cursor(next) => next as usize,
            };
            let part = self.1.iter().enumerate().skip(first).take(2);
            let mut messages: Vec<_> = part
                .map(|(position, message)| Replayed {
                    position: position as u64,
                    at: NOW,
                    message: message.clone(),
                })
                .collect();
            if messages.is_empty() {
                self.2.push((reader, from));
            } else {
                answered += 1;
                let next = (first + messages.len()) as u64;
                let messages = &mut messages;
                self.tell(Input::Replay {
                    reader,
                    messages,
                    next,
                });
            }
        }
        answered
    }

    fn connect(&mut self, n: u32, version: ProtocolVersion, expiry: u32) -> ConnectionId {
        self.connect_by(0, n, version, expiry)
    }

    /// A connection comes in by a listener.
    fn connect_by(
        &mut self,
        listener: u32,
        n: u32,
        version: ProtocolVersion,
        expiry: u32,
    ) -> ConnectionId {
        let connection = ConnectionId::new(n, 0);
        let mut properties = PropertiesBuf::default();
        if version == ProtocolVersion::V5 {
            properties.push(Property::SessionExpiryInterval(expiry));
        }
        let connect = Connect {
            version,
            clean_start: expiry == 0,
            keep_alive: 0,
            client_id: &format!("c{n}"),
            will: None,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        let origin = Origin {
            listener,
            ..Origin::default()
        };
        self.tell(Input::Opened { connection });
        let origin = &origin;
        self.tell(Input::Identified { connection, origin });
        let mut bytes = Vec::new();
        Packet::Connect(connect).encode(version, &mut bytes);
        let bytes = &bytes;
        self.tell(Input::Received { connection, bytes });
        connection
    }

    fn subscribe(&mut self, connection: ConnectionId, filter: &str) {
        self.subscribe_with(QoS::AtLeastOnce, connection, filter);
    }

    fn subscribe_with(&mut self, qos: QoS, connection: ConnectionId, filter: &str) {
        let filter = TopicFilter::parse(filter).unwrap();
        let options = SubscriptionOptions::from_byte(qos as u8).unwrap();
        let (id, none) = (PacketId::new(1).unwrap(), Properties::EMPTY);
        let mut bytes = Vec::new();
        encode_subscribe(
            ProtocolVersion::V5,
            id,
            none,
            &[(filter, options)],
            &mut bytes,
        );
        let bytes = &bytes;
        self.tell(Input::Received { connection, bytes });
    }

    fn publish(&mut self, connection: ConnectionId, version: ProtocolVersion, topic: &str) {
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic,
            packet_id: PacketId::new(9),
            properties: Properties::EMPTY,
            payload: b"x",
        };
        let mut bytes = Vec::new();
        Packet::Publish(publish).encode(version, &mut bytes);
        let bytes = &bytes;
        self.tell(Input::Received { connection, bytes });
    }

    /// What a connection was sent since this was asked last.
    fn heard(&mut self, connection: ConnectionId, version: ProtocolVersion) -> Vec<String> {
        let mut slices = Vec::new();
        if let Some(output) = self.0.output(connection) {
            output.slices(&mut slices);
        }
        let sent: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.tell(Input::Written {
            connection,
            bytes: sent.len(),
        });
        let (mut heard, mut rest) = (Vec::new(), &sent[..]);
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            heard.push(format!("{:?}", Packet::decode(version, frame).unwrap()));
            rest = &rest[length..];
        }
        heard
    }
}

#[test]
fn new_durable_work_is_refused_and_the_rest_goes_on() {
    let (v5, v3) = (ProtocolVersion::V5, ProtocolVersion::V3_1_1);
    let mut broker = Broker::new();
    let durable = broker.connect(1, v5, 100);
    broker.subscribe(durable, "durable/#");
    let volatile = broker.connect(2, v5, 0);
    broker.subscribe(volatile, "volatile/#");
    let old = broker.connect(3, v3, 0);
    for connection in [durable, volatile] {
        broker.heard(connection, v5);
    }
    broker.tell(Input::Room(LogRoom::Full));

    broker.publish(volatile, v5, "durable/1");
    let heard = broker.heard(volatile, v5);
    assert!(heard[0].contains("QuotaExceeded"), "{heard:?}");
    assert!(heard[0].contains("the disk is full"), "{heard:?}");
    broker.publish(volatile, v5, "volatile/1");
    let heard = broker.heard(volatile, v5);
    assert!(heard.iter().any(|packet| packet.contains("volatile/1")));
    assert!(heard.iter().any(|packet| packet.contains("PubAck")));
    broker.subscribe(durable, "more/#");
    let heard = broker.heard(durable, v5);
    assert!(heard[0].contains("SubAck") && heard.len() == 1, "{heard:?}");
    let refused = dunlin_packet::ReasonCode::QuotaExceeded as u8;
    assert!(heard[0].contains(&refused.to_string()), "{heard:?}");
    let newcomer = broker.connect(4, v5, 100);
    let heard = broker.heard(newcomer, v5);
    assert!(heard[0].contains("QuotaExceeded"), "{heard:?}");
    let guest = broker.connect(5, v5, 0);
    assert!(broker.heard(guest, v5)[0].contains("Success"));

    // A Client of 3.1.1 cannot be told: it keeps its message and loses its connection.
    broker.heard(old, v3);
    broker.publish(old, v3, "durable/2");
    assert_eq!(broker.heard(old, v3), [] as [&str; 0]);
    let mut commands = Vec::new();
    broker.0.take_commands(&mut commands);
    assert!(commands.contains(&Command::Close(old)), "{commands:?}");

    broker.tell(Input::Room(LogRoom::Enough));
    broker.publish(volatile, v5, "durable/3");
    assert!(broker.heard(volatile, v5)[0].contains("Success"));
    assert!(broker.heard(durable, v5)[0].contains("durable/3"));
}

#[test]
fn a_replay_is_what_was_and_then_what_comes() {
    // To a Session that outlives its connection as well: it is in the log, its replays are not.
    for expiry in [0, 100] {
        replay_to(expiry);
    }
}

fn replay_to(expiry: u32) {
    let v5 = ProtocolVersion::V5;
    let mut broker = Broker::new();
    let publisher = broker.connect(1, v5, 0);
    for n in 0..5 {
        broker.publish(publisher, v5, &format!("kept/{n}"));
        broker.publish(publisher, v5, "not kept");
    }
    assert_eq!(broker.1.len(), 5, "nobody else needs a message");
    let reader = broker.connect(2, v5, expiry);
    broker.heard(reader, v5);
    broker.subscribe(reader, "$replay/@1/kept/#");
    let mut heard = broker.heard(reader, v5);
    assert!(heard.remove(0).contains("SubAck"));
    while broker.read() > 0 {
        heard.append(&mut broker.heard(reader, v5));
    }
    broker.publish(publisher, v5, "kept/new");
    assert_eq!(
        broker.heard(reader, v5),
        [] as [&str; 0],
        "it comes by the log"
    );
    let acknowledge = |broker: &mut Broker, n| {
        let mut bytes = Vec::new();
        let (reason, properties) = (dunlin_packet::ReasonCode::Success, Properties::EMPTY);
        let packet_id = PacketId::new(n).unwrap();
        let puback = dunlin_packet::PubAck {
            packet_id,
            reason,
            properties,
        };
        Packet::PubAck(puback).encode(v5, &mut bytes);
        let (connection, bytes) = (reader, &bytes);
        broker.tell(Input::Received { connection, bytes });
    };
    (1..=3).for_each(|n| acknowledge(&mut broker, n));
    broker.read();
    heard.append(&mut broker.heard(reader, v5));
    let shown: Vec<_> = ["kept/2", "kept/3", "kept/4", "kept/new"].into();
    assert_eq!(heard.len(), shown.len(), "{heard:?}");
    for (n, (packet, topic)) in heard.iter().zip(shown).enumerate() {
        let position = format!("\"log-position\", \"{}\"", n + 2);
        assert!(packet.contains(topic), "{packet}");
        assert!(packet.contains(&position), "{packet}");
        assert!(packet.contains("1970-01-01T00:00:00.001Z"), "{packet}");
    }
}

#[test]
fn clients_of_a_listener_without_promises_do_not_wait_for_the_log() {
    let v5 = ProtocolVersion::V5;
    let mut broker = Broker::with_a_quick_listener();
    let durable = broker.connect(1, v5, 100);
    broker.subscribe(durable, "t");
    broker.heard(durable, v5);
    let slow = broker.connect_by(0, 2, v5, 100);
    let quick = broker.connect_by(1, 3, v5, 100);
    for connection in [slow, quick] {
        broker.heard(connection, v5);
    }
    // Nothing is stable from now on.
    for connection in [slow, quick] {
        let mut bytes = Vec::new();
        let publish = Publish {
            dup: false,
            retain: false,
            qos: QoS::AtLeastOnce,
            topic: "t",
            packet_id: PacketId::new(9),
            properties: Properties::EMPTY,
            payload: b"x",
        };
        Packet::Publish(publish).encode(v5, &mut bytes);
        let bytes = &bytes;
        broker.0.handle(NOW, Input::Received { connection, bytes });
    }
    let mut dirty = Vec::new();
    broker.0.take_dirty(&mut dirty);
    assert!(!dirty.contains(&slow), "PUBACK waits");
    assert!(dirty.contains(&quick), "PUBACK does not wait");
    let mut records = Vec::new();
    broker.0.take_records(&mut records);
    let count = |wanted: fn(&Record) -> bool| records.iter().filter(|it| wanted(it)).count();
    assert_eq!(
        count(|it| matches!(it, Record::Message { .. })),
        2,
        "for the others"
    );
}

#[test]
fn a_session_that_is_not_in_the_log_is_not_there_for_who_is_promised_that_it_lasts() {
    let v5 = ProtocolVersion::V5;
    let mut broker = Broker::with_a_quick_listener();
    for (listener, is_present) in [(1, false), (1, true), (0, false), (0, true), (1, true)] {
        let connection = broker.connect_by(listener, 1, v5, 100);
        let connack = broker.heard(connection, v5).remove(0);
        let expected = format!("session_present: {is_present}");
        assert!(
            connack.contains(&expected),
            "listener {listener}: {connack}"
        );
        broker.subscribe(connection, "t");
        broker.tell(Input::Lost { connection });
    }
}

#[test]
fn a_replay_that_has_ended_leaves_no_request_behind() {
    let v5 = ProtocolVersion::V5;
    let mut broker = Broker::new();
    let reader = broker.connect(1, v5, 0);
    let mut waiting = Vec::new();
    let mut ended = Vec::new();
    for _ in 0..3 {
        broker.subscribe(reader, "$replay/first/kept/#");
        broker.heard(reader, v5);
        broker.0.take_replay_reads(&mut waiting);
        broker.0.take_ended_replays(&mut ended);
        assert_eq!(
            waiting.len() - ended.len(),
            1,
            "the last one replaces the one before"
        );
    }
    let connection = reader;
    broker.tell(Input::Lost { connection });
    broker.0.take_ended_replays(&mut ended);
    let waiting: Vec<_> = waiting.into_iter().map(|(reader, _)| reader).collect();
    assert_eq!(waiting, ended);
}

#[test]
fn a_replay_has_qos_1_at_most() {
    let v5 = ProtocolVersion::V5;
    let mut broker = Broker::new();
    let reader = broker.connect(1, v5, 100);
    broker.heard(reader, v5);
    for (wanted, granted) in [
        (QoS::AtMostOnce, 0),
        (QoS::AtLeastOnce, 1),
        (QoS::ExactlyOnce, 1),
    ] {
        broker.subscribe_with(wanted, reader, "$replay/first/kept/#");
        let heard = broker.heard(reader, v5);
        assert!(
            heard[0].contains(&format!("reasons: [{granted}]")),
            "{heard:?}"
        );
    }
}
