use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Tree = TopicTree<u32>;

/// A tree of `keys`, each with its position as its value.
fn tree_of(keys: &[&str]) -> Tree {
    let mut tree = Tree::new(7);
    for (value, key) in (0..).zip(keys) {
        *tree.entry(key).1 = value;
    }
    tree
}

fn key_of<V>(tree: &TopicTree<V>, id: NodeId) -> String {
    let mut key = String::new();
    tree.write_key(id, &mut key);
    key
}

/// The keys that match `topic` as filters, with repetitions if there were any.
fn filters_for<V>(tree: &TopicTree<V>, topic: &str) -> Vec<String> {
    let mut found = Vec::new();
    tree.matching_filters(topic, &mut |id, _| found.push(key_of(tree, id)));
    found.sort();
    found
}

/// The keys that match `filter` as topics, with repetitions if there were any.
fn topics_for<V>(tree: &TopicTree<V>, filter: &str) -> Vec<String> {
    let mut cursor = Cursor::default();
    let mut found = Vec::new();
    while let Some(key) = next_key(tree, filter, &mut cursor, 3) {
        found.push(key);
    }
    found.sort();
    found
}

/// The next match, with as many pauses as it takes; `None` at the end.
fn next_key<V>(
    tree: &TopicTree<V>,
    filter: &str,
    cursor: &mut Cursor,
    budget: u32,
) -> Option<String> {
    loop {
        match tree.next_matching_topic(filter, cursor, &mut { budget }) {
            Step::Match(id, _) => return Some(key_of(tree, id)),
            Step::Paused => {}
            Step::Done => return None,
        }
    }
}

/// The matching rule of section 4.7, level by level.
fn is_match(filter: &str, topic: &str) -> bool {
    let filter: Vec<_> = filter.split('/').collect();
    let topic: Vec<_> = topic.split('/').collect();
    let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    let (prefix, open) = match filter.split_last() {
        Some((&"#", prefix)) => (prefix, true),
        _ => (&filter[..], false),
    };
    let long_enough = if open {
        topic.len() >= prefix.len()
    } else {
        topic.len() == prefix.len()
    };
    let same = |(f, t): (&&str, &&str)| *f == "+" || f == t;
    !hidden && long_enough && prefix.iter().zip(&topic).all(same)
}

/// A small generator of repeatable random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Few different levels, so that keys share prefixes and matches are common.
    fn topic(&mut self) -> String {
        const TEXTS: [&str; 6] = ["", "a", "b", "$c", "exactly-22-bytes-long!", LONG];
        let mut levels = vec![self.pick(&TEXTS)];
        while self.below(3) > 0 && levels.len() < 6 {
            levels.push(self.pick(&TEXTS));
        }
        levels.join("/")
    }

    fn filter(&mut self) -> String {
        let topic = self.topic();
        let mut levels: Vec<_> = topic.split('/').collect();
        for level in &mut levels {
            if self.below(3) == 0 {
                *level = "+";
            }
        }
        if self.below(3) == 0 {
            levels.push("#");
        } else if self.below(8) == 0 {
            levels = vec!["#"];
        }
        levels.join("/")
    }
}

const LONG: &str = "a level that does not fit into a node";

#[test]
fn a_multi_level_wildcard_matches_its_parent_and_everything_below() {
    let tree = tree_of(&["sport/tennis/player1/#", "sport/#", "#"]);
    let all = ["#", "sport/#", "sport/tennis/player1/#"];
    assert_eq!(filters_for(&tree, "sport/tennis/player1"), all);
    assert_eq!(filters_for(&tree, "sport/tennis/player1/ranking"), all);
    assert_eq!(
        filters_for(&tree, "sport/tennis/player1/score/wimbledon"),
        all
    );
    assert_eq!(filters_for(&tree, "sport"), all[..2]);
    assert_eq!(filters_for(&tree, "sports"), all[..1]);
}

#[test]
fn a_single_level_wildcard_matches_exactly_one_level() {
    let tree = tree_of(&["sport/tennis/+", "sport/+", "+", "+/+", "/+", "+/tennis/#"]);
    assert_eq!(
        filters_for(&tree, "sport/tennis/player1"),
        ["+/tennis/#", "sport/tennis/+"]
    );
    assert_eq!(
        filters_for(&tree, "sport/tennis/player1/ranking"),
        ["+/tennis/#"]
    );
    assert_eq!(filters_for(&tree, "sport"), ["+"]);
    assert_eq!(filters_for(&tree, "sport/"), ["+/+", "sport/+"]);
    assert_eq!(filters_for(&tree, "/finance"), ["+/+", "/+"]);
}

#[test]
fn a_leading_wildcard_does_not_match_a_topic_that_begins_with_a_dollar() {
    let tree = tree_of(&["#", "+/monitor/Clients", "$SYS/#", "$SYS/monitor/+", "+"]);
    assert_eq!(
        filters_for(&tree, "$SYS/monitor/Clients"),
        ["$SYS/#", "$SYS/monitor/+"]
    );
    assert_eq!(filters_for(&tree, "$SYS"), ["$SYS/#"]);
    assert_eq!(filters_for(&tree, "a/$SYS"), ["#"]);

    let topics = tree_of(&["$SYS/monitor/Clients", "a/monitor/Clients", "a/$b", "$SYS"]);
    assert_eq!(topics_for(&topics, "#"), ["a/$b", "a/monitor/Clients"]);
    assert_eq!(
        topics_for(&topics, "+/monitor/Clients"),
        ["a/monitor/Clients"]
    );
    assert_eq!(
        topics_for(&topics, "$SYS/#"),
        ["$SYS", "$SYS/monitor/Clients"]
    );
    assert_eq!(
        topics_for(&topics, "$SYS/monitor/+"),
        ["$SYS/monitor/Clients"]
    );
    assert_eq!(topics_for(&topics, "a/+"), ["a/$b"]);
}

#[test]
fn empty_levels_are_levels() {
    let keys = ["/", "a//b", "a/b", "/a", "a/", "a", "//"];
    let tree = tree_of(&keys);
    assert_eq!(tree.len(), keys.len());
    for key in keys {
        assert_eq!(filters_for(&tree, key), [key]);
        assert_eq!(topics_for(&tree, key), [key]);
    }
    assert_eq!(topics_for(&tree, "+/+"), ["/", "/a", "a/", "a/b"]);
    assert_eq!(topics_for(&tree, "a/+/b"), ["a//b"]);
    assert_eq!(topics_for(&tree, "a/#"), ["a", "a/", "a//b", "a/b"]);
}

#[test]
fn only_keys_are_found() {
    let mut tree = tree_of(&["a/b/c", "a/+/#"]);
    assert_eq!(tree.find("a/b"), None);
    assert_eq!(tree.find("a/+"), None);
    assert_eq!(tree.find("a/b/c/d"), None);
    let id = tree.find("a/+/#").unwrap();
    assert_eq!(tree.get(id), Some(&1));
    *tree.get_mut(id).unwrap() = 5;
    assert_eq!(tree.entry("a/+/#"), (id, &mut 5));
    assert_eq!(tree.remove(id), Some(5));
    assert_eq!(tree.remove(id), None);
    assert_eq!(tree.get(id), None);
    assert_eq!(key_of(&tree, id), "");
    assert_eq!(
        tree.iter()
            .map(|(id, _)| key_of(&tree, id))
            .collect::<Vec<_>>(),
        ["a/b/c"]
    );
}

#[test]
fn a_key_may_have_as_many_levels_as_a_packet_has_room_for() {
    let slashes = "/".repeat(65_535);
    let wildcards = format!("{}+", "+/".repeat(32_767));
    let open = "+/".repeat(32_767) + "#";
    let mut tree = tree_of(&[&slashes, &wildcards, &open]);
    assert_eq!(filters_for(&tree, &slashes), [open.as_str(), &slashes]);
    let topic = "/".repeat(32_767);
    assert_eq!(filters_for(&tree, &topic), [open.as_str(), &wildcards]);
    assert_eq!(tree.find(&slashes).and_then(|id| tree.remove(id)), Some(0));
    assert_eq!(filters_for(&tree, &slashes), [open.as_str()]);

    let topics = tree_of(&[&slashes, &topic]);
    assert_eq!(topics_for(&topics, "#"), [topic.as_str(), &slashes]);
    assert_eq!(topics_for(&topics, &wildcards), [topic.as_str()]);
    assert_eq!(topics_for(&topics, &open), [topic.as_str(), &slashes]);
}

#[test]
fn removing_all_keys_frees_all_nodes_for_others() {
    let mut tree = Tree::new(1);
    let mut most = 0;
    for round in 0..10 {
        for i in 0..1000 {
            tree.entry(&format!("{round}/{}/{LONG}/{i}/+/#", i % 10));
        }
        assert_eq!(tree.len(), 1000);
        most = most.max(tree.nodes.iter().count());
        let ids: Vec<_> = tree.iter().map(|(id, _)| id).collect();
        for id in ids {
            tree.remove(id);
        }
        assert!(tree.is_empty() && tree.nodes[NodeId::ROOT].is_bare());
    }
    assert_eq!(tree.nodes.iter().count(), most);
    assert_eq!(most, 1 + 1 + 10 + 10 + 3 * 1000);
}

#[test]
fn a_million_siblings_come_and_go_without_a_search() {
    let mut tree = Tree::new(1);
    let ids: Vec<_> = (0..1_000_000)
        .map(|i| tree.entry(&format!("wide/{i}")).0)
        .collect();
    assert_eq!(tree.find("wide/500000"), Some(ids[500_000]));
    for id in ids {
        assert!(tree.remove(id).is_some());
    }
    assert!(tree.is_empty());
}

#[test]
fn any_change_and_any_lookup_agree_with_a_plain_list() {
    let mut random = Random(1);
    for round in 0..40 {
        let mut tree = Tree::new(round);
        let mut model = BTreeMap::<String, u32>::new();
        for value in 0..300 {
            let key = if random.below(2) == 0 {
                random.topic()
            } else {
                random.filter()
            };
            if random.below(5) < 2 {
                let removed = tree.find(&key).and_then(|id| tree.remove(id));
                assert_eq!(removed, model.remove(&key));
            } else {
                let (id, slot) = tree.entry(&key);
                assert_eq!(*slot, *model.entry(key.clone()).or_default());
                *slot = value;
                assert_eq!(key_of(&tree, id), key);
                model.insert(key, value);
            }
            let topic = random.topic();
            let matching: Vec<_> = model.keys().filter(|key| is_match(key, &topic)).collect();
            assert_eq!(
                filters_for(&tree, &topic),
                matching.into_iter().cloned().collect::<Vec<_>>()
            );
        }
        let all: BTreeMap<_, _> = tree.iter().map(|(id, v)| (key_of(&tree, id), *v)).collect();
        assert_eq!(all, model);
        assert_eq!(tree.len(), model.len());
    }
}

#[test]
fn topics_are_found_as_in_a_plain_list() {
    let mut random = Random(2);
    for round in 0..100 {
        let mut tree = Tree::new(round);
        let model: BTreeSet<_> = (0..100).map(|_| random.topic()).collect();
        for topic in &model {
            tree.entry(topic);
        }
        for _ in 0..50 {
            let filter = random.filter();
            let matching: Vec<_> = model.iter().filter(|key| is_match(&filter, key)).collect();
            assert_eq!(
                topics_for(&tree, &filter),
                matching.into_iter().cloned().collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_cursor_gives_what_stays_once_and_nothing_twice_while_the_tree_changes() {
    let mut random = Random(3);
    for round in 0..2000 {
        let mut tree = Tree::new(round);
        for _ in 0..60 {
            tree.entry(&random.topic());
        }
        let filter = random.filter();
        let mut staying: BTreeSet<_> = tree.iter().map(|(id, _)| key_of(&tree, id)).collect();
        staying.retain(|key| is_match(&filter, key));
        let mut given = BTreeSet::new();
        let mut cursor = Cursor::default();
        loop {
            match tree.next_matching_topic(&filter, &mut cursor, &mut (random.below(4) as u32)) {
                Step::Match(id, _) => {
                    let key = key_of(&tree, id);
                    assert!(is_match(&filter, &key));
                    assert!(given.insert(key), "given twice");
                    if random.below(4) == 0 {
                        tree.remove(id);
                    }
                }
                Step::Paused => {}
                Step::Done => break,
            }
            for _ in 0..random.below(6) {
                let key = random.topic();
                match tree.find(&key) {
                    Some(id) => {
                        tree.remove(id);
                        staying.remove(&key);
                    }
                    None => {
                        tree.entry(&key);
                    }
                }
            }
        }
        assert!(staying.is_subset(&given));
    }
}

#[test]
fn a_cursor_goes_on_at_once_where_its_place_has_been_removed() {
    let mut tree = Tree::new(4);
    let ids: Vec<_> = (0..10_000)
        .map(|i| tree.entry(&format!("a/{i}")).0)
        .collect();
    let mut cursor = Cursor::default();
    for _ in 0..5_000 {
        assert!(next_key(&tree, "a/+", &mut cursor, 1).is_some());
    }
    for id in &ids[1..5_000] {
        tree.remove(*id);
    }
    let mut budget = 5_000;
    let step = tree.next_matching_topic("a/+", &mut cursor, &mut budget);
    assert!(matches!(step, Step::Match(id, _) if id == ids[0]));
    let step = tree.next_matching_topic("a/+", &mut cursor, &mut budget);
    assert!(matches!(step, Step::Done));
}

#[test]
fn a_lookup_pauses_when_its_budget_is_used_up() {
    let mut tree = Tree::new(5);
    for i in 0..1_000 {
        tree.entry(&format!("{i}/x/{i}/z"));
    }
    let mut cursor = Cursor::default();
    let mut pauses = 0;
    loop {
        let mut budget = 100;
        match tree.next_matching_topic("+/x/+/y", &mut cursor, &mut budget) {
            Step::Match(..) => panic!("no topic ends with y"),
            Step::Paused => pauses += 1,
            Step::Done => break,
        }
    }
    assert!(pauses >= 39, "paused {pauses} times");
}
