//! A log beside a list of what was appended to it: what must be there after a crash.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dunlin_store::files::simulated::{Disk, SimulatedFiles};
use dunlin_store::{Error, Frame, Key, Log, Options, Recovery};

/// Random numbers from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Entries of one frame.
pub(crate) type Entries = Vec<(Option<Key>, Vec<u8>)>;

/// From where on a log is replayed, and what can be read back.
#[derive(Clone, Debug, Default)]
struct Checkpoint {
    /// The number of its first frame.
    first: usize,
    /// Keys from before that are kept.
    kept: BTreeSet<Key>,
}

/// What was done to a log.
pub(crate) struct Model {
    pub(crate) disk: Disk,
    pub(crate) options: Options,
    pub(crate) random: Random,
    /// Every frame appended, in order.
    pub(crate) frames: Vec<Entries>,
    /// How many of them are stable.
    pub(crate) stable: usize,
    /// Contents of all entries with a key, lost ones too: no key is used twice.
    contents: BTreeMap<Key, Vec<u8>>,
    /// Those that something may still refer to.
    alive: BTreeSet<Key>,
    checkpoint: Checkpoint,
    /// One that may have become stable or not.
    unsure: Option<Checkpoint>,
    counters: [u64; 3],
}

pub(crate) fn options() -> Options {
    Options {
        segment: 16 << 10,
        reserve: 16 << 10,
        reuse: 48 << 10,
        ..Options::default()
    }
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        Model {
            disk: Disk::new(seed),
            options: options(),
            random: Random(!seed),
            frames: Vec::new(),
            stable: 0,
            contents: BTreeMap::new(),
            alive: BTreeSet::new(),
            checkpoint: Checkpoint::default(),
            unsure: None,
            counters: [1; 3],
        }
    }

    /// Appends one frame, which refers to `refers`.
    pub(crate) fn append(
        &mut self,
        log: &mut Log<SimulatedFiles>,
        refers: &[Key],
    ) -> Result<(), Error> {
        let number = self.frames.len() as u64;
        let mut plain = number.to_le_bytes().to_vec();
        plain.resize(8 + self.random.below(60), 0xa5);
        let mut entries = vec![(None, plain)];
        for _ in 0..self.random.below(4) {
            let key = self.new_key();
            let length = match self.random.below(60) {
                0 => 20_000, // Longer than a segment.
                1..5 => 3000,
                _ => self.random.below(300),
            };
            let content: Vec<u8> = (0..length).map(|_| self.random.below(256) as u8).collect();
            self.contents.insert(key, content.clone());
            entries.push((Some(key), content));
        }
        // Now and then an entry is written once more.
        if self.random.below(4) == 0 && !self.alive.is_empty() {
            let at = self.random.below(self.alive.len());
            let key = *self.alive.iter().nth(at).expect("there are so many");
            entries.push((Some(key), self.contents[&key].clone()));
        }
        let mut frame = Frame::new();
        for (key, content) in &entries {
            frame.push(*key, |bytes| bytes.extend_from_slice(content));
        }
        refers.iter().for_each(|key| frame.refer(*key));
        self.alive
            .extend(entries.iter().filter_map(|(key, _)| *key));
        self.frames.push(entries);
        let appended = log.append(&mut VecDeque::from([frame]), 1_000 + number);
        if let Err(Error::Full(_) | Error::Poisoned) = appended {
            self.frames.pop();
        }
        appended
    }

    fn new_key(&mut self) -> Key {
        let lane = self.random.below(self.counters.len());
        self.counters[lane] += 1;
        Key::new(self.counters[lane] << 6 | lane as u64)
    }

    pub(crate) fn sync(&mut self, log: &mut Log<SimulatedFiles>) -> Result<(), Error> {
        log.sync()?;
        self.stable = self.frames.len();
        Ok(())
    }

    /// Forgets some of the keys.
    pub(crate) fn forget(&mut self) {
        let share = 1 + self.random.below(10);
        let random = &mut self.random;
        self.alive.retain(|_| random.below(10) >= share);
    }

    /// Forgets all keys.
    pub(crate) fn forget_all(&mut self) {
        self.alive.clear();
    }

    /// Makes a checkpoint, with other frames between those that refer to what is alive.
    pub(crate) fn checkpoint(&mut self, log: &mut Log<SimulatedFiles>) -> Result<(), Error> {
        log.begin_checkpoint()?;
        self.stable = self.frames.len();
        let first = self.frames.len();
        let alive: Vec<Key> = self.alive.iter().copied().collect();
        for some in alive.chunks(20) {
            self.append(log, some)?;
            if self.random.below(3) == 0 {
                self.append(log, &[])?;
            }
            if self.random.below(5) == 0 {
                self.sync(log)?;
            }
        }
        self.unsure = Some(Checkpoint {
            first,
            kept: alive.into_iter().collect(),
        });
        log.end_checkpoint()?;
        self.stable = self.frames.len();
        self.checkpoint = self.unsure.take().expect("it was just set");
        Ok(())
    }

    /// Does something that a broker might do.
    pub(crate) fn step(&mut self, log: &mut Log<SimulatedFiles>) -> Result<(), Error> {
        match self.random.below(40) {
            0 => self.checkpoint(log),
            1..4 => {
                self.forget();
                Ok(())
            }
            4..12 => log.clean(1).map(drop),
            12..24 => self.sync(log),
            24..26 if !self.disk.is_down() => {
                self.check_reads(log);
                Ok(())
            }
            _ => self.append(log, &[]),
        }
    }

    /// Opens the log again and checks that it has what it must have.
    pub(crate) fn reopen(&mut self) -> (Log<SimulatedFiles>, Recovery) {
        let mut replayed: Vec<Entries> = Vec::new();
        let (log, recovery) = Log::open(self.disk.files(), self.options.clone(), |entry| {
            if entry.key.is_none() {
                replayed.push(Vec::new());
            }
            let frame = replayed.last_mut().expect("frames begin without a key");
            frame.push((entry.key, entry.content.to_vec()));
        })
        .expect("the log opens");
        assert_eq!(recovery.damage, [], "nothing is damaged");
        self.check_replayed(replayed);
        self.check_reads(&log);
        (log, recovery)
    }

    fn check_replayed(&mut self, replayed: Vec<Entries>) {
        let number = |entries: &Entries| {
            u64::from_le_bytes(entries[0].1[..8].try_into().expect("eight bytes")) as usize
        };
        let first = replayed.first().map(number);
        if let Some(unsure) = self.unsure.take()
            && first.is_none_or(|first| first >= unsure.first)
        {
            self.checkpoint = unsure;
        }
        let from = self.checkpoint.first;
        assert_eq!(first.unwrap_or(from), from, "the first that is replayed");
        let to = from + replayed.len();
        assert!(to >= self.stable, "stable: {}, there: {to}", self.stable);
        assert!(replayed == self.frames[from..to], "frames {from} to {to}");
        self.frames.truncate(to);
        self.stable = to;
        let there = self.readable();
        self.alive.retain(|key| there.contains(key));
    }

    /// The keys that must be found.
    fn readable(&self) -> BTreeSet<Key> {
        let since = self.frames[self.checkpoint.first..].iter().flatten();
        let mut keys: BTreeSet<Key> = since.filter_map(|(key, _)| *key).collect();
        keys.extend(&self.checkpoint.kept);
        keys
    }

    pub(crate) fn check_reads(&self, log: &Log<SimulatedFiles>) {
        let keys: Vec<Key> = self.readable().into_iter().collect();
        let found = log.locate(&keys).run();
        assert_eq!(found.iter().count(), keys.len());
        for (key, content) in found.iter() {
            assert_eq!(content, Some(&self.contents[&key][..]), "{key:?}");
        }
    }
}
