//! A crash between any two steps: what was acknowledged is there again, and nothing comes twice
//! that must not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dunlin_core::{
    AllowAll, Command, ConnectionId, Durability, Input, Message, MessageId, PeerMessage, Record,
    Shard, ShardConfig, ShardId, Timestamp,
};
use dunlin_packet::{
    Connect, Frame, Framing, Packet, PacketId, Properties, PropertiesBuf, Property,
    ProtocolVersion, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, SubscriptionOptions,
    TopicFilter, encode_subscribe, split_frame,
};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// Some shards, the log, and what each connection has been sent.
struct World {
    shards: Vec<Shard>,
    log: Vec<Record>,
    /// Whether appended records become stable.
    stable: bool,
    now: Timestamp,
    next: u32,
    sent: Vec<(usize, ConnectionId, Vec<u8>)>,
}

/// A connection: its shard, and its name there.
type Place = (usize, ConnectionId);

impl World {
    fn new(count: usize) -> Self {
        let mut world = World {
            shards: Vec::new(),
            log: Vec::new(),
            stable: true,
            now: Timestamp::from_millis(1),
            next: 0,
            sent: Vec::new(),
        };
        world.start(count);
        world
    }

    fn start(&mut self, count: usize) {
        self.sent.clear();
        self.shards = (0..count)
            .map(|n| {
                let mut config = ShardConfig::new(ShardId::new(n), count, 7);
                config.durability = Durability::Log;
                Shard::new(config, Box::new(AllowAll))
            })
            .collect();
        for shard in &mut self.shards {
            self.log
                .iter()
                .for_each(|record| shard.restore(record.clone()));
            shard.restored(self.now);
        }
        self.settle();
    }

    /// The process is gone at once; it starts again with what is in the log.
    fn crash(&mut self) {
        let count = self.shards.len();
        self.stable = true;
        self.start(count);
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let mut quiet = true;
            for n in 0..self.shards.len() {
                quiet &= !self.turn(n);
            }
            if quiet {
                return;
            }
        }
        panic!("the shards do not come to rest");
    }

    /// One turn of a shard. True: something happened.
    fn turn(&mut self, n: usize) -> bool {
        let (from, now, mut busy) = (ShardId::new(n), self.now, false);
        let mut records = Vec::new();
        let count = self.shards[n].take_records(&mut records);
        if self.stable {
            self.log.append(&mut records);
            self.shards[n].handle(now, Input::Committed { records: count });
        }
        let mut reads = Vec::new();
        self.shards[n].take_reads(&mut reads);
        for (reader, ids) in reads {
            let mut messages: Vec<_> = ids.iter().map(|id| (*id, self.message(*id))).collect();
            let messages = &mut messages;
            self.shards[n].handle(now, Input::Read { reader, messages });
            busy = true;
        }
        let mut dirty = Vec::new();
        self.shards[n].take_dirty(&mut dirty);
        for connection in dirty {
            let mut slices = Vec::new();
            if let Some(output) = self.shards[n].output(connection) {
                output.slices(&mut slices);
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let written = Input::Written {
                connection,
                bytes: bytes.len(),
            };
            self.sent.push((n, connection, bytes));
            self.shards[n].handle(now, written);
            busy = true;
        }
        let mut commands = Vec::new();
        self.shards[n].take_commands(&mut commands);
        assert!(
            commands
                .iter()
                .all(|command| matches!(command, Command::Close(_))),
            "the test connects each Client to its home"
        );
        for to in 0..self.shards.len() {
            let mut messages: Vec<PeerMessage> = Vec::new();
            self.shards[n].take_peer_messages(ShardId::new(to), &mut messages);
            if !messages.is_empty() {
                let messages = &mut messages;
                self.shards[to].handle(now, Input::Peer { from, messages });
                busy = true;
            }
        }
        busy
    }

    /// A message of the log.
    fn message(&self, id: MessageId) -> Option<Message> {
        self.log.iter().find_map(|record| match record {
            Record::Message { message, .. } | Record::Retained { message, .. }
                if message.id() == id =>
            {
                Some(message.clone())
            }
            _ => None,
        })
    }

    fn connect(&mut self, client_id: &str) -> Place {
        let home = self.shards[0].home_of_session(client_id).index();
        let connection = ConnectionId::new(self.next, 0);
        self.next += 1;
        let mut properties = PropertiesBuf::default();
        properties.push(Property::SessionExpiryInterval(1000));
        let connect = Connect {
            version: V5,
            clean_start: false,
            keep_alive: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: properties.as_properties(),
        };
        self.shards[home].handle(self.now, Input::Opened { connection });
        self.say((home, connection), &Packet::Connect(connect));
        (home, connection)
    }

    fn say(&mut self, (shard, connection): Place, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(V5, &mut bytes);
        self.say_bytes((shard, connection), &bytes);
    }

    fn say_bytes(&mut self, (shard, connection): Place, bytes: &[u8]) {
        self.shards[shard].handle(self.now, Input::Received { connection, bytes });
        self.settle();
    }

    /// Subscribes with QoS 2; gives what the connection is sent then, SUBACK first.
    fn subscribe(&mut self, place: Place, filter: &str) -> Vec<String> {
        self.heard(place);
        let filter = TopicFilter::parse(filter).unwrap();
        let options = SubscriptionOptions::from_byte(2).unwrap();
        let mut bytes = Vec::new();
        encode_subscribe(
            V5,
            id(1),
            Properties::EMPTY,
            &[(filter, options)],
            &mut bytes,
        );
        self.say_bytes(place, &bytes);
        let mut heard = self.heard(place);
        assert!(heard.remove(0).starts_with("SubAck"));
        heard
    }

    fn publish(&mut self, place: Place, topic: &str, payload: &str, qos: QoS, packet_id: u16) {
        let publish = Publish {
            dup: false,
            retain: false,
            qos,
            topic,
            packet_id: PacketId::new(packet_id),
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        };
        self.say(place, &Packet::Publish(publish));
    }

    fn lose(&mut self, (shard, connection): Place) {
        self.shards[shard].handle(self.now, Input::Lost { connection });
        self.settle();
    }

    /// What a connection has been sent since this was asked last, in short.
    fn heard(&mut self, (shard, connection): Place) -> Vec<String> {
        let mut bytes = Vec::new();
        self.sent.retain(|(n, id, sent)| {
            let its = (*n, *id) == (shard, connection);
            if its {
                bytes.extend_from_slice(sent);
            }
            !its
        });
        let mut heard = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            heard.push(show(frame));
            rest = &rest[length..];
        }
        heard
    }
}

fn show(frame: Frame<'_>) -> String {
    match Packet::decode(V5, frame).unwrap() {
        Packet::ConnAck(connack) => format!("ConnAck present={}", connack.session_present),
        Packet::Publish(publish) => {
            let payload = String::from_utf8_lossy(publish.payload);
            let (qos, dup) = (publish.qos as u8, if publish.dup { " dup" } else { "" });
            let id = publish.packet_id.map_or(0, PacketId::get);
            format!("Publish {payload} qos={qos} id={id}{dup}")
        }
        Packet::PubAck(ack) => format!("PubAck {}", ack.packet_id.get()),
        Packet::PubRec(ack) => format!("PubRec {}", ack.packet_id.get()),
        Packet::PubRel(ack) => format!("PubRel {}", ack.packet_id.get()),
        Packet::PubComp(ack) => format!("PubComp {}", ack.packet_id.get()),
        other => format!("{other:?}"),
    }
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

fn ack(n: u16) -> (PacketId, ReasonCode, Properties<'static>) {
    (id(n), ReasonCode::Success, Properties::EMPTY)
}

/// Client Identifiers that live on different shards where there are several.
fn names(world: &World) -> (String, String) {
    let home = |name: &str| world.shards[0].home_of_session(name);
    let last = world.shards.len() - 1;
    let on = |shard: usize| {
        let name = (0..)
            .map(|n| format!("c{n}"))
            .find(|name| home(name).index() == shard);
        name.unwrap()
    };
    (
        on(0),
        if last == 0 {
            "other".to_owned()
        } else {
            on(last)
        },
    )
}

#[test]
fn what_was_acknowledged_is_delivered_after_a_crash() {
    for count in [1, 3] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let sub = world.connect(&bob);
        world.subscribe(sub, "a/#");
        world.lose(sub);
        let publisher = world.connect(&alice);
        world.publish(publisher, "a/1", "one", QoS::AtLeastOnce, 1);
        world.publish(publisher, "a/2", "two", QoS::ExactlyOnce, 2);
        assert_eq!(
            world.heard(publisher)[1..],
            ["PubAck 1", "PubRec 2"],
            "{count} shards"
        );
        world.crash();
        let sub = world.connect(&bob);
        let expected = [
            "ConnAck present=true",
            "Publish one qos=1 id=1",
            "Publish two qos=2 id=2",
        ];
        assert_eq!(world.heard(sub), expected, "{count} shards");
        // The publisher's packet identifier is still taken: no second copy.
        let publisher = world.connect(&alice);
        world.publish(publisher, "a/2", "two", QoS::ExactlyOnce, 2);
        assert_eq!(world.heard(publisher), ["ConnAck present=true", "PubRec 2"]);
        let (packet_id, reason, properties) = ack(2);
        world.say(
            publisher,
            &Packet::PubRel(PubRel {
                packet_id,
                reason,
                properties,
            }),
        );
        assert_eq!(world.heard(publisher), ["PubComp 2"]);
        assert_eq!(world.heard(sub), [] as [&str; 0]);
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_stable() {
    for count in [1, 2] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let sub = world.connect(&bob);
        world.subscribe(sub, "a");
        let publisher = world.connect(&alice);
        world.heard(publisher);
        world.stable = false;
        world.publish(publisher, "a", "lost", QoS::AtLeastOnce, 1);
        assert_eq!(world.heard(publisher), [] as [&str; 0], "{count} shards");
        world.crash();
        let sub = world.connect(&bob);
        assert_eq!(world.heard(sub), ["ConnAck present=true"]);
    }
}

#[test]
fn qos_2_to_a_client_goes_on_where_it_was() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a");
    let publisher = world.connect(&alice);
    for n in 1..=3 {
        world.publish(publisher, "a", &format!("m{n}"), QoS::ExactlyOnce, n);
    }
    world.heard(sub);
    // 1 is complete, 2 has been released, 3 has only been sent.
    for n in [1, 2] {
        let (packet_id, reason, properties) = ack(n);
        world.say(
            sub,
            &Packet::PubRec(PubRec {
                packet_id,
                reason,
                properties,
            }),
        );
    }
    let (packet_id, reason, properties) = ack(1);
    world.say(
        sub,
        &Packet::PubComp(PubComp {
            packet_id,
            reason,
            properties,
        }),
    );
    world.crash();
    let sub = world.connect(&bob);
    let expected = [
        "ConnAck present=true",
        "PubRel 2",
        "Publish m3 qos=2 id=3 dup",
    ];
    assert_eq!(world.heard(sub), expected);
    let publisher = world.connect(&alice);
    world.publish(publisher, "a", "m4", QoS::ExactlyOnce, 9);
    assert_eq!(world.heard(sub), ["Publish m4 qos=2 id=4"]);
}

#[test]
fn a_shared_subscription_keeps_what_nobody_has_acknowledged() {
    for count in [1, 3] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let sub = world.connect(&bob);
        world.subscribe(sub, "$share/g/a");
        let publisher = world.connect(&alice);
        world.publish(publisher, "a", "one", QoS::AtLeastOnce, 1);
        assert_eq!(
            world.heard(sub),
            ["Publish one qos=1 id=1"],
            "{count} shards"
        );
        world.publish(publisher, "a", "two", QoS::ExactlyOnce, 2);
        assert_eq!(world.heard(sub), ["Publish two qos=2 id=2"]);
        world.crash();
        let sub = world.connect(&bob);
        let heard = world.heard(sub);
        let expected = [
            "ConnAck present=true",
            "Publish two qos=2 id=2 dup",
            "Publish one qos=1 id=3",
        ];
        assert_eq!(heard, expected, "{count} shards");
    }
}

#[test]
fn retained_messages_and_ended_subscriptions() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "gone");
    world.subscribe(sub, "a");
    let mut bytes = Vec::new();
    let filter = [TopicFilter::parse("gone").unwrap()];
    dunlin_packet::encode_unsubscribe(V5, id(2), Properties::EMPTY, &filter, &mut bytes);
    world.say_bytes(sub, &bytes);
    let publisher = world.connect(&alice);
    for (topic, payload) in [
        ("r/1", "kept"),
        ("r/2", "cleared"),
        ("r/2", ""),
        ("gone", "x"),
    ] {
        let publish = Publish {
            dup: false,
            retain: topic != "gone",
            qos: QoS::AtLeastOnce,
            topic,
            packet_id: PacketId::new(7),
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        };
        world.say(publisher, &Packet::Publish(publish));
    }
    world.crash();
    let sub = world.connect(&bob);
    assert_eq!(world.heard(sub), ["ConnAck present=true"]);
    assert_eq!(world.subscribe(sub, "r/#"), ["Publish kept qos=1 id=1"]);
    let retained: usize = world
        .shards
        .iter()
        .map(|shard| shard.retained().count())
        .sum();
    assert_eq!(retained, 1);
}

#[test]
fn a_resumed_session_is_told_nothing_that_is_not_stable() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a");
    let publisher = world.connect(&alice);
    world.publish(publisher, "a", "m1", QoS::ExactlyOnce, 1);
    assert_eq!(world.heard(sub), ["Publish m1 qos=2 id=1"]);
    world.stable = false;
    let (packet_id, reason, properties) = ack(1);
    world.say(
        sub,
        &Packet::PubRec(PubRec {
            packet_id,
            reason,
            properties,
        }),
    );
    assert_eq!(world.heard(sub), [] as [&str; 0]);
    // PUBREL must not get out on another connection either: the Client would forget the identifier,
    // and take the message for a new one after the crash.
    world.lose(sub);
    let sub = world.connect(&bob);
    assert_eq!(world.heard(sub), [] as [&str; 0]);
    world.crash();
    let sub = world.connect(&bob);
    let expected = ["ConnAck present=true", "Publish m1 qos=2 id=1 dup"];
    assert_eq!(world.heard(sub), expected);
}
