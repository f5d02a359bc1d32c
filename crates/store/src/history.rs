//! Reading the log from some place on, in its order.

use std::ops::Range;
use std::sync::Arc;

use crate::entry::{Kind, entries};
use crate::files::File;
use crate::frame::{HEAD, Head};
use crate::key::{Key, Position};
use crate::log::FRAMES;
use crate::log::Scan;

/// Entries that one reading gives at most, but for those of its last frame.
const ENTRIES: usize = 64;
/// Bytes of frames that one reading looks at, but for its last frame.
const BYTES: u32 = 1 << 20;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first entry that there is.
    First,
    /// With the first frame that was written at this time (milliseconds since 1970) or later.
    Time(u64),
    /// After the entry at this position.
    After(Position),
    /// Where an earlier reading ended.
    Cursor(Position),
}

/// A part of the log that can be read; nothing of it will change. It holds the files: they may be
/// removed from the directory meanwhile.
pub struct History<F> {
    pub(crate) parts: Vec<Part<F>>,
    pub(crate) start: Start,
    /// Nothing behind this has been looked at.
    pub(crate) end: Position,
}

/// A segment, as far as it can be read.
pub(crate) struct Part<F> {
    pub(crate) number: u32,
    pub(crate) file: Arc<F>,
    pub(crate) end: u32,
}

/// Entries with keys, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Past {
    bytes: Vec<u8>,
    entries: Vec<PastEntry>,
    /// Where to go on, as a [`Start::Cursor`].
    pub next: Position,
}

#[derive(Clone, Debug)]
struct PastEntry {
    position: Position,
    time: u64,
    key: Key,
    content: Range<usize>,
}

impl<F: File> History<F> {
    /// Reads the next entries: at least one, unless there is none within the next megabyte.
    pub fn run(self) -> Past {
        let (first, from) = match self.start {
            Start::First => (0, FRAMES),
            Start::Time(time) => (self.last_before(time), FRAMES),
            Start::After(position) => (self.place(position.segment), FRAMES),
            Start::Cursor(position) => {
                let first = self.place(position.segment);
                let is_there = self.parts.get(first).map(|part| part.number);
                let is_there = is_there == Some(position.segment);
                (first, if is_there { position.offset } else { FRAMES })
            }
        };
        let mut past = Past {
            next: self.end,
            ..Past::default()
        };
        let mut looked_at = 0;
        for (number, part) in self.parts.iter().enumerate().skip(first) {
            let from = if number == first { from } else { FRAMES };
            let mut scan = Scan::from(&*part.file, part.number, from, None, part.end);
            while scan.at() < part.end {
                if past.entries.len() >= ENTRIES || looked_at >= BYTES {
                    past.next = Position::new(part.number, scan.at());
                    return past;
                }
                let at = scan.at();
                let Some(frame) = scan.next() else {
                    if !scan.mend() && !scan.skip() {
                        break;
                    }
                    continue;
                };
                looked_at += frame.head.frame_length();
                let body_at = Position::new(part.number, at + HEAD as u32);
                past.take(&frame.head, frame.body, body_at, self.start);
            }
        }
        past
    }

    /// The place of a segment, or of the first after it.
    fn place(&self, segment: u32) -> usize {
        self.parts.partition_point(|part| part.number < segment)
    }

    /// The last segment that begins before a time, or the first of all. One without frames says
    /// nothing.
    fn last_before(&self, time: u64) -> usize {
        let begins = |part: &Part<F>| first_time(&*part.file, part.number);
        let is_before = |part: &Part<F>| begins(part).is_some_and(|first| first < time);
        self.parts.iter().rposition(is_before).unwrap_or(0)
    }
}

/// When the first frame of a segment was written, if there is one.
pub(crate) fn first_time<F: File>(file: &F, segment: u32) -> Option<u64> {
    let mut bytes = [0; HEAD];
    let read = file.read_at(&mut bytes, FRAMES.into()).ok()?;
    let position = Position::new(segment, FRAMES);
    let (head, _) = (read == HEAD).then(|| Head::decode(&bytes, position))??;
    Some(head.time)
}

impl Past {
    /// Every entry: its position, the time at which it was written (milliseconds since 1970), its key
    /// and its content.
    pub fn iter(&self) -> impl Iterator<Item = (Position, u64, Key, &[u8])> {
        self.entries.iter().map(|entry| {
            let content = &self.bytes[entry.content.clone()];
            (entry.position, entry.time, entry.key, content)
        })
    }

    /// Takes the entries of a frame that are wanted.
    fn take(&mut self, head: &Head, body: &[u8], body_at: Position, start: Start) {
        if matches!(start, Start::Time(time) if head.time < time) {
            return;
        }
        for entry in entries(body) {
            let position = Position::new(body_at.segment, body_at.offset + entry.at as u32);
            let is_before = matches!(start, Start::After(last) if position <= last);
            if let Kind::Keyed(key) = entry.kind
                && !is_before
            {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(&body[entry.content]);
                self.entries.push(PastEntry {
                    position,
                    time: head.time,
                    key,
                    content: from..self.bytes.len(),
                });
            }
        }
    }
}
