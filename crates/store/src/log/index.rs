//! Where the entries with keys of one segment lie: some of them, so that the others are near.
//!
//! Along a segment, keys of one lane grow, but for those that cleaning has copied there from
//! several segments. So entries form *runs* of one lane with growing keys; a run remembers every
//! [`EVERY`]th entry, or one in [`BYTES`] bytes. An entry of 260 bytes costs one byte here.

use crate::key::Key;

/// Entries of a run from one sample to the next, at most.
const EVERY: u32 = 16;
/// Bytes of a run's entries from one sample to the next, unless one entry is longer.
const BYTES: u32 = 4096;

/// The index of one segment.
#[derive(Debug, Default)]
pub(crate) struct Index {
    runs: Vec<Run>,
}

/// Entries of one lane, with growing keys.
#[derive(Debug)]
struct Run {
    first: Key,
    last: Key,
    kept: bool,
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

impl Index {
    /// Adds the entry from offset `at` to `end`, which lies behind all that were added.
    pub(crate) fn add(&mut self, key: Key, kept: bool, at: u32, end: u32) {
        let of_lane = |run: &&mut Run| run.last.lane() == key.lane() && run.kept == kept;
        match self.runs.iter_mut().rev().find(of_lane) {
            Some(run) if run.last < key => run.add(key, at, end),
            _ => self.runs.push(Run::new(key, kept, at, end)),
        }
    }

    /// Something before the next entry cannot be read, so that nothing is found beyond it by going
    /// from entry to entry.
    pub(crate) fn interrupt(&mut self) {
        self.runs.iter_mut().for_each(|run| run.since = (EVERY, 0));
    }

    /// Where an entry with this key can be.
    pub(crate) fn find(&self, key: Key) -> impl Iterator<Item = Window> {
        let runs = self.runs.iter().filter(move |run| run.spans(key));
        runs.map(move |run| run.window(key))
    }

    /// About how many bytes the entries with the keys of `live` have: never 0 if there is one. The
    /// numbers in `live` are [`by_lane`], in growing order.
    pub(crate) fn live_bytes(&self, live: &[u64]) -> u64 {
        self.runs.iter().map(|run| run.live_bytes(live)).sum()
    }

    /// How much memory it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let samples: usize = self.runs.iter().map(|run| run.samples.capacity()).sum();
        self.runs.capacity() * size_of::<Run>() + samples * size_of::<Sample>()
    }

    /// No more will be added.
    pub(crate) fn finish(&mut self) {
        self.runs.shrink_to_fit();
        self.runs
            .iter_mut()
            .for_each(|run| run.samples.shrink_to_fit());
    }
}

/// The key as a number that sorts by lane, and by key within a lane.
pub(crate) fn by_lane(key: Key) -> u64 {
    key.get().rotate_right(Key::LANES.trailing_zeros())
}

impl Run {
    fn new(key: Key, kept: bool, at: u32, end: u32) -> Self {
        Run {
            first: key,
            last: key,
            kept,
            end,
            entries: 1,
            bytes: u64::from(end - at),
            samples: vec![Sample { key, at }],
            since: (1, end - at),
        }
    }

    fn add(&mut self, key: Key, at: u32, end: u32) {
        if self.since.0 >= EVERY || self.since.1 >= BYTES {
            self.samples.push(Sample { key, at });
            self.since = (0, 0);
        }
        self.since.0 += 1;
        self.since.1 = self.since.1.saturating_add(end - at);
        self.last = key;
        self.end = end;
        self.entries += 1;
        self.bytes += u64::from(end - at);
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

    #[test]
    fn every_entry_is_in_the_window_that_is_given_for_it() {
        let mut index = Index::default();
        for n in 0..1000u32 {
            let key = Key::new(u64::from(n / 2) << 6 | u64::from(n % 2));
            index.add(key, false, 100 * n, 100 * n + 100);
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
        let mut index = Index::default();
        for n in 10..20u32 {
            index.add(
                Key::new(u64::from(n) << 6 | 3),
                false,
                100 * n,
                100 * n + 100,
            );
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
    fn copies_from_several_segments_are_all_found() {
        let mut index = Index::default();
        let keys = [5u64, 9, 7, 8, 6];
        for (n, number) in keys.iter().enumerate() {
            let at = 50 * n as u32;
            index.add(Key::new(number << 6), true, at, at + 50);
        }
        for (n, number) in keys.iter().enumerate() {
            let at = 50 * n as u32;
            let holds = |window: Window| window.from <= at && at + 50 <= window.to;
            assert!(index.find(Key::new(number << 6)).any(holds), "{number}");
        }
    }
}
