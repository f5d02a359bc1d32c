//! The threads around a log, on the real disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use dunlin_store::files::simulated::Disk;
use dunlin_store::{
    Client, Commit, Directory, Error, Frame, Handle, Haste, Key, Log, News, Options, Service,
    ServiceOptions,
};

/// A directory that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("dunlin-store-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    fn open(&self, mut replay: impl FnMut(&[u8])) -> Log<Directory> {
        let files = Directory::open(&self.0).expect("there can be directories");
        let options = Options {
            segment: 64 << 10,
            reserve: 192 << 10,
            ..Options::default()
        };
        Log::open(files, options, |entry| replay(entry.content))
            .expect("it opens")
            .0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Ear(Sender<News>);

impl Client for Ear {
    fn tell(&self, news: News) {
        // Tests end without listening to everything.
        let _ = self.0.send(news);
    }
}

fn ears(count: usize) -> (Vec<Ear>, Vec<Receiver<News>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
    (senders.into_iter().map(Ear).collect(), receivers)
}

fn hear(news: &Receiver<News>) -> News {
    news.recv_timeout(Duration::from_secs(20))
        .expect("something is said in time")
}

/// Waits until so much is committed; what else is said meanwhile is of no interest.
fn wait_for_commit(news: &Receiver<News>, wanted: u64) {
    loop {
        if let News::Committed { count } = hear(news) {
            assert!(count <= wanted);
            if count == wanted {
                return;
            }
        }
    }
}

fn frame(content: &[u8], key: Option<Key>) -> Frame {
    let mut frame = Frame::new();
    frame.push(key, |bytes| bytes.extend_from_slice(content));
    frame
}

fn read(handle: &Handle, news: &Receiver<News>, keys: &[Key]) -> BTreeMap<Key, Option<Vec<u8>>> {
    handle.read(4711, keys.to_vec());
    loop {
        if let News::Found { tag, found } = hear(news) {
            assert_eq!(tag, 4711);
            let entries = found.iter();
            return entries
                .map(|(key, content)| (key, content.map(<[u8]>::to_vec)))
                .collect();
        }
    }
}

#[test]
fn what_is_committed_is_there_after_a_start() {
    for commit in [Commit::Fsync, Commit::Os] {
        let scratch = Scratch::new();
        let (clients, news) = ears(2);
        let options = ServiceOptions {
            commit,
            ..ServiceOptions::default()
        };
        let log = scratch.open(|_| panic!("it is empty"));
        let (service, handles) = Service::start(log, clients, options).expect("it starts");
        for number in 1..=500u64 {
            for handle in &handles {
                handle.append(frame(&number.to_le_bytes(), None), number, Haste::Now);
            }
        }
        for news in &news {
            wait_for_commit(news, 500);
        }
        assert_eq!(handles[0].backlog(), 0);
        let statistics = service.statistics();
        assert!(
            statistics.syncs <= 1000,
            "frames share syncs: {}",
            statistics.syncs
        );
        service.stop().expect("it stops");
        let mut entries = 0;
        drop(scratch.open(|_| entries += 1));
        assert_eq!(entries, 1000);
    }
}

#[test]
fn what_nobody_waits_for_needs_no_sync_of_its_own() {
    let scratch = Scratch::new();
    let (clients, news) = ears(2);
    let options = ServiceOptions {
        linger: Duration::from_secs(3600),
        ..ServiceOptions::default()
    };
    let (service, handles) =
        Service::start(scratch.open(|_| ()), clients, options).expect("it starts");
    handles[0].append(frame(b"first", None), 1, Haste::Now);
    wait_for_commit(&news[0], 1);
    let before = service.statistics();
    for number in 1..=100 {
        handles[1].append(frame(b"at leisure", None), number, Haste::Later);
    }
    // The first answer is given before all that has come with the question is written.
    service.statistics();
    let after = service.statistics();
    assert!(after.written > before.written, "it is written");
    assert_eq!(after.syncs, before.syncs);
    handles[0].append(frame(b"last", None), 2, Haste::Now);
    wait_for_commit(&news[0], 2);
    wait_for_commit(&news[1], 100);
    // Somebody begins to wait for what was appended before.
    handles[1].append(frame(b"more", None), 101, Haste::Later);
    handles[1].append(Frame::new(), 101, Haste::Now);
    wait_for_commit(&news[1], 101);
    service.stop().expect("it stops");
    let mut entries = 0;
    drop(scratch.open(|_| entries += 1));
    assert_eq!(entries, 103);
}

#[test]
fn what_nobody_waits_for_is_committed_all_the_same() {
    let scratch = Scratch::new();
    let (clients, news) = ears(1);
    let (service, handles) =
        Service::start(scratch.open(|_| ()), clients, ServiceOptions::default())
            .expect("it starts");
    handles[0].append(frame(b"at leisure", None), 1, Haste::Later);
    wait_for_commit(&news[0], 1);
    service.stop().expect("it stops");
}

#[test]
fn what_was_just_appended_can_be_read() {
    let scratch = Scratch::new();
    let (clients, news) = ears(1);
    let (service, handles) =
        Service::start(scratch.open(|_| ()), clients, ServiceOptions::default())
            .expect("it starts");
    let keys: Vec<Key> = (1..=1000).map(|number| Key::new(number << 6)).collect();
    for (count, key) in keys.iter().enumerate() {
        let content = key.get().to_le_bytes().repeat(20);
        handles[0].append(frame(&content, Some(*key)), count as u64 + 1, Haste::Now);
    }
    let found = read(&handles[0], &news[0], &keys);
    assert_eq!(found.len(), keys.len());
    for (key, content) in found {
        assert_eq!(content, Some(key.get().to_le_bytes().repeat(20)));
    }
    let none = read(
        &handles[0],
        &news[0],
        &[Key::new(5 << 6 | 1), Key::new(2000 << 6)],
    );
    assert!(none.values().all(Option::is_none));
    service.stop().expect("it stops");
}

#[test]
fn a_checkpoint_frees_what_nothing_refers_to() {
    let scratch = Scratch::new();
    let (clients, news) = ears(2);
    let options = ServiceOptions {
        slack: 1 << 20,
        ..ServiceOptions::default()
    };
    let (service, handles) =
        Service::start(scratch.open(|_| ()), clients, options).expect("it starts");
    // One entry in a hundred stays; the last client only answers.
    let mut count = 0;
    let mut append = |frame| {
        count += 1;
        handles[0].append(frame, count, Haste::Now);
    };
    let stays = |number: u64| number.is_multiple_of(100);
    let key = |number| Key::new(number << 6);
    let mut checkpoints = 0u64;
    for number in 1..=20_000u64 {
        append(frame(&[number as u8; 200], Some(key(number))));
        // Now and then it waits for what it has appended.
        let mut is_waiting = number.is_multiple_of(500);
        while is_waiting {
            match hear(&news[0]) {
                News::Committed { count } => is_waiting = count < number + checkpoints,
                News::Checkpoint => {
                    let mut state = frame(b"state", None);
                    let alive = (1..=number).filter(|number| stays(*number));
                    alive.for_each(|number| state.refer(key(number)));
                    append(state);
                    handles[0].checkpoint_finished();
                    handles[1].checkpoint_finished();
                    checkpoints += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(checkpoints >= 1);
    let keys: Vec<Key> = (1..=20_000)
        .filter(|number| stays(*number))
        .map(key)
        .collect();
    for (key, content) in read(&handles[0], &news[0], &keys) {
        assert_eq!(content, Some(vec![(key.get() >> 6) as u8; 200]));
    }
    assert!(service.statistics().written > 4_000_000);
    // Freeing goes on when nothing else does.
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.statistics().bytes > 2_000_000 {
        assert!(Instant::now() < deadline, "{:?}", service.statistics());
        if let Ok(News::Checkpoint) = news[0].try_recv() {
            handles[0].checkpoint_finished();
            handles[1].checkpoint_finished();
        }
    }
    service.stop().expect("it stops");
}

#[test]
fn a_full_disk_is_said_and_so_is_room() {
    let disk = Disk::new(1);
    let options = Options {
        segment: 16 << 10,
        reserve: 48 << 10,
        ..Options::default()
    };
    let (log, _) = Log::open(disk.files(), options.clone(), |_| ()).expect("it opens");
    let (clients, news) = ears(1);
    let (service, handles) =
        Service::start(log, clients, ServiceOptions::default()).expect("it starts");
    disk.set_capacity(100_000);
    let key = |number| Key::new(number << 6);
    for number in 1..=1000 {
        handles[0].append(frame(&[7; 200], Some(key(number))), number, Haste::Now);
    }
    let mut committed = 0;
    loop {
        match hear(&news[0]) {
            News::Committed { count } => committed = count,
            News::Full => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(committed < 1000);
    // What could not be written can be read nevertheless.
    let found = read(&handles[0], &news[0], &[key(1), key(1000)]);
    assert!(
        found
            .values()
            .all(|content| content.as_deref() == Some(&[7; 200][..]))
    );
    disk.set_capacity(usize::MAX);
    let mut is_room = false;
    while committed < 1000 || !is_room {
        match hear(&news[0]) {
            News::Committed { count } => committed = count,
            News::Room => is_room = true,
            News::Checkpoint => handles[0].checkpoint_finished(),
            News::Full | News::Found { .. } | News::Past { .. } => {}
            News::Failed(error) => panic!("{error}"),
        }
    }
    service.stop().expect("it stops");
}

#[test]
fn nothing_is_committed_after_a_failed_sync() {
    let disk = Disk::new(1);
    let (log, _) = Log::open(disk.files(), Options::default(), |_| ()).expect("it opens");
    let (clients, news) = ears(1);
    let (service, handles) =
        Service::start(log, clients, ServiceOptions::default()).expect("it starts");
    handles[0].append(frame(b"one", None), 1, Haste::Now);
    wait_for_commit(&news[0], 1);
    disk.fail_sync_at(0);
    handles[0].append(frame(b"two", None), 2, Haste::Now);
    assert!(matches!(
        hear(&news[0]),
        News::Failed(Error::Io { action: "sync", .. })
    ));
    handles[0].append(frame(b"three", None), 3, Haste::Now);
    assert!(service.stop().is_err());
    assert!(news[0].try_recv().is_err(), "nothing more is said");
}
