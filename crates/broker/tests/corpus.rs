//! Replays what fuzzing found worth keeping, without the fuzzer, and changes it a little.

use std::path::Path;

use dunlin_broker::fuzzing;

/// Every input of a target, and each with some bytes changed, left out or put in.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut random = 1_u64;
    let mut next = |bound: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % bound
    };
    let mut inputs = 0;
    for entry in corpus.read_dir().expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        let bytes = std::fs::read(&path).expect("a readable file");
        check(&bytes);
        for _ in 0..40 {
            let mut changed = bytes.clone();
            for _ in 0..3 {
                let place = next(changed.len().max(1));
                match next(3) {
                    0 if place < changed.len() => changed[place] = next(256) as u8,
                    1 if place < changed.len() => {
                        drop(changed.drain(place..(place + 4).min(bytes.len()).min(changed.len())))
                    }
                    _ => changed.insert(place, b" \n0a/#\"-"[next(8)]),
                }
            }
            check(&changed);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "no inputs in {}", corpus.display());
}

#[test]
fn the_corpus_of_mosquitto_conf_breaks_no_promise() {
    replay("mosquitto_conf", fuzzing::mosquitto_conf);
}

#[test]
fn the_corpus_of_dunlin_toml_breaks_no_promise() {
    replay("dunlin_toml", fuzzing::dunlin_toml);
}

#[test]
fn the_corpus_of_mosquitto_db_breaks_no_promise() {
    replay("mosquitto_db", fuzzing::mosquitto_db);
}
