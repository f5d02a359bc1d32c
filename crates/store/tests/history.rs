//! Reading the log from some place on.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use dunlin_store::files::simulated::Disk;
use dunlin_store::{
    Client, Commit, Frame, Haste, Key, Log, News, Options, Past, Position, Retention, Service,
    ServiceOptions, Start,
};

fn options(retention: Option<Retention>) -> Options {
    Options {
        segment: 16 << 10,
        reserve: 48 << 10,
        retention,
        ..Options::default()
    }
}

/// An entry with a number as its key and content, and one without a key that is nobody's concern.
fn frame(number: u64) -> Frame {
    let mut frame = Frame::new();
    frame.push(None, |bytes| bytes.extend_from_slice(b"other"));
    let write = |bytes: &mut Vec<u8>| bytes.extend_from_slice(&[number as u8; 300]);
    frame.push(Some(Key::new(number << 6)), write);
    frame
}

fn numbers(past: &Past) -> Vec<u64> {
    let number = |(_, _, key, content): (Position, u64, Key, &[u8])| {
        let number = key.get() >> 6;
        assert_eq!(content, [number as u8; 300]);
        number
    };
    past.iter().map(number).collect()
}

/// Everything from a place on, and where it ends.
fn all(log: &Log<impl dunlin_store::files::Files>, mut start: Start) -> (Vec<u64>, Position) {
    let (mut found, mut next) = (Vec::new(), Position::default());
    while let Some(history) = log.history(start, Commit::Fsync) {
        let past = history.run();
        let more = numbers(&past);
        assert!(more.len() <= 64);
        found.extend(more);
        next = past.next;
        start = Start::Cursor(next);
    }
    (found, next)
}

#[test]
fn a_reading_begins_where_it_is_to_and_goes_on_to_what_is_stable() {
    let disk = Disk::new(1);
    let (mut log, _) = Log::open(disk.files(), options(None), |_| ()).expect("it opens");
    assert!(log.history(Start::First, Commit::Fsync).is_none());
    for number in 1..=300 {
        let time = number * 10;
        log.append(&mut VecDeque::from([frame(number)]), time)
            .expect("room");
        log.sync().expect("a disk");
    }
    let (found, end) = all(&log, Start::First);
    assert_eq!(found, (1..=300).collect::<Vec<_>>());
    assert_eq!(
        all(&log, Start::Time(2001)).0,
        (201..=300).collect::<Vec<_>>()
    );
    assert_eq!(all(&log, Start::Time(0)).0.len(), 300);
    assert_eq!(all(&log, Start::Time(4000)).0, []);
    let first = log
        .history(Start::First, Commit::Fsync)
        .expect("entries")
        .run();
    let (position, time, ..) = first.iter().nth(49).expect("fifty entries");
    assert_eq!(time, 500);
    let after = Start::After(position);
    assert_eq!(all(&log, after).0, (51..=300).collect::<Vec<_>>());

    // What is not stable is not there yet.
    log.append(&mut VecDeque::from([frame(301)]), 3010)
        .expect("room");
    assert!(log.history(Start::Cursor(end), Commit::Fsync).is_none());
    log.sync().expect("a disk");
    assert_eq!(all(&log, Start::Cursor(end)).0, [301]);
    // After a start it is as it was.
    log.close(3020).expect("a disk");
    let (log, _) = Log::open(disk.files(), options(None), |_| ()).expect("it opens");
    assert_eq!(all(&log, Start::Cursor(end)).0, [301]);
    assert_eq!(all(&log, Start::First).0.len(), 301);
}

#[test]
fn what_is_retained_stays_and_goes_in_time() {
    let keep = |age, size| Some(Retention { age, size });
    let cases = [
        (None, 0),
        (keep(1_000_000, u64::MAX), 300),
        (keep(1000, u64::MAX), 100),
        (keep(1_000_000, 40_000), 100),
    ];
    for (retention, at_least) in cases {
        let disk = Disk::new(1);
        let (mut log, _) = Log::open(disk.files(), options(retention), |_| ()).expect("it opens");
        for number in 1..=300 {
            log.append(&mut VecDeque::from([frame(number)]), number * 10)
                .expect("room");
        }
        log.sync().expect("a disk");
        // Nobody refers to anything.
        log.begin_checkpoint().expect("a disk");
        log.end_checkpoint().expect("a disk");
        while log.clean(3000).expect("a disk") {}
        let (found, _) = all(&log, Start::First);
        let segment = 60;
        assert!(
            found.len() >= at_least && found.len() < at_least + 2 * segment,
            "{retention:?}: {} of 300",
            found.len()
        );
        let newest = (301 - found.len() as u64..=300).collect::<Vec<_>>();
        assert_eq!(found, newest, "{retention:?}");
    }
}

struct Ear(Sender<News>);

impl Client for Ear {
    fn tell(&self, news: News) {
        let _ = self.0.send(news);
    }
}

fn hear_past(news: &Receiver<News>) -> Past {
    loop {
        let said = news.recv_timeout(Duration::from_secs(20));
        if let News::Past { tag, past } = said.expect("something is said in time") {
            assert_eq!(tag, 5);
            return past;
        }
    }
}

#[test]
fn who_reads_at_the_end_waits_for_what_comes() {
    let disk = Disk::new(1);
    let (log, _) = Log::open(disk.files(), options(None), |_| ()).expect("it opens");
    let (sender, news) = channel();
    let started = Service::start(log, vec![Ear(sender)], ServiceOptions::default());
    let (service, handles) = started.expect("threads");
    handles[0].history(5, Start::First);
    handles[0].append(frame(1), 1, Haste::Now);
    let mut past = hear_past(&news);
    let mut found = numbers(&past);
    for number in 2..=50 {
        handles[0].history(5, Start::Cursor(past.next));
        handles[0].append(frame(number), number, Haste::Now);
        past = hear_past(&news);
        found.extend(numbers(&past));
    }
    assert_eq!(found, (1..=50).collect::<Vec<_>>());
    // What was taken back is not answered: the tag would be a wrong one.
    handles[0].history(6, Start::Cursor(past.next));
    handles[0].forget(6);
    handles[0].history(5, Start::Cursor(past.next));
    handles[0].append(frame(51), 51, Haste::Now);
    assert_eq!(numbers(&hear_past(&news)), [51]);
    service.stop().expect("it stops");
}

#[test]
fn a_segment_without_frames_hides_nothing() {
    let disk = Disk::new(1);
    let (mut log, _) = Log::open(disk.files(), options(None), |_| ()).expect("it opens");
    let append = |log: &mut Log<_>, number, time| {
        let mut frames = VecDeque::from([frame(number)]);
        log.append(&mut frames, time).expect("room");
        log.sync().expect("a disk");
    };
    for number in 1..=10 {
        append(&mut log, number, number * 10);
    }
    for _ in 0..2 {
        log.begin_checkpoint().expect("a disk");
        log.end_checkpoint().expect("room");
    }
    append(&mut log, 11, 110);
    assert_eq!(all(&log, Start::Time(90)).0, [9, 10, 11]);
}
