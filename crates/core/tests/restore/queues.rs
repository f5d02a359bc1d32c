//! Queues: what waits for a Session that is not there lies in the log, and is read back.

use dunlin_core::{DropReason, Record};
use dunlin_packet::QoS;

use crate::world::{World, names, puback, pubrec};

/// A Session without connection for which messages wait, with QoS 1 and 2 by turns.
fn with_waiting(count: usize, messages: u16, payload: usize) -> (World, String, Vec<String>) {
    let mut world = World::new(count);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a/#");
    world.lose(sub);
    let publisher = world.connect(&alice);
    let mut expected = Vec::new();
    for n in 1..=messages {
        let text = format!("{n:0payload$}");
        world.publish_nth(publisher, "a/b", &text, n);
        expected.push(text);
    }
    (world, bob, expected)
}

#[test]
fn what_waits_is_read_back_in_order() {
    for count in [1, 2] {
        let (mut world, bob, expected) = with_waiting(count, 500, 4);
        let sub = world.connect(&bob);
        assert_eq!(world.drain(sub), expected, "{count} shards");
        let counters = world.counters();
        assert_eq!((counters.waiting(), counters.dropped.iter().sum()), (0, 0));
        assert_eq!(world.waiting_bytes(), 0);
    }
}

#[test]
fn what_waits_is_read_back_in_order_after_a_crash() {
    let (mut world, bob, expected) = with_waiting(2, 300, 4);
    world.crash_into(3);
    let sub = world.connect(&bob);
    let mut heard = world.drain(sub);
    world.lose(sub);
    let sub = world.connect(&bob);
    heard.extend(world.drain(sub));
    assert_eq!(heard, expected);
}

#[test]
fn a_crash_while_the_queue_is_drained_repeats_only_qos_1() {
    let (mut world, bob, expected) = with_waiting(1, 400, 4);
    let sub = world.connect(&bob);
    let sent = world.heard(sub).len() - 1;
    assert!(sent < expected.len(), "the quota leaves some waiting");
    world.crash();
    let sub = world.connect(&bob);
    let heard = world.drain(sub);
    let mut all = heard.clone();
    all.sort();
    assert_eq!(all, expected, "each once: none had been acknowledged");
    let of_qos = |odd: usize| {
        heard
            .iter()
            .filter(move |it| it.parse::<usize>().unwrap() % 2 == odd)
    };
    assert!(of_qos(0).is_sorted() && of_qos(1).is_sorted(), "{heard:?}");
}

#[test]
fn a_queue_without_connection_takes_little_memory() {
    let (mut world, bob, expected) = with_waiting(1, 5000, 200);
    let each = world.waiting_bytes() / expected.len();
    assert!(each <= 48, "{each} bytes for each message");
    world.crash();
    assert_eq!(world.waiting_bytes() / expected.len(), each);
    // Neither when its Client has come and gone in the middle of it.
    let sub = world.connect(&bob);
    world.lose(sub);
    assert!(world.waiting_bytes() / expected.len() <= each);
}

/// Seed 2839: what came too late for its Client stayed in memory.
#[test]
fn what_is_read_when_its_client_has_gone_is_parked_again() {
    let (mut world, bob, expected) = with_waiting(1, 50, 2000);
    let before = world.waiting_bytes();
    world.reading = false;
    let sub = world.connect(&bob);
    world.lose(sub);
    assert!(
        world.waiting_bytes() <= before,
        "no room is kept for it either"
    );
    world.reading = true;
    world.settle();
    assert!(world.waiting_bytes() <= before);
    let sub = world.connect(&bob);
    assert_eq!(world.drain(sub), expected);
}

#[test]
fn a_message_that_cannot_be_read_is_dropped_and_counted() {
    let (mut world, bob, mut expected) = with_waiting(1, 100, 4);
    let lost = world.log.iter().filter_map(Record::key).nth(41).unwrap();
    world.damaged.insert(lost);
    expected.remove(41);
    let sub = world.connect(&bob);
    assert_eq!(world.drain(sub), expected);
    assert_eq!(world.counters().dropped_for(DropReason::Unreadable), 1);
    assert_eq!(world.counters().waiting(), 0);
    // And not looked for again.
    world.crash();
    let sub = world.connect(&bob);
    world.drain(sub);
    assert_eq!(world.counters().dropped_for(DropReason::Unreadable), 0);
}

/// Seed 40128: what the log said of the one was taken for the other.
#[test]
fn the_same_message_may_wait_twice() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    for filter in ["a", "b", "$share/g/a"] {
        world.subscribe(sub, filter);
    }
    let publisher = world.connect(&alice);
    // So many that the next has to wait.
    for n in 1..=256 {
        world.publish(publisher, "b", "before", QoS::AtLeastOnce, n);
    }
    world.publish(publisher, "a", "twice", QoS::ExactlyOnce, 257);
    world.unsubscribe(sub, "$share/g/a");
    world.heard(sub);
    world.say(sub, &puback(1));
    assert_eq!(world.heard(sub), ["Publish twice qos=2 id=257"]);
    world.say(sub, &pubrec(257));
    world.crash();
    let sub = world.connect(&bob);
    let again = world.drain(sub);
    assert_eq!(
        again.iter().filter(|it| *it == "twice").count(),
        1,
        "{again:?}"
    );
}

#[test]
fn no_message_gets_the_name_of_one_that_is_lost() {
    let mut world = World::new(1);
    let (alice, bob) = names(&world);
    let sub = world.connect(&bob);
    world.subscribe(sub, "a");
    world.subscribe(sub, "b");
    world.lose(sub);
    let publisher = world.connect(&alice);
    world.publish(publisher, "a", "lost", QoS::AtLeastOnce, 1);
    // The frame that it was in is damaged.
    world
        .log
        .retain(|record| !matches!(record, Record::Message { .. }));
    world.crash();
    let publisher = world.connect(&alice);
    world.publish(publisher, "b", "new", QoS::AtLeastOnce, 1);
    let sub = world.connect(&bob);
    let expected = ["ConnAck present=true", "Publish new qos=1 id=1"];
    assert_eq!(world.heard(sub), expected);
}
