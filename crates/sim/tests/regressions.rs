//! What seeds have found in the core, each as the shortest story that shows it.

mod scene;

use dunlin_core::{DropReason, Limits};
use dunlin_packet::{Disconnect, Packet, Property, PubAck, Publish, QoS, ReasonCode};
use scene::{Scene, id, publish};

const QOS1: QoS = QoS::AtLeastOnce;

/// Seed 57: it was neither delivered nor counted any more.
#[test]
fn what_a_member_was_sent_before_it_left_a_group_is_sent_again() {
    let mut scene = Scene::new(1, Limits::default());
    scene.connect("member", &[]);
    scene.subscribe("member", 1, "$share/g/a", QOS1);
    scene.subscribe("member", 2, "$share/g/b", QOS1);
    scene.connect("publisher", &[]);
    scene.send("publisher", &[Packet::Publish(publish(1, "a", QOS1, b"x"))]);
    scene.unsubscribe("member", 3, "$share/g/a");
    scene.lose("member");
    scene.received("member");
    scene.connect("member", &[]);
    assert_eq!(
        scene.received("member"),
        ["CONNACK true", "PUBLISH 1 again, 9 bytes"]
    );
    assert_eq!(scene.counters().waiting(), 1);
}

/// Seed 32: the group heard of the end of the connection first, and gave the message to another.
#[test]
fn what_was_acknowledged_just_before_the_end_goes_to_nobody_else() {
    let mut scene = Scene::new(1, Limits::default());
    for member in ["one", "other"] {
        scene.connect(member, &[]);
        scene.subscribe(member, 1, "$share/g/a", QOS1);
    }
    scene.connect("publisher", &[]);
    scene.send("publisher", &[Packet::Publish(publish(1, "a", QOS1, b"x"))]);
    assert_eq!(
        scene.received("one").last().map(String::as_str),
        Some("PUBLISH 1, 9 bytes")
    );
    scene.received("other");
    let bye = Disconnect::new(ReasonCode::NormalDisconnection);
    let puback = PubAck::new(id(1), ReasonCode::Success);
    scene.send("one", &[Packet::PubAck(puback), Packet::Disconnect(bye)]);
    assert!(scene.received("other").is_empty());
    assert_eq!(scene.counters().waiting(), 0);
}

/// Seed 72: the alias took more bytes than the Topic Name.
#[test]
fn an_alias_makes_no_packet_too_large() {
    let mut scene = Scene::new(1, Limits::default());
    let limits = [
        Property::TopicAliasMaximum(5),
        Property::MaximumPacketSize(36),
    ];
    scene.connect("subscriber", &limits);
    scene.subscribe("subscriber", 1, "b", QoS::AtMostOnce);
    scene.connect("publisher", &[]);
    scene.received("subscriber");
    for payload in [&[0; 10][..], &[0; 30]] {
        let message = publish(0, "b", QoS::AtMostOnce, payload);
        scene.send("publisher", &[Packet::Publish(message)]);
    }
    let received = scene.received("subscriber");
    assert_eq!(received, ["PUBLISH 0, 16 bytes", "PUBLISH 0, 36 bytes"]);
}

/// Seed 361: each of two shards waited for the other's confirmation before it gave its own.
#[test]
fn shards_that_join_each_others_groups_do_not_wait_for_ever() {
    let mut scene = Scene::new(2, Limits::default());
    let clients: Vec<_> = (0..2)
        .map(|shard| scene.at_home_in(shard, |n| format!("c{n}")))
        .collect();
    for (shard, client) in clients.iter().enumerate() {
        scene.connect(client, &[]);
        let group = scene.at_home_in(1 - shard, |n| format!("g{n}/a"));
        scene.subscribe(client, 1, &format!("$share/{group}"), QOS1);
    }
    scene.settle();
    for client in &clients {
        assert_eq!(scene.received(client), ["CONNACK false", "SUBACK 1"]);
    }
}

/// Seed 911, durable: messages went to nobody after the SUBACK of a further member.
#[test]
fn a_further_member_waits_too_until_all_shards_know_of_its_group() {
    let mut scene = Scene::new(4, Limits::default());
    let group = scene.at_home_in(1, |n| format!("g{n}/a"));
    let publisher = scene.at_home_in(0, |n| format!("p{n}"));
    let members = [2, 3].map(|shard| scene.at_home_in(shard, |n| format!("m{n}")));
    scene.connect(&publisher, &[]);
    for member in &members {
        scene.connect(member, &[]);
        scene.received(member);
    }
    scene.hold(1, 0);
    for member in &members {
        scene.subscribe(member, 1, &format!("$share/{group}"), QOS1);
        scene.settle();
        assert!(scene.received(member).is_empty(), "{member}");
    }
    scene.release();
    for member in &members {
        assert_eq!(scene.received(member), ["SUBACK 1"], "{member}");
    }
}

/// Seed 104: it was delivered and then refused, and once more when it was sent again.
#[test]
fn what_is_refused_for_lack_of_room_has_reached_nobody() {
    let limits = Limits {
        retained_messages: 1,
        ..Limits::default()
    };
    let mut scene = Scene::new(1, limits);
    scene.connect("subscriber", &[]);
    scene.subscribe("subscriber", 1, "second", QOS1);
    scene.connect("publisher", &[]);
    scene.received("subscriber");
    scene.received("publisher");
    for (packet_id, topic) in [(1, "first"), (2, "second")] {
        let mut message = publish(packet_id, topic, QoS::ExactlyOnce, b"x");
        message.retain = true;
        scene.send("publisher", &[Packet::Publish(message)]);
    }
    let answers = [
        "PUBREC 1 No matching subscribers",
        "PUBREC 2 Quota exceeded",
    ];
    assert_eq!(scene.received("publisher"), answers);
    assert!(scene.received("subscriber").is_empty());
}

/// It was passed on for somebody, and nobody was left; it was in no counter.
#[test]
fn what_crosses_while_the_last_subscription_ends_is_counted() {
    let mut scene = Scene::new(2, Limits::default());
    let [publisher, subscriber] =
        [(0, "p"), (1, "s")].map(|(shard, name)| scene.at_home_in(shard, |n| format!("{name}{n}")));
    for client in [&publisher, &subscriber] {
        scene.connect(client, &[]);
    }
    scene.subscribe(&subscriber, 1, "a", QOS1);
    scene.settle();
    scene.hold(0, 1);
    scene.send(&publisher, &[Packet::Publish(publish(1, "a", QOS1, b"x"))]);
    scene.unsubscribe(&subscriber, 2, "a");
    scene.release();
    let counters = scene.counters();
    assert_eq!(counters.dropped_for(DropReason::Unsubscribed), 1);
    assert_eq!(
        (counters.accepted, counters.due, counters.no_subscriber),
        (1, 1, 0)
    );
    assert_eq!(counters.waiting(), 0);
}

/// Seed 803: who had subscribed meanwhile got the old value, or an old subscriber got it last.
#[test]
fn whoever_subscribes_while_a_message_is_on_its_way_to_be_retained_ends_with_it() {
    let mut scene = Scene::new(3, Limits::default());
    let topic = scene.at_home_in(1, |n| format!("t{n}"));
    let publisher = scene.at_home_in(0, |n| format!("p{n}"));
    let [old, new] = ["old", "new"].map(|name| scene.at_home_in(2, |n| format!("{name}{n}")));
    for client in [&publisher, &old, &new] {
        scene.connect(client, &[]);
    }
    scene.subscribe(&old, 1, "#", QOS1);
    scene.settle();
    let retained = |packet_id, payload| Publish {
        retain: true,
        ..publish(packet_id, &topic, QOS1, payload)
    };
    scene.send(&publisher, &[Packet::Publish(retained(1, b"1"))]);
    scene.hold(0, 1);
    scene.send(&publisher, &[Packet::Publish(retained(2, b"2nd"))]);
    assert_eq!(
        scene.received(&old)[2..],
        ["PUBLISH 1, 10 bytes", "PUBLISH 2, 12 bytes"]
    );
    scene.received(&new);
    for client in [&old, &new] {
        scene.subscribe(client, 2, &topic, QOS1);
        scene.settle();
        assert_eq!(
            scene.received(client),
            ["SUBACK 2"],
            "nobody is kept waiting"
        );
    }
    scene.release();
    assert_eq!(scene.received(&old), ["PUBLISH 3, 12 bytes"]);
    assert_eq!(scene.received(&new), ["PUBLISH 1, 12 bytes"]);
}
