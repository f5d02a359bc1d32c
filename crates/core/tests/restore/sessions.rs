//! Sessions and Wills: their times go on while the broker is not there.

use dunlin_packet::{Packet, Properties, PropertiesBuf, Property, QoS, ReasonCode, Will};

use crate::world::{Place, World, names};

fn will(properties: Properties<'_>) -> Option<Will<'_>> {
    Some(Will {
        topic: "will/alice",
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties,
    })
}

fn delay(seconds: u32) -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    properties.push(Property::WillDelayInterval(seconds));
    properties
}

/// A Client that is there all the time and hears of Wills.
fn heir(world: &mut World) -> Place {
    let (_, bob) = names(world);
    let heir = world.connect(&bob);
    world.subscribe(heir, "will/#");
    heir
}

#[test]
fn a_will_is_published_when_the_broker_was_what_ended_the_connection() {
    for count in [1, 3] {
        let mut world = World::new(count);
        let (alice, bob) = names(&world);
        heir(&mut world);
        world.connect_for(&alice, 100, will(Properties::EMPTY));
        world.crash();
        let heir = world.connect(&bob);
        world.at(2);
        let expected = ["ConnAck present=true", "Publish gone qos=1 id=1"];
        assert_eq!(world.heard(heir), expected, "{count} shards");
        world.crash();
        let heir = world.connect(&bob);
        world.at(3);
        assert_eq!(world.drain(heir), ["gone"], "it was not acknowledged");
        world.crash();
        let heir = world.connect(&bob);
        world.at(4);
        assert_eq!(world.drain(heir), [] as [&str; 0], "it is published once");
    }
}

#[test]
fn the_delay_of_a_will_goes_on_while_the_broker_is_not_there() {
    let mut world = World::new(2);
    let (alice, bob) = names(&world);
    heir(&mut world);
    world.at(1_000);
    let delay = delay(5);
    let client = world.connect_for(&alice, 100, will(delay.as_properties()));
    world.at(2_000);
    world.lose(client);
    world.at(4_000);
    world.crash();
    let heir = world.connect(&bob);
    world.at(6_999);
    assert_eq!(world.drain(heir), [] as [&str; 0]);
    world.at(7_000);
    assert_eq!(world.drain(heir), ["gone"]);
}

#[test]
fn a_client_that_is_back_after_a_crash_has_no_will_of_before() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    heir(&mut world);
    let delay = delay(5);
    world.connect_for(&alice, 100, will(delay.as_properties()));
    world.crash();
    world.connect(&alice);
    world.crash();
    let heir = world.connect(&bob);
    world.at(90_000);
    assert_eq!(world.drain(heir), [] as [&str; 0]);
}

#[test]
fn a_will_that_disconnect_has_removed_stays_away() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    heir(&mut world);
    let client = world.connect_for(&alice, 100, will(Properties::EMPTY));
    let bye = dunlin_packet::Disconnect::new(ReasonCode::Success);
    world.say(client, &Packet::Disconnect(bye));
    world.crash();
    let heir = world.connect(&bob);
    world.at(200_000);
    assert_eq!(world.drain(heir), [] as [&str; 0]);
}

#[test]
fn a_session_expires_as_if_the_broker_had_been_there() {
    for (checkpoint, end) in [
        (false, "ConnAck present=false"),
        (true, "ConnAck present=false"),
    ] {
        for (at, present) in [(10_999, "ConnAck present=true"), (11_000, end)] {
            let mut world = World::new(2);
            let (alice, _) = names(&world);
            let client = world.connect_for(&alice, 10, None);
            world.at(1_000);
            world.lose(client);
            if checkpoint {
                world.at(3_000);
                world.checkpoint();
            }
            world.at(5_000);
            world.crash();
            world.at(at);
            let client = world.connect(&alice);
            assert_eq!(world.heard(client), [present], "at {at}");
        }
    }
}

#[test]
fn a_session_that_was_connected_lives_on_from_the_start() {
    for (at, present) in [(14_999, true), (15_000, false)] {
        let mut world = World::new(1);
        let (alice, _) = names(&world);
        let client = world.connect_for(&alice, 10, None);
        world.at(1_000);
        world.lose(client);
        world.connect_for(&alice, 10, None);
        world.at(5_000);
        world.crash();
        world.at(at);
        let client = world.connect(&alice);
        assert_eq!(world.heard(client), [format!("ConnAck present={present}")]);
    }
}

/// Seed 2653: the Client was told so on a second connection, and the Session was there again.
#[test]
fn that_a_session_has_ended_is_told_when_it_is_stable() {
    let mut world = World::new(1);
    let (alice, _) = names(&world);
    world.connect(&alice);
    world.unstable.insert(0);
    for _ in 0..2 {
        let client = world.connect_for(&alice, 0, None);
        assert_eq!(world.heard(client), [] as [&str; 0]);
    }
}

#[test]
fn a_will_is_kept_although_the_log_is_full_for_what_is_new() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    let away = heir(&mut world);
    world.lose(away);
    let client = world.connect_for(&alice, 100, will(Properties::EMPTY));
    world.fill_log();
    world.lose(client);
    world.crash();
    let heir = world.connect(&bob);
    assert_eq!(world.drain(heir), ["gone"]);
}
