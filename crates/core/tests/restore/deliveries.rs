//! Messages that were accepted, and the steps of QoS 2.

use dunlin_core::DropReason;
use dunlin_packet::QoS;

use crate::world::{World, named, names, pubcomp, pubrec, pubrel};

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
        world.say(publisher, &pubrel(2));
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
        world.unstable.extend(0..count);
        world.publish(publisher, "a", "lost", QoS::AtLeastOnce, 1);
        assert_eq!(world.heard(publisher), [] as [&str; 0], "{count} shards");
        world.crash();
        let sub = world.connect(&bob);
        assert_eq!(world.heard(sub), ["ConnAck present=true"]);
    }
}

/// The shard of the publisher has recorded it; for whom it waits in the others can be found out again.
#[test]
fn one_shard_has_to_record_what_is_acknowledged() {
    let acknowledgements = [
        (QoS::AtLeastOnce, "PubAck 1", "Publish one qos=1 id=1"),
        (QoS::ExactlyOnce, "PubRec 1", "Publish one qos=2 id=1"),
    ];
    for filter in ["a", "$share/group/a"] {
        for (qos, acknowledged, delivered) in acknowledgements {
            let mut world = World::new(3);
            let (alice, bob) = names(&world);
            let sub = world.connect(&bob);
            world.subscribe(sub, filter);
            world.lose(sub);
            let publisher = world.connect(&alice);
            world.heard(publisher);
            world.unstable.extend([1, 2]);
            world.publish(publisher, "a", "one", qos, 1);
            assert_eq!(world.heard(publisher), [acknowledged], "{filter}");
            world.crash();
            let sub = world.connect(&bob);
            let expected = ["ConnAck present=true", delivered];
            assert_eq!(world.heard(sub), expected, "{filter}");
        }
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
        world.say(sub, &pubrec(n));
    }
    world.say(sub, &pubcomp(1));
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
fn retained_messages_and_ended_subscriptions() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "gone");
    world.subscribe(sub, "a");
    world.unsubscribe(sub, "gone");
    let publisher = world.connect(&alice);
    for (topic, payload) in [
        ("r/1", "kept"),
        ("r/2", "cleared"),
        ("r/2", ""),
        ("gone", "x"),
    ] {
        if topic == "gone" {
            world.publish(publisher, topic, payload, QoS::AtLeastOnce, 7);
        } else {
            world.retain(publisher, topic, payload, 7);
        }
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
    world.unstable.insert(0);
    world.say(sub, &pubrec(1));
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

#[test]
fn what_a_full_log_cannot_take_does_not_reach_a_durable_session() {
    for (qos, share) in [
        (QoS::AtLeastOnce, ""),
        (QoS::ExactlyOnce, ""),
        (QoS::AtLeastOnce, "$share/g/"),
        (QoS::ExactlyOnce, "$share/g/"),
    ] {
        let mut world = World::new(2);
        let (alice, bob) = names(&world);
        let group = named(&world, 1, "g/a");
        let topic = group.trim_start_matches("g/");
        let passing = world.connect_for(&named(&world, 1, "passing"), 0, None);
        world.subscribe(passing, topic);
        let publisher = world.connect(&alice);
        let durable = world.connect(&bob);
        world.heard(durable);
        // The publisher's shard has not heard of it when the log becomes full.
        world.hold(1, 0);
        world.ask_to_subscribe(durable, &format!("{share}{topic}"));
        world.fill_log();
        world.publish(publisher, topic, "new", qos, 1);
        let heard = world.heard(passing);
        assert!(heard.contains(&format!("Publish new qos={} id=1", qos as u8)));
        assert_eq!(world.counters().dropped_for(DropReason::LogFull), 1);
        world.release();
        let heard = world.heard(durable);
        assert!(heard.iter().all(|packet| packet.starts_with("SubAck")));
    }
}
