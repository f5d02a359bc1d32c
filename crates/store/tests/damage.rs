//! Damage: one flipped bit is put right; of more, what is hit is lost and reported. All else is there, and
//! the log opens.

mod model;

use std::collections::VecDeque;

use dunlin_store::files::simulated::{Disk, SimulatedFiles};
use dunlin_store::{Cause, Error, Frame, Key, Log, Options, Recovery};
use model::{Random, options};

const FRAMES: u64 = 300;

fn number(content: &[u8]) -> u64 {
    u64::from_le_bytes(content[..8].try_into().expect("eight bytes"))
}

/// A log of some segments, all of it stable; each frame has its number and an entry with a key.
fn write_log(disk: &Disk) {
    let (mut log, _) = Log::open(disk.files(), options(), |_| ()).expect("it opens");
    for number in 1..=FRAMES {
        let mut frame = Frame::new();
        frame.push(None, |bytes| bytes.extend_from_slice(&number.to_le_bytes()));
        frame.push(Some(Key::new(number << 6)), |bytes| {
            bytes.resize(bytes.len() + 200, number as u8)
        });
        log.append(&mut VecDeque::from([frame]), 0)
            .expect("there is room");
        log.sync().expect("it works");
    }
    log.close(0).expect("it works");
    disk.reboot();
}

fn read_log(disk: &Disk) -> (Log<SimulatedFiles>, Recovery, Vec<u64>) {
    let mut numbers = Vec::new();
    let (log, recovery) = Log::open(disk.files(), options(), |entry| {
        if entry.key.is_none() {
            numbers.push(number(entry.content));
        }
    })
    .expect("a damaged log opens");
    (log, recovery, numbers)
}

/// A log, and the name and length of one of its segments.
fn segment_of_a_log(seed: u64, random: &mut Random) -> (Disk, String, usize) {
    let disk = Disk::new(seed);
    write_log(&disk);
    let mut files = disk.contents();
    files.retain(|name, _| name.ends_with(".log"));
    let place = random.below(files.len());
    let (name, content) = files.into_iter().nth(place).expect("there are some");
    (disk, name, content.len())
}

/// What every frame has under its key can be read back.
fn check_entries(log: &Log<SimulatedFiles>, numbers: impl Iterator<Item = u64>) {
    let keys: Vec<Key> = numbers.map(|number| Key::new(number << 6)).collect();
    for (key, content) in log.locate(&keys).run().iter() {
        let expected = &[(key.get() >> 6) as u8; 200][..];
        assert_eq!(content, Some(expected), "{key:?}");
    }
}

#[test]
fn a_flipped_bit_costs_nothing() {
    let mut random = Random(5);
    let mut hits = 0;
    for seed in 0..600 {
        let (disk, name, length) = segment_of_a_log(seed, &mut random);
        let at = random.below(length);
        disk.flip(&name, at, random.below(8) as u8);
        let (log, recovery, numbers) = read_log(&disk);
        let expected: Vec<u64> = (1..=FRAMES).collect();
        assert_eq!(numbers, expected, "{name} at {at}");
        assert_eq!(recovery.damage, []);
        hits += recovery.mended.len();
        check_entries(&log, 1..=FRAMES);
    }
    assert!(hits > 100, "most flips hit a frame: {hits}");
}

#[test]
fn a_bit_that_is_flipped_while_the_log_is_used_costs_nothing() {
    let mut random = Random(7);
    let mut hits = 0;
    for seed in 0..200 {
        let (disk, name, length) = segment_of_a_log(seed, &mut random);
        let (mut log, ..) = read_log(&disk);
        let at = random.below(length);
        disk.flip(&name, at, random.below(8) as u8);
        check_entries(&log, 1..=FRAMES);
        // Of each segment too little is kept, so that all of it is copied.
        log.begin_checkpoint().expect("it works");
        let mut frame = Frame::new();
        let kept = || (1..=FRAMES).filter(|number| number % 3 == 0);
        kept().for_each(|number| frame.refer(Key::new(number << 6)));
        let mut frames = VecDeque::from([frame]);
        log.append(&mut frames, 0).expect("there is room");
        log.end_checkpoint().expect("it works");
        while log.clean(0).expect("there is room") {}
        hits += log.statistics().mended;
        assert_eq!(log.statistics().damaged, 0, "{name} at {at}");
        check_entries(&log, kept());
    }
    assert!(hits > 30, "many flips hit a frame: {hits}");
}

#[test]
fn two_flipped_bits_cost_one_frame_at_most() {
    let mut random = Random(5);
    let mut hits = 0;
    for seed in 0..600 {
        let (disk, name, length) = segment_of_a_log(seed, &mut random);
        let at = random.below(length - 1);
        disk.flip(&name, at, random.below(8) as u8);
        disk.flip(&name, at + 1, random.below(8) as u8);
        let (log, recovery, numbers) = read_log(&disk);
        assert!(numbers.is_sorted(), "in order");
        let lost: Vec<u64> = (1..=FRAMES).filter(|n| !numbers.contains(n)).collect();
        assert!(lost.len() <= 1, "{name} at {at}: lost {lost:?}");
        assert!(recovery.damage.len() <= 1);
        if !lost.is_empty() {
            hits += 1;
            assert_eq!(recovery.damage.len(), 1);
            assert_eq!(recovery.damage[0].cause, Cause::Checksum);
            assert_eq!(disk.quarantined()[0], name);
        }
        // What is replayed can be read back.
        check_entries(&log, numbers.into_iter());
    }
    assert!(hits > 100, "most flips hit a frame: {hits}");
}

#[test]
fn a_missing_file_is_reported() {
    let disk = Disk::new(1);
    write_log(&disk);
    disk.lose("00000003.log");
    let (_, recovery, numbers) = read_log(&disk);
    assert_eq!(recovery.damage.len(), 1);
    assert_eq!(recovery.damage[0].cause, Cause::Missing);
    assert_eq!(recovery.damage[0].from.segment, 3);
    assert!(numbers.len() > 200 && numbers.contains(&1) && numbers.contains(&FRAMES));
}

#[test]
fn nothing_is_lost_when_a_damaged_log_is_written_on() {
    let disk = Disk::new(1);
    write_log(&disk);
    disk.overwrite("00000002.log", 9000, &[0; 100]);
    let (mut log, _, before) = read_log(&disk);
    let mut frame = Frame::new();
    frame.push(None, |bytes| {
        bytes.extend_from_slice(&1000u64.to_le_bytes())
    });
    log.append(&mut VecDeque::from([frame]), 0)
        .expect("there is room");
    log.close(0).expect("it works");
    let (_, recovery, after) = read_log(&disk);
    assert_eq!(recovery.damage.len(), 1);
    assert_eq!(after.len(), before.len() + 1);
}

#[test]
fn a_version_that_is_not_known_is_refused_by_its_number() {
    let disk = Disk::new(1);
    write_log(&disk);
    // Version 3 in both copies of the header, with their checksums.
    let mut header = disk.contents()["00000001.log"][..64].to_vec();
    header[8] = 3;
    let crc = crc32fast::hash(&header[..60]).to_le_bytes();
    header[60..].copy_from_slice(&crc);
    disk.overwrite("00000001.log", 0, &header);
    let error = Log::open(disk.files(), options(), |_| ()).err();
    assert!(
        matches!(error, Some(Error::Version { found: 3, known: 1 })),
        "{error:?}"
    );
}

#[test]
fn two_logs_never_share_a_directory() {
    let disk = Disk::new(1);
    let (log, _) = Log::open(disk.files(), options(), |_| ()).expect("it is free");
    let second = Log::open(disk.files(), Options::default(), |_| ()).err();
    assert!(matches!(second, Some(Error::InUse)));
    drop(log);
    assert!(Log::open(disk.files(), options(), |_| ()).is_ok());
}
