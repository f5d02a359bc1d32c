//! Expiry: what has expired while it waited takes no room, in the queue or on disk.

use dunlin_core::Record;
use dunlin_packet::{Packet, PropertiesBuf, Property, Publish, QoS};

use crate::world::{Place, World, id, names};

/// Publishes a message of QoS 1 that expires after five seconds.
fn publish(world: &mut World, place: Place, topic: &str, payload: &str, n: u16) {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(5));
    let publish = Publish {
        dup: false,
        retain: false,
        qos: QoS::AtLeastOnce,
        topic,
        packet_id: Some(id(n)),
        properties: properties.as_properties(),
        payload: payload.as_bytes(),
    };
    world.say(place, &Packet::Publish(publish));
}

/// Two Clients: one that publishes, and one that is away and has subscribed.
fn one_is_away(world: &mut World) -> (Place, String) {
    let (alice, bob) = names(world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a");
    world.lose(sub);
    (world.connect(&alice), bob)
}

/// How many records of the log say that a message waits for somebody.
fn names_of_messages(world: &World) -> usize {
    let names = world.log.iter().filter_map(Record::refers_to);
    names.count()
}

#[test]
fn what_expires_while_it_waits_is_gone_from_queue_and_log() {
    for count in [1, 2] {
        let mut world = World::new(count);
        let (publisher, bob) = one_is_away(&mut world);
        for n in 1..=3 {
            publish(&mut world, publisher, "a", "old", n);
        }
        world.publish(publisher, "a", "kept", QoS::AtLeastOnce, 4);
        let before = world.waiting_bytes();
        world.at(20_000);
        assert_eq!(world.counters().expired, 3, "{count} shards");
        assert_eq!(world.waiting_bytes(), before / 4);
        world.checkpoint();
        assert_eq!(names_of_messages(&world), 1);
        world.crash();
        assert_eq!(world.counters().due, 1);
        let sub = world.connect(&bob);
        let expected = ["ConnAck present=true", "Publish kept qos=1 id=1"];
        assert_eq!(world.heard(sub), expected);
    }
}

#[test]
fn what_expires_in_a_shared_subscription_is_gone_from_queue_and_log() {
    for (count, crashes) in [(1, false), (2, false), (1, true), (2, true)] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        let member = world.connect(&bob);
        world.subscribe(member, "$share/g/a");
        world.lose(member);
        let mut publisher = world.connect(&alice);
        for n in 1..=3 {
            publish(&mut world, publisher, "a", "old", n);
        }
        if crashes {
            world.crash();
            publisher = world.connect(&alice);
        }
        world.publish(publisher, "a", "kept", QoS::AtLeastOnce, 4);
        world.at(20_000);
        assert_eq!(world.counters().expired, 3, "{count} shards");
        world.checkpoint();
        assert_eq!(names_of_messages(&world), 1);
        let member = world.connect(&bob);
        let expected = ["ConnAck present=true", "Publish kept qos=1 id=1"];
        assert_eq!(world.heard(member), expected);
    }
}

#[test]
fn what_waits_since_before_a_crash_expires_by_itself() {
    for is_told_anew in [false, true] {
        let mut world = World::new(1);
        let (publisher, _) = one_is_away(&mut world);
        for n in 1..=3 {
            publish(&mut world, publisher, "a", "old", n);
        }
        if is_told_anew {
            world.checkpoint();
        }
        world.crash();
        assert_ne!(world.waiting_bytes(), 0);
        world.at(20_000);
        assert_eq!(world.counters().expired, 3);
        assert_eq!(world.waiting_bytes(), 0);
    }
}

#[test]
fn what_has_expired_makes_room_in_a_full_queue() {
    const ROOM: u16 = 10_000;
    let mut world = World::new(1);
    let (publisher, bob) = one_is_away(&mut world);
    for n in 1..=ROOM {
        publish(&mut world, publisher, "a", "old", n);
    }
    world.publish(publisher, "a", "one too many", QoS::AtLeastOnce, 1);
    assert_eq!(world.counters().dropped.iter().sum::<u64>(), 1);
    // Nothing has looked through the queue yet.
    world.at(6_500);
    assert_eq!(world.counters().expired, 0);
    world.publish(publisher, "a", "new", QoS::AtLeastOnce, 1);
    assert_eq!(world.counters().expired, u64::from(ROOM));
    let sub = world.connect(&bob);
    let expected = ["ConnAck present=true", "Publish new qos=1 id=1"];
    assert_eq!(world.heard(sub), expected);
}
