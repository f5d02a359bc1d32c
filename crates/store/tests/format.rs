//! The format on disk: a file that version 1 has written is read as it was, and is still written so.

use std::collections::VecDeque;

use dunlin_store::files::Files;
use dunlin_store::files::simulated::Disk;
use dunlin_store::{Directory, Frame, Key, Log, Options};

const VERSION_1: &[u8] = include_bytes!("fixtures/version-1.log");

/// What the file holds: three frames, an entry with a key among them.
fn frames() -> VecDeque<Frame> {
    let entries: [&[(Option<u64>, &[u8])]; 3] = [
        &[(None, b"first")],
        &[
            (Some(7 << 6 | 3), b"with a key"),
            (None, b"and one without"),
        ],
        &[(None, b""), (Some(8 << 6 | 3), &[0xff; 100])],
    ];
    let frame = |entries: &&[(Option<u64>, &[u8])]| {
        let mut frame = Frame::new();
        for (key, content) in *entries {
            frame.push(key.map(Key::new), |bytes| bytes.extend_from_slice(content));
        }
        frame
    };
    entries.iter().map(frame).collect()
}

#[test]
fn version_1_is_read() {
    let name = format!("dunlin-format-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let mut files = Directory::open(&directory).expect("there can be directories");
    assert!(files.lock().expect("it can be locked"));
    drop(files);
    std::fs::write(directory.join("00000001.log"), VERSION_1).expect("it can be written");
    let mut entries = Vec::new();
    let files = Directory::open(&directory).expect("it is there");
    let (log, recovery) = Log::open(files, Options::default(), |entry| {
        entries.push((entry.key.map(Key::get), entry.content.to_vec(), entry.time));
    })
    .expect("it opens");
    let found = log.locate(&[Key::new(7 << 6 | 3)]).run();
    let found: Vec<_> = found
        .iter()
        .map(|(_, content)| content.map(<[u8]>::to_vec))
        .collect();
    drop(log);
    std::fs::remove_dir_all(&directory).expect("it is there");
    assert_eq!(recovery.damage, []);
    let contents: [(Option<u64>, &[u8]); 5] = [
        (None, b"first"),
        (Some(451), b"with a key"),
        (None, b"and one without"),
        (None, b""),
        (Some(515), &[0xff; 100]),
    ];
    let wanted = contents.map(|(key, content)| (key, content.to_vec(), 1_700_000_000_123));
    assert_eq!(entries, wanted);
    assert_eq!(found, [Some(b"with a key".to_vec())]);
}

#[test]
fn version_1_is_written() {
    let disk = Disk::new(1);
    let (mut log, _) = Log::open(disk.files(), Options::default(), |_| ()).expect("it opens");
    log.append(&mut frames(), 1_700_000_000_123)
        .expect("there is room");
    drop(log);
    let written = &disk.contents()["00000001.log"][..VERSION_1.len()];
    if let Some(path) = std::env::var_os("DUNLIN_WRITE_FIXTURE") {
        std::fs::write(path, written).expect("it can be written");
    }
    assert!(
        written == VERSION_1,
        "the format has changed: it needs another version"
    );
}
