//! Reading a log from its beginning: what is replayed, where it ends, and what is damaged.
//!
//! A frame that cannot be read is one of two things. If a later frame, or the existence of a later
//! segment, says that the log was stable beyond it, it is *damage*: it is skipped and reported.
//! Otherwise it is the *torn tail*, which never became stable: the log ends before it, even if
//! later frames are whole, as a disk may write them in any order. A damaged frame with one wrong bit
//! is put right: nothing of it is lost.

use std::fmt;
use std::sync::Arc;

use super::index::{Index, Lanes, Window};
use super::scan::{Scan, Scanned};
use super::segment::{self, FRAMES, Header, Reading, Segment, VERSION};
use crate::entry::{Kind, entries};
use crate::error::Error;
use crate::files::{File, Files};
use crate::key::{Key, Position};

/// An entry that is read when a log is opened.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// By which it can be read back.
    pub key: Option<Key>,
    /// What was written into it.
    pub content: &'a [u8],
    /// The wall time at which its frame was written, in milliseconds since 1970.
    pub time: u64,
}

/// What was found when a log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many frames were replayed.
    pub frames: u64,
    /// How many entries were replayed.
    pub entries: u64,
    /// The greatest wall time of a frame, in milliseconds since 1970.
    pub time: u64,
    /// Whole frames that were cut off, as something before them is missing and they never became
    /// stable.
    pub torn: u64,
    /// Frames with one wrong bit, which was put right.
    pub mended: Vec<Position>,
    /// What is lost although it was stable. A copy of each file concerned is in `quarantine`, if
    /// there was room for it.
    pub damage: Vec<Damage>,
}

/// A part of the log that was stable once and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// Why it cannot be read.
    pub cause: Cause,
}

/// Why a part of the log cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A checksum does not match.
    Checksum,
    /// A file is missing.
    Missing,
    /// The system gives an error.
    Unreadable,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Checksum => "a checksum does not match",
            Cause::Missing => "a file is missing",
            Cause::Unreadable => "the system cannot read it",
        })
    }
}

/// A log that was read.
pub(super) struct Recovered<File> {
    pub(super) segments: Vec<Segment<File>>,
    /// Segments before this one were not replayed.
    pub(super) low: u32,
    pub(super) lanes: Lanes,
    pub(super) recovery: Recovery,
}

/// A segment's file, before its frames have been read.
struct Found<File> {
    number: u32,
    file: Arc<File>,
    length: u32,
    header: Option<Header>,
}

/// Reads all segments in `files`; changes nothing.
pub(super) fn recover<F: Files>(
    files: &F,
    replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<Recovered<F::File>, Error> {
    let found = find(files)?;
    let low = found
        .iter()
        .filter_map(|segment| segment.header)
        .map(|header| header.low)
        .max();
    let low = low.unwrap_or(0);
    let mut recovery = Recovery::default();
    let mut lanes = Lanes::default();
    let mut segments = Vec::with_capacity(found.len());
    let last = found.last().map(|segment| segment.number);
    for segment in found {
        let mut reader = Reader {
            recovery: &mut recovery,
            replay: (segment.number >= low).then_some(&mut *replay),
            is_last: Some(segment.number) == last,
            lanes: &mut lanes,
        };
        reader.check_header(&segment, segments.last(), low);
        segments.push(reader.read(segment));
    }
    Ok(Recovered {
        segments,
        low,
        lanes,
        recovery,
    })
}

/// The segments in a directory, in order.
fn find<F: Files>(files: &F) -> Result<Vec<Found<F::File>>, Error> {
    let names = files
        .list()
        .map_err(|error| Error::io("list", "the directory", error))?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| segment::number(name))
        .collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| open(files, number))
        .collect()
}

fn open<F: Files>(files: &F, number: u32) -> Result<Found<F::File>, Error> {
    let name = segment::name(number);
    let file = files
        .open(&name)
        .map_err(|error| Error::io("open", &name, error))?;
    let length = file
        .len()
        .map_err(|error| Error::io("measure", &name, error))?;
    let mut page = vec![0; FRAMES as usize];
    let read = file.read_at(&mut page, 0).unwrap_or(0);
    let header = match Header::decode(&page[..read]) {
        Reading::Header(header) => Some(header).filter(|header| header.number == number),
        Reading::Damaged => None,
        Reading::Version(found) => {
            return Err(Error::Version {
                found,
                known: VERSION,
            });
        }
    };
    Ok(Found {
        number,
        file: Arc::new(file),
        length: length.min(u32::MAX.into()) as u32,
        header,
    })
}

/// What reads one segment.
struct Reader<'a> {
    recovery: &'a mut Recovery,
    /// None: its entries are to be found by key only.
    replay: Option<&'a mut dyn FnMut(Replayed<'_>)>,
    is_last: bool,
    lanes: &'a mut Lanes,
}

impl Reader<'_> {
    /// Notes a damaged header, and files that are missing before it.
    fn check_header<F>(&mut self, found: &Found<F>, before: Option<&Segment<F>>, low: u32) {
        let start = Position::new(found.number, 0);
        let Some(header) = found.header else {
            return self.damaged(start, Position::new(found.number, FRAMES), Cause::Checksum);
        };
        let expected = header.before.segment;
        let is_there = before.is_some_and(|before| before.number >= expected);
        if expected >= low.max(1) && !is_there {
            let from = before.map_or(low, |before| before.number + 1);
            self.damaged(Position::new(from, 0), header.before, Cause::Missing);
        }
    }

    /// Reads the frames.
    fn read<F: File>(&mut self, found: Found<F>) -> Segment<F> {
        let mut index = Index::default();
        let mut scan = Scan::new(&*found.file, found.number, found.length);
        let end = loop {
            while let Some(frame) = scan.next() {
                self.take(&frame, &mut index);
            }
            let end = scan.at();
            if end >= found.length || (self.is_last && !self.is_vouched_for(&found, end)) {
                break end.min(found.length);
            }
            let position = |at| Position::new(found.number, at);
            if scan.mend() {
                self.recovery.mended.push(position(end));
                continue;
            }
            let goes_on = scan.skip();
            let to = if goes_on { scan.at() } else { found.length };
            let cause = match scan.is_unreadable() {
                true => Cause::Unreadable,
                false => Cause::Checksum,
            };
            self.damaged(position(end), position(to), cause);
            if !goes_on {
                break found.length;
            }
            index.interrupt();
        };
        index.finish();
        Segment {
            number: found.number,
            file: found.file,
            end: end.max(FRAMES),
            disk: found.length,
            index,
        }
    }

    /// Whether the log was stable beyond the invalid frame at `at` of the last segment.
    fn is_vouched_for<F: File>(&mut self, found: &Found<F>, at: u32) -> bool {
        let mut scan = Scan::from(&*found.file, found.number, at, None, found.length);
        let mut frames = 0;
        while scan.skip() {
            while let Some(frame) = scan.next() {
                if frame.head.stable > Position::new(found.number, at) {
                    return true;
                }
                frames += 1;
            }
        }
        self.recovery.torn += frames;
        false
    }

    fn take(&mut self, frame: &Scanned<'_>, index: &mut Index) {
        self.recovery.time = self.recovery.time.max(frame.head.time);
        self.recovery.frames += u64::from(self.replay.is_some());
        for entry in entries(frame.body) {
            if let Some(key) = entry.kind.key() {
                let window = Window {
                    from: frame.body_at + entry.at as u32,
                    to: frame.body_at + entry.content.end as u32,
                };
                index.add(key, window, self.lanes);
            }
            let key = match entry.kind {
                Kind::Kept(_) => continue,
                kind => kind.key(),
            };
            if let Some(replay) = &mut self.replay {
                self.recovery.entries += 1;
                replay(Replayed {
                    key,
                    content: &frame.body[entry.content],
                    time: frame.head.time,
                });
            }
        }
    }

    fn damaged(&mut self, from: Position, to: Position, cause: Cause) {
        self.recovery.damage.push(Damage { from, to, cause });
    }
}
