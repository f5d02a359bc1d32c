//! Whatever comes, every reader gives an answer or an error, and never a panic. `fuzz/` does the same
//! for longer.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;

use dunlin_auth::fuzz;

/// Every input of the corpus, and each spoilt in many ways.
#[test]
fn no_reader_panics() {
    let mut state: u64 = 0x853c_49e6_748f_ea9b;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/access");
    let mut inputs = 0;
    for entry in corpus.read_dir().expect("the corpus is in the repository") {
        let good = std::fs::read(entry.unwrap().path()).unwrap();
        fuzz::check(&good);
        for _ in 0..2_000 {
            let mut bytes = good.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] = random(256) as u8,
                    2 => bytes.insert(at, random(256) as u8),
                    _ => {
                        let from = random(bytes.len());
                        let part = bytes[from.min(at)..from.max(at)].to_vec();
                        bytes.extend_from_slice(&part);
                    }
                }
            }
            fuzz::check(&bytes);
        }
        inputs += 1;
    }
    assert!(inputs > 8, "{inputs} inputs in {}", corpus.display());
}
