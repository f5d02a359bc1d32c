//! Replays what fuzzing found worth keeping, without the fuzzer, and random changes of it.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/src/proxy_header.rs"]
#[expect(unreachable_pub, reason = "the file belongs to another crate, too")]
mod proxy_header;
#[path = "../../../fuzz/src/websocket.rs"]
#[expect(unreachable_pub, reason = "the file belongs to another crate, too")]
mod websocket;

/// Checks every input of a target, and some like it.
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let corpus = corpus.join(target);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut inputs = 0;
    for entry in corpus.read_dir().expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        let input = fs::read(&path).expect("a readable file");
        check(&input);
        for _ in 0..200 {
            let mut changed = input.clone();
            for _ in 0..1 + next(3) {
                let at = next(changed.len().min(200));
                match next(3) {
                    0 => changed[at] ^= 1 << next(8),
                    1 => changed[at] = next(256) as u8,
                    _ => changed.truncate(at + 1),
                }
            }
            check(&changed);
        }
        inputs += 1;
    }
    assert!(inputs >= 15, "{inputs} inputs in {}", corpus.display());
}

#[test]
fn the_corpus_of_websocket_breaks_no_promise() {
    replay("websocket", websocket::check);
}

#[test]
fn the_corpus_of_proxy_header_breaks_no_promise() {
    replay("proxy_header", proxy_header::check);
}
