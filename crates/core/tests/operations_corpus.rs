//! Replays what fuzzing found worth keeping, without the fuzzer, and some thousand random inputs.

#[path = "../../../fuzz/src/operations/mod.rs"]
#[expect(unreachable_pub, reason = "the file belongs to another crate, too")]
mod operations;

use std::path::Path;

#[test]
fn the_corpus_of_operations_breaks_no_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/operations");
    let mut inputs = 0;
    for entry in corpus.read_dir().expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        operations::check(&std::fs::read(&path).expect("a readable file"));
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs in {}", corpus.display());
}

#[test]
fn random_operations_break_no_promise() {
    for seed in 0..3000 {
        let bytes = random_bytes(seed);
        if std::panic::catch_unwind(|| operations::check(&bytes)).is_err() {
            panic!("seed {seed}");
        }
    }
}

/// Up to 1000 bytes that the seed determines (SplitMix64).
fn random_bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let length = next() % 1000;
    (0..length).map(|_| next() as u8).collect()
}
