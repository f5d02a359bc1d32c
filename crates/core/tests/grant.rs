//! Grants: what a Client may do, how long, and what becomes of it when the rules change.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::sync::{Arc, Mutex};

use dunlin_core::{
    Access, Action, Command, ConnectionId, Decision, Grant, Input, Policy, Review, Shard,
    ShardConfig, ShardId, Timestamp,
};
use dunlin_packet::{
    Connect, Framing, Packet, Properties, ProtocolVersion, Publish, QoS, ReasonCode,
    SubscriptionOptions, TopicFilter, Will, encode_subscribe, split_frame,
};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// What is forbidden: an action, and the first level of its topics.
type Rules = Arc<Mutex<Vec<(Action, &'static str)>>>;

/// What a Client was forbidden when it connected.
#[derive(Debug)]
struct Forbidden(Vec<(Action, &'static str)>);

impl Access for Forbidden {
    fn allows(&self, action: Action, topic: &str) -> bool {
        let first = topic.split('/').next().unwrap();
        !self.0.contains(&(action, first))
    }
}

/// Lets everybody in but "late", of whom it hears later, and "brief", who may stay ten seconds.
struct TestPolicy(Rules);

impl TestPolicy {
    fn grant(&self, client_id: &str) -> Grant {
        let brief = client_id == "brief";
        let until = if brief {
            Timestamp::from_millis(10_000)
        } else {
            Timestamp::NEVER
        };
        Grant {
            user_name: Some(client_id.into()),
            mount_point: None,
            access: Some(Arc::new(Forbidden(self.0.lock().unwrap().clone()))),
            expires_at: until,
            source: 1,
        }
    }
}

impl Policy for TestPolicy {
    fn connect(&mut self, _: ConnectionId, connect: &Connect<'_>) -> Decision {
        match connect.client_id {
            "late" => Decision::Pending,
            client_id => Decision::accept(self.grant(client_id)),
        }
    }

    fn authenticate(&mut self, _: ConnectionId, _: &str, _: &[u8]) -> Decision {
        Decision::refuse(ReasonCode::BadAuthenticationMethod)
    }

    fn review(&mut self, client_id: &str, _: &Grant) -> Review {
        match client_id {
            "removed" => Review::End,
            client_id => Review::Replace(self.grant(client_id)),
        }
    }
}

struct World {
    shard: Shard,
    now: Timestamp,
    rules: Rules,
    commands: Vec<Command>,
}

fn name(n: usize) -> ConnectionId {
    ConnectionId::new(n as u32, 0)
}

impl World {
    fn new(rules: &[(Action, &'static str)]) -> Self {
        let rules: Rules = Arc::new(Mutex::new(rules.to_vec()));
        let policy = Box::new(TestPolicy(rules.clone()));
        World {
            shard: Shard::new(ShardConfig::new(ShardId::new(0), 1, 1), policy),
            now: Timestamp::from_millis(1),
            rules,
            commands: Vec::new(),
        }
    }

    fn open(&mut self, n: usize, client_id: &str, will: Option<Will<'_>>) -> Vec<String> {
        let connection = name(n);
        self.shard.handle(self.now, Input::Opened { connection });
        self.say(n, &connect(client_id, will))
    }

    fn say(&mut self, n: usize, packet: &Packet<'_>) -> Vec<String> {
        let mut bytes = Vec::new();
        packet.encode(V5, &mut bytes);
        self.say_bytes(n, &bytes)
    }

    fn say_bytes(&mut self, n: usize, bytes: &[u8]) -> Vec<String> {
        let connection = name(n);
        let input = Input::Received { connection, bytes };
        self.shard.handle(self.now, input);
        self.hear(n)
    }

    /// What was written to one connection since it was last asked for, in short.
    fn hear(&mut self, n: usize) -> Vec<String> {
        let connection = name(n);
        let mut bytes: Vec<u8> = Vec::new();
        if let Some(output) = self.shard.output(connection) {
            let mut slices = Vec::new();
            output.slices(&mut slices);
            bytes.extend(slices.iter().flat_map(|slice| slice.iter()));
        }
        let count = bytes.len();
        let written = Input::Written {
            connection,
            bytes: count,
        };
        self.shard.handle(self.now, written);
        let mut commands = Vec::new();
        self.shard.take_commands(&mut commands);
        self.commands.append(&mut commands);
        let mut heard = Vec::new();
        let mut rest = &bytes[..];
        while let Ok(Framing::Complete { frame, length }) = split_frame(rest, u32::MAX) {
            heard.push(show(&Packet::decode(V5, frame).unwrap()));
            rest = &rest[length..];
        }
        heard
    }

    fn change(&mut self, rules: &[(Action, &'static str)]) {
        *self.rules.lock().unwrap() = rules.to_vec();
        self.shard.handle(self.now, Input::PolicyChanged);
    }

    fn subscribe(&mut self, n: usize, filter: &str) -> Vec<String> {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        let entries = [(TopicFilter::parse(filter).unwrap(), options)];
        let mut bytes = Vec::new();
        let id = dunlin_packet::PacketId::new(1).unwrap();
        encode_subscribe(V5, id, Properties::EMPTY, &entries, &mut bytes);
        self.say_bytes(n, &bytes)
    }

    fn publish(&mut self, n: usize, topic: &str, retain: bool) -> Vec<String> {
        self.say(n, &publish(topic, retain))
    }
}

fn connect<'a>(client_id: &'a str, will: Option<Will<'a>>) -> Packet<'a> {
    Packet::Connect(Connect {
        version: V5,
        clean_start: true,
        keep_alive: 0,
        client_id,
        will,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    })
}

fn publish(topic: &str, retain: bool) -> Packet<'_> {
    Packet::Publish(Publish {
        dup: false,
        retain,
        qos: QoS::AtLeastOnce,
        topic,
        packet_id: dunlin_packet::PacketId::new(1),
        properties: Properties::EMPTY,
        payload: b"x",
    })
}

fn show(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(connack) => format!("CONNACK {:#04x}", connack.reason as u8),
        Packet::PubAck(puback) => format!("PUBACK {:#04x}", puback.reason as u8),
        Packet::SubAck(suback) => format!("SUBACK {:#04x}", suback.reasons[0]),
        Packet::Disconnect(end) => format!("DISCONNECT {:#04x}", end.reason as u8),
        Packet::Publish(publish) => format!("PUBLISH {}", publish.topic),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_a_client_may_not_publish_nobody_gets() {
    let mut world = World::new(&[(Action::Publish, "secret")]);
    world.open(0, "alice", None);
    world.open(1, "bob", None);
    world.subscribe(1, "#");
    assert_eq!(world.publish(0, "secret/a", false), ["PUBACK 0x87"]);
    assert_eq!(world.publish(0, "open/a", false), ["PUBACK 0x00"]);
    assert_eq!(world.hear(1), ["PUBLISH open/a"]);
    assert_eq!(world.shard.counters().refused, 1);
}

#[test]
fn nobody_publishes_in_the_brokers_name() {
    let mut world = World::new(&[]);
    world.open(0, "alice", None);
    assert_eq!(
        world.publish(0, "$SYS/broker/uptime", false),
        ["PUBACK 0x87"]
    );
    assert_eq!(world.publish(0, "$share/group/a", false), ["PUBACK 0x87"]);
}

#[test]
fn a_subscription_is_judged_by_its_filter_shared_or_not() {
    let mut world = World::new(&[(Action::Subscribe, "secret")]);
    world.open(0, "alice", None);
    assert_eq!(world.subscribe(0, "secret/#"), ["SUBACK 0x87"]);
    assert_eq!(world.subscribe(0, "$share/g/secret/#"), ["SUBACK 0x87"]);
    assert_eq!(world.subscribe(0, "$share/secret/open/#"), ["SUBACK 0x01"]);
    assert_eq!(world.subscribe(0, "open/#"), ["SUBACK 0x01"]);
}

#[test]
fn every_way_of_a_message_is_watched() {
    let mut world = World::new(&[(Action::Receive, "secret")]);
    world.open(0, "alice", None);
    world.publish(0, "secret/kept", true);
    world.publish(0, "open/kept", true);
    world.open(1, "bob", None);
    assert_eq!(
        world.subscribe(1, "#"),
        ["SUBACK 0x01", "PUBLISH open/kept"]
    );
    world.publish(0, "secret/new", false);
    world.publish(0, "open/new", false);
    assert_eq!(world.hear(1), ["PUBLISH open/new"]);
    world.open(2, "carol", None);
    assert_eq!(world.subscribe(2, "$share/g/secret/+"), ["SUBACK 0x01"]);
    world.publish(0, "secret/shared", false);
    assert_eq!(world.hear(2), [""; 0]);
    let dropped = world.shard.counters();
    let reason = dunlin_core::DropReason::NotAuthorized;
    assert_eq!(
        dropped.dropped_for(reason),
        4,
        "bob: kept, new, shared; carol: shared"
    );
}

#[test]
fn a_will_is_a_publication_like_any_other() {
    let will = |topic| Will {
        topic,
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::EMPTY,
    };
    let mut world = World::new(&[(Action::Publish, "secret")]);
    world.open(0, "watcher", None);
    world.subscribe(0, "#");
    for (n, topic) in [(1, "secret/will"), (2, "open/will")] {
        world.open(n, topic, Some(will(topic)));
        let connection = name(n);
        world.shard.handle(world.now, Input::Lost { connection });
    }
    assert_eq!(world.hear(0), ["PUBLISH open/will"]);
}

#[test]
fn new_rules_hold_for_what_is_there() {
    let mut world = World::new(&[]);
    world.open(0, "alice", None);
    world.open(1, "bob", None);
    for filter in ["a/#", "$share/g/a/+", "b/#", "#"] {
        world.subscribe(1, filter);
    }
    world.change(&[(Action::Subscribe, "a"), (Action::Receive, "b")]);
    assert_eq!(world.shard.gauges().subscriptions, 2, "b/# and #");
    world.publish(0, "a/1", false);
    world.publish(0, "b/1", false);
    assert_eq!(world.hear(1), ["PUBLISH a/1"], "by way of #");
    world.change(&[]);
    world.publish(0, "b/2", false);
    assert_eq!(world.hear(1), ["PUBLISH b/2"]);
}

#[test]
fn what_waits_is_taken_back_when_it_is_forbidden() {
    let mut world = World::new(&[]);
    world.open(0, "alice", None);
    world.open(1, "bob", None);
    world.subscribe(1, "#");
    // 256 are in flight to bob, who acknowledges nothing; the others wait.
    for _ in 0..260 {
        world.publish(0, "a/1", false);
    }
    assert_eq!(world.shard.counters().waiting(), 260);
    world.change(&[(Action::Receive, "a")]);
    assert_eq!(world.shard.counters().waiting(), 0);
}

#[test]
fn who_is_known_no_more_is_disconnected() {
    let mut world = World::new(&[]);
    world.open(0, "removed", None);
    world.open(1, "alice", None);
    world.change(&[]);
    assert_eq!(world.hear(0), ["DISCONNECT 0x87"]);
    assert_eq!(world.hear(1), [""; 0]);
}

#[test]
fn a_connection_ends_with_its_grant() {
    let mut world = World::new(&[]);
    world.open(0, "brief", None);
    world.now = Timestamp::from_millis(9_999);
    world.shard.handle(world.now, Input::Due);
    assert_eq!(world.hear(0), [""; 0]);
    world.now = Timestamp::from_millis(10_000);
    world.shard.handle(world.now, Input::Due);
    assert_eq!(world.hear(0), ["DISCONNECT 0xa0"]);
}

#[test]
fn while_a_decision_is_awaited_everything_waits() {
    let mut world = World::new(&[]);
    assert_eq!(world.open(0, "late", None), [""; 0]);
    assert_eq!(world.commands, [Command::Pause(name(0))]);
    assert_eq!(
        world.publish(0, "a", false),
        [""; 0],
        "sent without waiting for CONNACK"
    );
    assert_eq!(world.say(0, &Packet::PingReq), [""; 0]);
    let decision = Decision::accept(Grant::default());
    let connection = name(0);
    world.shard.handle(
        world.now,
        Input::Decided {
            connection,
            decision,
        },
    );
    assert_eq!(world.hear(0), ["CONNACK 0x00", "PUBACK 0x10", "PingResp"]);
    assert_eq!(world.commands[1..], [Command::Resume(name(0))]);
}

#[test]
fn a_pending_decision_may_be_no_or_come_too_late() {
    let refused = || Decision::refuse(ReasonCode::BadUserNameOrPassword);
    let connection = name(0);
    let mut world = World::new(&[]);
    world.open(0, "late", None);
    let decision = refused();
    world.shard.handle(
        world.now,
        Input::Decided {
            connection,
            decision,
        },
    );
    assert_eq!(world.hear(0), ["CONNACK 0x86"]);

    let mut world = World::new(&[]);
    world.open(0, "late", None);
    world.now = world.now.after_seconds(11);
    world.shard.handle(world.now, Input::Due);
    world.hear(0);
    assert_eq!(world.commands[1..], [Command::Close(name(0))]);
    let decision = refused();
    world.shard.handle(
        world.now,
        Input::Decided {
            connection,
            decision,
        },
    );
    assert_eq!(world.shard.counters().connects_refused, 0);

    let mut world = World::new(&[]);
    world.open(0, "late", None);
    world.shard.handle(world.now, Input::Lost { connection });
    let decision = Decision::accept(Grant::default());
    world.shard.handle(
        world.now,
        Input::Decided {
            connection,
            decision,
        },
    );
    assert_eq!(world.shard.gauges().sessions, 0);
}
