//! Shared Subscriptions: each message of QoS 2 goes to one member, whoever is not there any more.

use dunlin_packet::QoS;

use crate::world::{World, named, names, puback};

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

/// Seed 243: a checkpoint forgot it, and another member got the message after a crash.
#[test]
fn what_a_member_that_is_not_durable_was_sent_goes_to_nobody_else() {
    for count in [1, 2] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let group = format!("$share/{}", named(&world, count - 1, "g/a"));
        let topic = group.trim_start_matches("$share/g/").to_owned();
        let durable = world.connect(&bob);
        world.subscribe(durable, &group);
        world.lose(durable);
        let passing = world.connect_for(&format!("{alice}0"), 0, None);
        world.subscribe(passing, &group);
        world.publish(passing, &topic, "once", QoS::ExactlyOnce, 1);
        assert!(
            world
                .heard(passing)
                .contains(&"Publish once qos=2 id=1".to_owned())
        );
        world.checkpoint();
        world.crash();
        let durable = world.connect(&bob);
        assert_eq!(
            world.heard(durable),
            ["ConnAck present=true"],
            "{count} shards"
        );
    }
}

/// Seed 2306: the home of the group had not heard that it was the Session's own now.
#[test]
fn what_a_member_keeps_when_it_leaves_is_in_the_group_no_more() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let group = format!("$share/{}", named(&world, 1, "g/a"));
    let topic = group.trim_start_matches("$share/g/").to_owned();
    let member = world.connect(&alice);
    world.subscribe(member, &group);
    let publisher = world.connect(&bob);
    // All are handed out, and the quota lets 64 be sent.
    for n in 1..=64 {
        world.publish(publisher, &topic, &format!("m{n}"), QoS::AtLeastOnce, n);
    }
    assert_eq!(world.heard(member).len(), 64);
    world.hold(0, 1);
    world.unsubscribe(member, &group);
    world.ask_to_subscribe(member, &group);
    world.crash();
    let member = world.connect(&alice);
    let payloads = world.drain(member);
    let expected: Vec<_> = (1..=64).map(|n| format!("m{n}")).collect();
    assert_eq!(payloads, expected);
}

#[test]
fn a_group_without_members_there_is_read_back_in_order() {
    for count in [1, 3] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let member = world.connect(&bob);
        world.subscribe(member, "$share/g/a");
        world.lose(member);
        let publisher = world.connect(&alice);
        let mut expected = Vec::new();
        for n in 1..=300 {
            expected.push(format!("m{n}"));
            world.publish_nth(publisher, "a", &format!("m{n}"), n);
        }
        world.checkpoint();
        world.crash();
        let member = world.connect(&bob);
        assert_eq!(world.drain(member), expected, "{count} shards");
        assert_eq!(world.counters().waiting(), 0);
        world.crash();
        let member = world.connect(&bob);
        assert_eq!(world.drain(member), [] as [&str; 0], "it is all done");
    }
}

/// Seed 3218: the message was in the log for somebody else, and gone when he had it.
#[test]
fn what_a_group_has_when_it_becomes_durable_is_there_after_a_crash() {
    for count in [1, 2] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let passing = world.connect_for(&format!("{alice}0"), 0, None);
        world.subscribe(passing, "$share/g/a");
        let other = world.connect(&alice);
        world.subscribe(other, "a");
        world.publish(passing, "a", "one", QoS::AtLeastOnce, 1);
        world.say(other, &puback(1));
        world.checkpoint();
        let member = world.connect(&bob);
        world.subscribe(member, "$share/g/a");
        world.crash();
        let member = world.connect(&bob);
        let expected = ["ConnAck present=true", "Publish one qos=1 id=1"];
        assert_eq!(world.heard(member), expected, "{count} shards");
    }
}
