//! Where the entries with keys of one segment lie: some of them, so that the others are near.
//!
//! As a rule, keys of one lane grow along the log. Such entries form a *run* in each segment, which
//! remembers every [`EVERY`]th of them, or one in [`BYTES`] bytes: so an entry of 260 bytes costs
//! one byte here. Entries that were written once more, by cleaning or in a checkpoint, form runs of
//! their own as far as their keys grow; the others are *strays*, each of them remembered.

use std::collections::BTreeMap;

use crate::key::Key;

/// Entries of a run from one sample to the next, at most.
const EVERY: u32 = 16;
/// Bytes of a run's entries from one sample to the next, unless one entry is longer.
const BYTES: u32 = 4096;

/// The index of one segment.
#[derive(Debug, Default)]
pub(crate) struct Index {
    runs: Vec<Run>,
    strays: BTreeMap<Key, Window>,
}

/// The last keys of all lanes, along the log.
#[derive(Debug)]
pub(crate) struct Lanes([Option<Key>; Key::LANES]);

/// Entries of one lane, with growing keys.
#[derive(Debug)]
struct Run {
    first: Key,
    last: Key,
    /// Whether these were written here for the first time.
    is_first: bool,
    /// Where the last one ends.
    end: u32,
    entries: u64,
    /// Of all entries together.
    bytes: u64,
    samples: Vec<Sample>,
    /// Entries and bytes since the last sample.
    since: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    key: Key,
    at: u32,
}

/// A part of a segment, in which an entry is if the segment has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Default for Lanes {
    fn default() -> Self {
        Lanes([None; Key::LANES])
    }
}

impl Lanes {
    /// Whether the key is beyond all of its lane that came before.
    fn is_first(&mut self, key: Key) -> bool {
        let last = &mut self.0[key.lane()];
        let is_first = last.is_none_or(|last| last < key);
        if is_first {
            *last = Some(key);
        }
        is_first
    }
}

impl Index {
    /// Adds the entry at `window`, which lies behind all that were added.
    pub(crate) fn add(&mut self, key: Key, window: Window, lanes: &mut Lanes) {
        let is_first = lanes.is_first(key);
        let of_lane = |run: &&mut Run| run.last.lane() == key.lane() && run.is_first == is_first;
        match self.runs.iter_mut().find(of_lane) {
            None => self.runs.push(Run::new(key, is_first, window)),
            Some(run) if run.last < key => run.add(key, window),
            Some(_) => {
                self.strays.insert(key, window);
            }
        }
    }

    /// Where an entry with this key can be.
    pub(crate) fn find(&self, key: Key) -> impl Iterator<Item = Window> {
        let runs = self.runs.iter().filter(move |run| run.spans(key));
        let stray = self.strays.get(&key).copied();
        runs.map(move |run| run.window(key)).chain(stray)
    }

    /// About how many bytes the entries with the keys of `live` have: never 0 if there is one. The
    /// numbers in `live` are [`by_lane`], in growing order.
    pub(crate) fn live_bytes(&self, live: &[u64]) -> u64 {
        let is_live = |key: Key| live.binary_search(&by_lane(key)).is_ok();
        let strays = self.strays.iter().filter(|(key, _)| is_live(**key));
        let strays: u64 = strays.map(|(_, window)| window.length()).sum();
        let runs: u64 = self.runs.iter().map(|run| run.live_bytes(live)).sum();
        strays + runs
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let samples: usize = self.runs.iter().map(|run| run.samples.capacity()).sum();
        self.runs.capacity() * size_of::<Run>()
            + samples * size_of::<Sample>()
            + self.strays.len() * size_of::<(Key, Window)>()
    }

    /// No more will be added.
    pub(crate) fn finish(&mut self) {
        self.runs.shrink_to_fit();
        self.runs
            .iter_mut()
            .for_each(|run| run.samples.shrink_to_fit());
    }

    /// Something before the next entry cannot be read, so that nothing is found beyond it by going
    /// from entry to entry.
    pub(crate) fn interrupt(&mut self) {
        self.runs.iter_mut().for_each(|run| run.since = (EVERY, 0));
    }
}

/// The key as a number that sorts by lane, and by key within a lane.
pub(crate) fn by_lane(key: Key) -> u64 {
    key.get().rotate_right(Key::LANES.trailing_zeros())
}

impl Window {
    fn length(self) -> u64 {
        u64::from(self.to - self.from)
    }
}

impl Run {
    fn new(key: Key, is_first: bool, window: Window) -> Self {
        let mut run = Run {
            first: key,
            last: key,
            is_first,
            end: window.to,
            entries: 0,
            bytes: 0,
            samples: Vec::new(),
            since: (EVERY, 0),
        };
        run.add(key, window);
        run
    }

    fn add(&mut self, key: Key, window: Window) {
        if self.since.0 >= EVERY || self.since.1 >= BYTES {
            let at = window.from;
            self.samples.push(Sample { key, at });
            self.since = (0, 0);
        }
        let length = window.to - window.from;
        self.since.0 += 1;
        self.since.1 = self.since.1.saturating_add(length);
        self.last = key;
        self.end = window.to;
        self.entries += 1;
        self.bytes += u64::from(length);
    }

    fn spans(&self, key: Key) -> bool {
        key.lane() == self.last.lane() && self.first <= key && key <= self.last
    }

    fn window(&self, key: Key) -> Window {
        let after = self.samples.partition_point(|sample| sample.key <= key);
        Window {
            from: self.samples[after - 1].at,
            to: self.samples.get(after).map_or(self.end, |next| next.at),
        }
    }

    fn live_bytes(&self, live: &[u64]) -> u64 {
        let from = live.partition_point(|key| *key < by_lane(self.first));
        let to = live.partition_point(|key| *key <= by_lane(self.last));
        let count = (to - from) as u64;
        // Rounded up, and as if entries were of one length.
        (self.bytes * count.min(self.entries)).div_ceil(self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: u32) -> Window {
        let to = from + 100;
        Window { from, to }
    }

    #[test]
    fn every_entry_is_in_the_window_that_is_given_for_it() {
        let (mut index, mut lanes) = (Index::default(), Lanes::default());
        for n in 0..1000u32 {
            let key = Key::new(u64::from(n / 2) << 6 | u64::from(n % 2));
            index.add(key, window(100 * n), &mut lanes);
        }
        for n in 0..1000u32 {
            let key = Key::new(u64::from(n / 2) << 6 | u64::from(n % 2));
            let windows: Vec<_> = index.find(key).collect();
            assert_eq!(windows.len(), 1);
            assert!(windows[0].from <= 100 * n && 100 * n + 100 <= windows[0].to);
            assert!(windows[0].to - windows[0].from <= 2 * 100 * EVERY);
        }
        assert_eq!(index.find(Key::new(500 << 6)).count(), 0);
        assert_eq!(index.find(Key::new(7 << 6 | 2)).count(), 0);
        assert!(index.memory() < 1000 * 4, "{}", index.memory());
    }

    #[test]
    fn live_bytes_are_those_of_the_keys_within() {
        let (mut index, mut lanes) = (Index::default(), Lanes::default());
        for n in 10..20u32 {
            let key = Key::new(u64::from(n) << 6 | 3);
            index.add(key, window(100 * n), &mut lanes);
        }
        let mut live: Vec<u64> = [(3, 3), (12, 3), (19, 3), (25, 3), (12, 4)]
            .iter()
            .map(|(number, lane)| by_lane(Key::new(number << 6 | lane)))
            .collect();
        live.sort_unstable();
        assert_eq!(index.live_bytes(&live), 200);
        assert_eq!(index.live_bytes(&[]), 0);
    }

    #[test]
    fn entries_in_any_order_are_all_found() {
        let (mut index, mut lanes) = (Index::default(), Lanes::default());
        let keys = [5u64, 9, 7, 8, 6];
        for (n, number) in keys.iter().enumerate() {
            let key = Key::new(number << 6);
            index.add(key, window(100 * n as u32), &mut lanes);
        }
        for (n, number) in keys.iter().enumerate() {
            let at = 100 * n as u32;
            let holds = |window: Window| window.from <= at && at + 100 <= window.to;
            assert!(index.find(Key::new(number << 6)).any(holds), "{number}");
        }
    }
}
