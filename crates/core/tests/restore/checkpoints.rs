//! Checkpoints: what is told anew is all that there is.

use dunlin_packet::{Properties, QoS, Will};

use crate::world::{World, named, names, puback, pubrec};

/// A broker in which there is some of everything; the Clients that have a part in it.
fn busy(count: usize) -> (World, [String; 4]) {
    let mut world = World::new(count);
    let (alice, bob) = names(&world);
    let (carol, dave) = (format!("{alice}-carol"), format!("{bob}-dave"));
    let publisher = world.connect(&alice);
    world.retain(publisher, "kept/1", "old", 1);
    world.retain(publisher, "kept/1", "new", 1);
    world.retain(publisher, "kept/2", "gone", 1);
    world.retain(publisher, "kept/2", "", 1);
    let there = world.connect(&bob);
    world.subscribe(there, "a/#");
    world.subscribe(there, "never");
    world.unsubscribe(there, "never");
    let away = world.connect(&carol);
    world.subscribe(away, "a/+");
    world.lose(away);
    let member = world.connect(&dave);
    world.subscribe(member, "$share/g/a/#");
    for n in 1..=12 {
        let qos = if n % 2 == 0 {
            QoS::ExactlyOnce
        } else {
            QoS::AtLeastOnce
        };
        world.publish(publisher, "a/b", &format!("m{n}"), qos, n);
    }
    // 1 is done, 2 is released, 4 is not; publisher's 2 to 12 are not released.
    world.say(there, &puback(1));
    world.say(there, &pubrec(2));
    world.lose(member);
    let will = Will {
        topic: "a/will",
        payload: b"will",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::EMPTY,
    };
    world.connect_for(&alice, 1000, Some(will));
    (world, [alice, bob, carol, dave])
}

/// All that Clients get after a crash.
fn told_after_crash(mut world: World, clients: &[String; 4], shards: usize) -> Vec<Vec<String>> {
    world.crash_into(shards);
    world.at(10);
    let mut told = Vec::new();
    for client in clients {
        let place = world.connect(client);
        told.push(world.heard(place));
        told.push(world.drain(place));
    }
    let place = world.connect(&clients[0]);
    told.push(world.subscribe(place, "kept/#"));
    world.publish(place, "a/b", "late", QoS::ExactlyOnce, 2);
    told.push(world.heard(place));
    let newcomer = world.connect("newcomer");
    told.push(world.subscribe(newcomer, "never"));
    world.publish(newcomer, "never", "x", QoS::AtLeastOnce, 3);
    told.push(world.heard(newcomer));
    told
}

#[test]
fn a_checkpoint_changes_nothing() {
    for (before, after) in [(1, 1), (3, 3), (2, 3)] {
        let (world, clients) = busy(before);
        let expected = told_after_crash(world, &clients, after);
        assert!(expected.iter().flatten().count() > 40, "{expected:#?}");
        let (mut world, clients) = busy(before);
        world.checkpoint();
        let told = told_after_crash(world, &clients, after);
        assert_eq!(told, expected, "{before}, then {after} shards");
        let (mut world, clients) = busy(before);
        world.checkpoint();
        world.checkpoint();
        let told = told_after_crash(world, &clients, after);
        assert_eq!(told, expected, "twice, {before}, then {after} shards");
    }
}

#[test]
fn a_checkpoint_frees_what_is_done() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a");
    let publisher = world.connect(&alice);
    for n in 1..=200 {
        world.publish(publisher, "a", "x", QoS::AtLeastOnce, n);
        world.drain(sub);
    }
    assert!(world.log.len() > 600);
    world.checkpoint();
    assert!(world.log.len() < 20, "{:#?}", world.log);
}

/// Seed 2400: the older value was told anew, and the newer one had been forgotten.
#[test]
fn a_message_on_its_way_to_be_retained_is_not_forgotten() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    let topic = named(&world, 1, "t/");
    let publisher = world.connect(&alice);
    world.retain(publisher, &topic, "old", 1);
    world.hold(0, 1);
    world.retain(publisher, &topic, "new", 2);
    world.begin_checkpoint();
    assert!(!world.end_checkpoint(), "it waits for the other shard");
    world.release();
    assert!(world.end_checkpoint());
    world.crash();
    let newcomer = world.connect(&bob);
    assert_eq!(
        world.subscribe(newcomer, &topic),
        ["Publish new qos=1 id=1"]
    );
}

#[test]
fn a_crash_in_the_middle_of_a_checkpoint_costs_nothing() {
    let (world, clients) = busy(2);
    let expected = told_after_crash(world, &clients, 2);
    let (mut world, clients) = busy(2);
    world.hold(1, 0);
    world.begin_checkpoint();
    assert!(!world.end_checkpoint());
    assert_eq!(told_after_crash(world, &clients, 2), expected);
}
