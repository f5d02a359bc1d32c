//! Reading entries back by their keys.
//!
//! An entry is found by going from entry to entry, with nothing checked but its own checksum. If that
//! fails something is damaged, and the frames of the segment are read instead, which can be put right.

use std::ops::Range;
use std::sync::Arc;

use crate::entry::{Entry, entries};
use crate::files::File;
use crate::frame::{ALIGNMENT, HEAD};
use crate::key::Key;
use crate::log::{FRAMES, Scan, Segment};

/// How much is read at once if more of the keys may lie behind the first.
const AHEAD: usize = 64 << 10;

/// Where entries with some keys may lie. It holds the files: they may be removed from the directory
/// meanwhile.
pub struct Reading<F> {
    files: Vec<Source<F>>,
    keys: Vec<Key>,
    places: Vec<Place>,
}

/// The file of a segment, as far as that went when the entries were looked for.
struct Source<F> {
    number: u32,
    file: Arc<F>,
    end: u32,
}

/// A part of a file that one of the keys may be in.
struct Place {
    /// Which of the keys.
    key: usize,
    /// Which of the files.
    file: usize,
    from: u32,
    to: u32,
}

/// Entries that were read back.
#[derive(Clone, Debug, Default)]
pub struct Found {
    bytes: Vec<u8>,
    entries: Vec<(Key, Option<Range<usize>>)>,
}

/// The last part of a file that was read.
struct Window {
    file: usize,
    start: usize,
    bytes: Vec<u8>,
}

impl<F: File> Reading<F> {
    pub(crate) fn new(keys: usize) -> Self {
        Reading {
            files: Vec::new(),
            keys: Vec::with_capacity(keys),
            places: Vec::with_capacity(keys),
        }
    }

    /// The next key. Places for it follow.
    pub(crate) fn key(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// The last key may be in this part of a segment, which begins with an entry.
    pub(crate) fn look_in(&mut self, segment: &Segment<F>, from: u32, to: u32) {
        let of_it = |source: &Source<F>| source.number == segment.number;
        let known = self.files.iter().rposition(of_it);
        let file = known.unwrap_or_else(|| {
            self.files.push(Source {
                number: segment.number,
                file: Arc::clone(&segment.file),
                end: segment.end,
            });
            self.files.len() - 1
        });
        let key = self.keys.len() - 1;
        self.places.push(Place {
            key,
            file,
            from,
            to,
        });
    }

    /// Reads the entries. It is quickest if the keys are in order.
    pub fn run(self) -> Found {
        let mut found = Found::default();
        let mut window = Window {
            file: usize::MAX,
            start: 0,
            bytes: Vec::new(),
        };
        let mut places = self.places.iter().peekable();
        for (number, &key) in self.keys.iter().enumerate() {
            let mut range = None;
            while let Some(place) = places.next_if(|place| place.key == number) {
                let more = number + 1 < self.keys.len();
                if range.is_none() && window.cover(&self.files, place, more) {
                    range = window.find(place, key).map(|content| found.keep(content));
                }
            }
            if range.is_none() {
                let places = self.places.iter().filter(|place| place.key == number);
                let mut sources = places.map(|place| &self.files[place.file]);
                range = sources.find_map(|source| source.search(key, &mut found));
            }
            found.entries.push((key, range));
        }
        found
    }
}

impl<F: File> Source<F> {
    /// Reads frame after frame until one has an entry with this key, and takes that.
    fn search(&self, key: Key, found: &mut Found) -> Option<Range<usize>> {
        let mut scan = Scan::from(&*self.file, self.number, FRAMES, None, self.end);
        loop {
            let Some(frame) = scan.next() else {
                if scan.mend() || scan.skip() {
                    continue;
                }
                return None;
            };
            let mut of_frame = entries(frame.body);
            if let Some(entry) = of_frame.find(|entry| entry.kind.key() == Some(key)) {
                return Some(found.keep(&frame.body[entry.content]));
            }
        }
    }
}

impl Found {
    /// Every key that was asked for, in that order, with the content of its entry; `None` if there
    /// is none with this key, or it is damaged.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Option<&[u8]>)> {
        let content = |range: &Option<Range<usize>>| range.clone().map(|range| &self.bytes[range]);
        self.entries
            .iter()
            .map(move |(key, range)| (*key, content(range)))
    }

    /// Fills in entries that were not found.
    pub(crate) fn complete<'a>(&mut self, find: impl Fn(Key) -> Option<&'a [u8]>) {
        for (key, range) in &mut self.entries {
            if range.is_none()
                && let Some(content) = find(*key)
            {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(content);
                *range = Some(from..self.bytes.len());
            }
        }
    }

    fn keep(&mut self, content: &[u8]) -> Range<usize> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(content);
        from..self.bytes.len()
    }
}

impl Window {
    /// Reads the part of the file that `place` names, unless it is there. False: that failed.
    fn cover<F: File>(&mut self, files: &[Source<F>], place: &Place, more: bool) -> bool {
        let (from, to) = (place.from as usize, place.to as usize);
        if place.file == self.file && self.start <= from && to <= self.start + self.bytes.len() {
            return true;
        }
        let length = if more {
            AHEAD.max(to - from)
        } else {
            to - from
        };
        self.bytes.resize(length, 0);
        self.file = place.file;
        self.start = from;
        let read = files[place.file].file.read_at(&mut self.bytes, from as u64);
        self.bytes.truncate(read.unwrap_or(0));
        to - from <= self.bytes.len()
    }

    /// The content of the entry with this key, if it is there and intact.
    fn find(&self, place: &Place, key: Key) -> Option<&[u8]> {
        let mut at = place.from as usize - self.start;
        let end = place.to as usize - self.start;
        while at < end {
            let Some(entry) = Entry::read(&self.bytes, at) else {
                // The end of a frame: the next one begins at a multiple of 8.
                at = (self.start + at + 1).next_multiple_of(ALIGNMENT) - self.start + HEAD;
                continue;
            };
            if entry.kind.key() == Some(key) {
                let is_intact = entry.is_intact(&self.bytes);
                return is_intact.then(|| &self.bytes[entry.content]);
            }
            at = entry.content.end;
        }
        None
    }
}
