//! `kill -9` at any instant, again and again, under load: what was acknowledged is there, nothing of
//! QoS 2 comes twice, and order is kept.
//!
//! Publishers and subscribers are real clients over real connections; the broker is the real
//! binary, whose process is killed and started again while they go on. Every publisher knows
//! what was acknowledged, every subscriber what has arrived. `DUNLIN_CRASH_ROUNDS` says how
//! often it is killed.

mod broker;
mod publisher;
mod subscriber;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use broker::Broker;
use publisher::Sent;
use subscriber::{Heard, Subscription};

const ROUNDS: u32 = 30;
const PUBLISHERS: usize = 4;

/// A message by its topic and its number there.
type Name = (String, u64);

#[test]
fn what_is_acknowledged_outlives_kill_9() {
    let rounds = std::env::var("DUNLIN_CRASH_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let mut broker = Broker::start();
    let address = broker.address();
    let stop = Arc::new(AtomicBool::new(false));

    let all = |name: &'static str| Subscription::new(name, &["q1/#", "q2/#"]);
    let of_group =
        |name: &'static str| Subscription::new(name, &["$share/g/s1/#", "$share/g/s2/#"]);
    let away = subscriber::subscribe(&address, all("away"));
    let subscribers: Vec<_> = [
        all("one"),
        all("two"),
        of_group("first"),
        of_group("second"),
    ]
    .into_iter()
    .map(|subscription| {
        let session = subscriber::subscribe(&address, subscription);
        let (address, stop) = (address.clone(), Arc::clone(&stop));
        thread::spawn(move || session.listen(&address, &stop))
    })
    .collect();
    let publishing = Arc::new(AtomicBool::new(true));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|n| {
            let (address, publishing) = (address.clone(), Arc::clone(&publishing));
            thread::spawn(move || publisher::publish(n, &address, &publishing))
        })
        .collect();

    // Any instant is as good as another: the seed only makes them differ.
    let mut random = u64::from(std::process::id()) | 1;
    for _ in 0..rounds {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        thread::sleep(Duration::from_millis(20 + (random >> 33) % 300));
        broker.kill_and_start_again();
    }
    publishing.store(false, Ordering::Relaxed);
    let sent: Vec<Sent> = join(publishers);
    stop.store(true, Ordering::Relaxed);
    let heard: Vec<Heard> = join(subscribers);
    // Who was away all the time gets everything now.
    let away = away.listen(&address, &AtomicBool::new(true));
    let retained = subscriber::retained(&address, "kept/#");

    let acknowledged: BTreeSet<Name> = sent.iter().flat_map(|it| it.acknowledged.clone()).collect();
    let [one, two, first, second] = heard.try_into().unwrap_or_else(|_| panic!("four of them"));
    for heard in [&one, &two, &away] {
        check_plain(heard, &acknowledged);
    }
    check_group(&[&first, &second], &acknowledged);
    check_retained(&retained, &sent);
    let count = |heard: &Heard| heard.messages.len();
    println!(
        "killed {rounds} times; {} messages acknowledged; received {}, {} and {} (away), {} by the group",
        acknowledged.len(),
        count(&one),
        count(&two),
        count(&away),
        count(&first) + count(&second),
    );
    broker.stop();
}

fn join<T>(threads: Vec<thread::JoinHandle<T>>) -> Vec<T> {
    let join = |thread: thread::JoinHandle<T>| thread.join().expect("it has said what is wrong");
    threads.into_iter().map(join).collect()
}

/// One durable Session has all that was acknowledged, QoS 2 once, in order.
fn check_plain(heard: &Heard, acknowledged: &BTreeSet<Name>) {
    let name = &heard.name;
    let messages: BTreeSet<&Name> = heard.messages.iter().collect();
    let due = acknowledged
        .iter()
        .filter(|(topic, _)| topic.starts_with('q'));
    let lost: Vec<_> = due.filter(|message| !messages.contains(message)).collect();
    assert!(
        lost.is_empty(),
        "{name} lost {} messages: {lost:?}",
        lost.len()
    );
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    for message in &heard.messages {
        let (topic, number) = message;
        if !seen.insert(message) {
            assert!(topic.starts_with("q1"), "{name}: {message:?} came twice");
            continue;
        }
        let before = last.insert(topic, *number).unwrap_or(0);
        assert!(before < *number, "{name}: {message:?} came after {before}");
    }
}

/// The members of a Shared Subscription together have all that was acknowledged, QoS 2 once.
fn check_group(members: &[&Heard], acknowledged: &BTreeSet<Name>) {
    let mut copies: BTreeMap<&Name, usize> = BTreeMap::new();
    for message in members.iter().flat_map(|member| &member.messages) {
        *copies.entry(message).or_default() += 1;
    }
    for message in acknowledged
        .iter()
        .filter(|(topic, _)| topic.starts_with('s'))
    {
        assert!(copies.contains_key(message), "the group lost {message:?}");
    }
    for (message, copies) in copies {
        let (topic, _) = message;
        assert!(
            copies == 1 || topic.starts_with("s1"),
            "{copies} copies of {message:?} in the group"
        );
    }
}

/// The Retained Message of a topic is the last that was acknowledged, or one sent after it.
fn check_retained(retained: &Heard, sent: &[Sent]) {
    let kept: BTreeMap<_, _> = retained.messages.iter().cloned().collect();
    for Sent {
        acknowledged, last, ..
    } in sent
    {
        let states = acknowledged
            .iter()
            .filter(|(topic, _)| topic.starts_with("kept"));
        if let Some((topic, number)) = states.max_by_key(|(_, number)| *number) {
            let kept = kept.get(topic).copied().unwrap_or(0);
            assert!(
                (*number..=*last).contains(&kept),
                "{topic}: {kept} is kept, {number} was acknowledged"
            );
        }
    }
}
