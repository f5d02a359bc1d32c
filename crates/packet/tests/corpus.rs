//! Replays what fuzzing found worth keeping, without the fuzzer.

#[path = "../../../fuzz/src/packet_bytes.rs"]
#[expect(unreachable_pub, reason = "the file belongs to another crate, too")]
mod packet_bytes;

use std::path::Path;

#[test]
fn the_corpus_of_packet_bytes_breaks_no_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/packet_bytes");
    let mut inputs = 0;
    for entry in corpus.read_dir().expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        packet_bytes::check(&std::fs::read(&path).expect("a readable file"));
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs in {}", corpus.display());
}
