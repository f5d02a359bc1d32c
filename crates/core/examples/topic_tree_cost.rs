//! What the topic tree costs, in time and memory: `cargo run --release --example topic_tree_cost`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use dunlin_core::topic_tree::{Cursor, NodeId, Step, TopicTree};

/// 24 bytes, as large as a list of subscribers, and without a bit pattern to spare.
type Value = [u64; 3];

const KEYS: usize = 100_000;

fn main() {
    subscriptions();
    small_tree();
    retained();
    growth();
}

/// A tenth of the filters has a `+`, a tenth ends with `#`, the others have no wildcard.
fn filter(i: usize) -> String {
    let (g, h) = (i % 100, i / 100 % 100);
    match i % 10 {
        3 => format!("b1234/{g}/+/s{i}"),
        7 => format!("b1234/{g}/{h}/s{i}/#"),
        _ => topic(i),
    }
}

fn topic(i: usize) -> String {
    format!("b1234/{}/{}/s{i}", i % 100, i / 100 % 100)
}

fn subscriptions() {
    println!("{KEYS} filters of 4 levels, a fifth of them with a wildcard");
    let filters: Vec<_> = (0..KEYS).map(filter).collect();
    let topics: Vec<_> = shuffled(KEYS).into_iter().map(topic).collect();
    let before = resident_bytes();
    let mut tree = TopicTree::<Value>::new(1);
    timed("insert", &filters, |filter| tree.entry(filter).0);
    println!(
        "  memory       {:>6} bytes per key",
        (resident_bytes() - before) / KEYS
    );
    let mut matches = 0;
    for _ in 0..3 {
        matches = 0;
        timed("match", &topics, |topic| {
            tree.matching_filters(topic, &mut |id, value| {
                matches += 1;
                black_box((id, value));
            });
        });
    }
    assert_eq!(matches, KEYS);
    timed("find", &filters, |filter| tree.find(filter));
    let ids: Vec<_> = filters
        .iter()
        .filter_map(|filter| tree.find(filter))
        .collect();
    let mut key = String::new();
    timed("write key", &ids, |&id| {
        key.clear();
        tree.write_key(id, &mut key);
    });
    timed("remove", &ids, |&id| tree.remove(id));
}

fn small_tree() {
    println!("100 filters of 3 levels without a wildcard");
    let mut tree = TopicTree::<Value>::new(1);
    for i in 0..100 {
        tree.entry(&format!("bench/{i}/data"));
    }
    let topics: Vec<_> = shuffled(KEYS)
        .iter()
        .map(|i| format!("bench/{}/data", i % 100))
        .collect();
    for _ in 0..3 {
        timed("match", &topics, |topic| {
            tree.matching_filters(topic, &mut |id, value| {
                black_box((id, value));
            });
        });
    }
}

fn retained() {
    println!("{KEYS} topics of 4 levels");
    let mut tree = TopicTree::<Value>::new(1);
    for i in 0..KEYS {
        tree.entry(&topic(i));
    }
    for (filter, expected) in [
        ("#", KEYS),
        ("b1234/+/+/+", KEYS),
        ("b1234/7/#", 1000),
        ("+/+/+/s777", 1),
    ] {
        let (mut cursor, mut budget, mut found) = (Cursor::default(), u32::MAX, 0);
        let start = Instant::now();
        while let Step::Match(..) = tree.next_matching_topic(filter, &mut cursor, &mut budget) {
            found += 1;
        }
        let looked_at = (u32::MAX - budget) as usize;
        assert_eq!(found, expected);
        let each = per_item(start.elapsed(), looked_at);
        println!("  {filter:<12} {each:>6.1} ns per node, {found} of {looked_at} match");
    }
}

/// The longest that a single insert takes while the tree grows: it holds up everything else.
fn growth() {
    println!("a million topics");
    let topics: Vec<_> = (0..1_000_000).map(topic).collect();
    let before = resident_bytes();
    let mut tree = TopicTree::<Value>::new(1);
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    for topic in &topics {
        let start = Instant::now();
        tree.entry(topic);
        longest = longest.max(start.elapsed());
    }
    println!(
        "  insert       {:>6.1} ns",
        per_item(start.elapsed(), topics.len())
    );
    println!("  longest      {:>6} µs", longest.as_micros());
    println!(
        "  memory       {:>6} bytes per key",
        (resident_bytes() - before) / topics.len()
    );
    timed("match", &topics, |topic| {
        tree.matching_filters(topic, &mut |id: NodeId, value| {
            black_box((id, value));
        });
    });
}

/// Runs `step` on every item, and prints what it took on average.
fn timed<T, R>(name: &str, items: &[T], mut step: impl FnMut(&T) -> R) {
    let start = Instant::now();
    for item in items {
        black_box(step(item));
    }
    println!(
        "  {name:<12} {:>6.1} ns",
        per_item(start.elapsed(), items.len())
    );
}

fn per_item(elapsed: Duration, items: usize) -> f64 {
    elapsed.as_nanos() as f64 / items as f64
}

/// The numbers below `n` in a fixed disorder.
fn shuffled(n: usize) -> Vec<usize> {
    let mut numbers: Vec<_> = (0..n).collect();
    let mut state = 1_u64;
    for i in (1..n).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        numbers.swap(i, (state >> 33) as usize % (i + 1));
    }
    numbers
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this needs Linux");
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("statm has a second number") * 4096
}
