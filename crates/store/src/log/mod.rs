//! The log: segments of frames, written at its end and read anywhere.

mod checkpoint;
mod index;
mod inspect;
mod recover;
mod scan;
mod segment;
mod space;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use self::checkpoint::{Checkpoint, Cleaning};
use self::index::{Index, Lanes, Window};
use self::space::Spare;
use crate::entry::entries;
use crate::error::Error;
use crate::files::{File, Files};
use crate::frame::{Frame, HEAD};
use crate::history::{History, Part, Start};
use crate::key::{Key, Position};
use crate::read::Reading;
use crate::service::Commit;

pub use inspect::{Inspected, Inspection, inspect};
pub use recover::{Cause, Damage, Recovery, Replayed};
pub(crate) use scan::Scan;
pub(crate) use segment::{FRAMES, Segment};

/// How many bytes are written at once, unless a frame is longer.
const WRITE: usize = 1 << 20;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a segment is, in bytes; a frame that is longer gets a segment of its own. From
    /// 8 KiB to 1 GiB.
    pub segment: u32,
    /// How many bytes the log may take on disk.
    pub limit: u64,
    /// How many bytes of that are kept in reserve for a checkpoint and for what ends work in
    /// progress: see [`Log::is_full`]. Three segments are enough for a checkpoint whose frames fit
    /// into one.
    pub reserve: u64,
    /// How many bytes of segments that are not needed any more stay on disk beyond the reserve, to be
    /// written again, while the log takes less than half of its limit. A start gives them back.
    pub reuse: u64,
    /// What stays after it is needed, so that it can be read again.
    pub retention: Option<Retention>,
}

/// How long entries with keys stay in the log though nothing refers to them. Whole segments stay or
/// go: what is a little older may still be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For that many milliseconds.
    pub age: u64,
    /// As long as newer segments have fewer bytes than that together.
    pub size: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment: 8 << 20,
            limit: u64::MAX,
            reserve: 24 << 20,
            reuse: 64 << 20,
            retention: None,
        }
    }
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many segments there are.
    pub segments: u64,
    /// Bytes in frames.
    pub bytes: u64,
    /// Bytes on disk, with what is reserved.
    pub disk: u64,
    /// Bytes in frames that the last checkpoint has left: the entries that were referred to, and
    /// [`Statistics::state`]; 0 if there was none since the log was opened.
    pub live: u64,
    /// Bytes in the frames of the last checkpoint; 0 if there was none since the log was opened.
    pub state: u64,
    /// Bytes in frames that came after those.
    pub since: u64,
    /// Bytes in frames written since the log was opened.
    pub written: u64,
    /// How often the log was made stable since it was opened.
    pub syncs: u64,
    /// Frames that cleaning has found damaged since the log was opened.
    pub damaged: u64,
    /// Frames with one wrong bit that cleaning has put right since the log was opened.
    pub mended: u64,
    /// Memory of the index of keys, in bytes.
    pub index: u64,
}

/// A log in a directory of its own. One thread writes; [`Reading`]s can be carried out by others.
pub struct Log<F: Files> {
    files: F,
    options: Options,
    /// In order of their numbers.
    segments: Vec<Segment<F::File>>,
    /// Whether frames can be added to the last one.
    is_writing: bool,
    /// The checksum of the last frame's header in that; 0 if there is none.
    last_crc: u32,
    /// Segments before this one are not replayed.
    low: u32,
    lanes: Lanes,
    stable: Position,
    /// Whether something was written that is not stable.
    is_unsynced: bool,
    is_poisoned: bool,
    /// Those that were written before come first.
    spares: VecDeque<Spare<F::File>>,
    spares_made: u32,
    is_full: bool,
    checkpoint: Option<Checkpoint>,
    cleaning: Option<Cleaning>,
    statistics: Statistics,
    // Kept for its memory.
    buffer: Vec<u8>,
}

impl<F: Files> Log<F> {
    /// Opens the log in `files`, or begins one, and gives every entry since the last checkpoint to
    /// `replay`, in order. A tail that never became stable is cut; damage is left out.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Version`], and [`Error::Io`] for what cannot be listed, opened or
    /// made stable.
    pub fn open(
        mut files: F,
        options: Options,
        mut replay: impl FnMut(Replayed<'_>),
    ) -> Result<(Self, Recovery), Error> {
        let locked = files
            .lock()
            .map_err(|error| Error::io("lock", "the directory", error))?;
        if !locked {
            return Err(Error::InUse);
        }
        let recovered = recover::recover(&files, &mut replay)?;
        let mut log = Log {
            files,
            options,
            segments: recovered.segments,
            is_writing: false,
            last_crc: 0,
            low: recovered.low.max(1),
            lanes: recovered.lanes,
            stable: Position::default(),
            is_unsynced: false,
            is_poisoned: false,
            spares: VecDeque::new(),
            spares_made: 0,
            is_full: false,
            checkpoint: None,
            cleaning: None,
            statistics: Statistics::default(),
            buffer: Vec::new(),
        };
        log.quarantine(&recovered.recovery);
        // Seals the last segment: what follows goes into a new one.
        log.is_writing = !log.segments.is_empty();
        log.seal()?;
        log.find_spares()?;
        log.statistics.syncs = 0;
        log.statistics.bytes = log.segments.iter().map(Segment::bytes).sum();
        log.statistics.since = log.statistics.bytes;
        Ok((log, recovered.recovery))
    }

    /// Writes frames at the end, in order, and takes them out of `frames`; they are stable after
    /// the next [`Log::sync`]. `time` is the wall time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`]: the frames that are left in `frames` are not in the log. It
    /// may be tried again. [`Error::FrameTooLong`], [`Error::Poisoned`].
    pub fn append(&mut self, frames: &mut VecDeque<Frame>, time: u64) -> Result<(), Error> {
        while let Some(frame) = frames.front() {
            if self.is_poisoned {
                return Err(Error::Poisoned);
            }
            let length = frame.len();
            if length > Frame::MAXIMUM {
                return Err(Error::FrameTooLong(length));
            }
            if !self.has_room(length) {
                self.begin_segment(length)?;
            }
            self.write(frames, time)?;
        }
        Ok(())
    }

    /// Makes stable what has been appended.
    ///
    /// # Errors
    /// [`Error::Io`], and then [`Error::Poisoned`] whatever is done.
    pub fn sync(&mut self) -> Result<(), Error> {
        if self.is_poisoned {
            return Err(Error::Poisoned);
        }
        if let Some(segment) = self.segments.last()
            && self.is_unsynced
        {
            let (number, end) = (segment.number, segment.end());
            let synced = segment.file.sync();
            self.or_poison(&segment::name(number), synced)?;
            self.stable = end;
            self.is_unsynced = false;
        }
        Ok(())
    }

    /// Makes all stable and ends. A last frame without entries says that all before it was stable,
    /// so that damage to it is recognised.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`].
    pub fn close(mut self, time: u64) -> Result<(), Error> {
        self.sync()?;
        if self.is_writing {
            self.append(&mut VecDeque::from([Frame::new()]), time)?;
        }
        self.seal()
    }

    /// What has to be done to read entries back, of those that have been appended. Carrying it out
    /// needs no access to the log.
    pub fn locate(&self, keys: &[Key]) -> Reading<F::File> {
        let mut reading = Reading::new(keys.len());
        for &key in keys {
            reading.key(key);
            for segment in &self.segments {
                for window in segment.index.find(key) {
                    reading.look_in(segment, window.from, window.to);
                }
            }
        }
        reading
    }

    /// The part of the log that begins with `start` and ends with the last frame that is stable;
    /// with the last one that was written, if nothing is made stable. None: there is nothing in it
    /// yet. Carrying it out needs no access to the log.
    pub fn history(&self, start: Start, commit: Commit) -> Option<History<F::File>> {
        let last = self.segments.last()?;
        let sealed = self.segments.iter().rev().skip(1).map(Segment::end).next();
        let end = match commit {
            Commit::Fsync if self.is_writing => self.stable.max(sealed.unwrap_or_default()),
            Commit::Fsync | Commit::Os => last.end(),
        };
        if end == Position::default() {
            return None;
        }
        if matches!(start, Start::Cursor(cursor) if cursor >= end) {
            return None;
        }
        let readable = self
            .segments
            .iter()
            .filter(|segment| segment.number <= end.segment);
        let parts = readable.map(|segment| Part {
            number: segment.number,
            file: Arc::clone(&segment.file),
            end: match segment.number == end.segment {
                true => end.offset,
                false => segment.end,
            },
        });
        Some(History {
            parts: parts.collect(),
            start,
            end,
        })
    }

    /// Whether something could not be made stable: see [`Error::Poisoned`].
    pub fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// What it holds.
    pub fn statistics(&self) -> Statistics {
        let index = self
            .segments
            .iter()
            .map(|segment| segment.index.memory() as u64);
        Statistics {
            segments: self.segments.len() as u64,
            disk: self.disk(),
            index: index.sum(),
            ..self.statistics
        }
    }

    /// What is counted as it changes: all of [`Log::statistics`] but `segments`, `disk` and `index`.
    pub(crate) fn counted(&self) -> &Statistics {
        &self.statistics
    }

    /// Whether a frame of this length fits into the segment that is written.
    fn has_room(&self, length: usize) -> bool {
        let segment = self.segments.last().filter(|_| self.is_writing);
        segment.is_some_and(|segment| length <= (segment.disk - segment.end) as usize)
    }

    /// Writes as many frames as fit into this segment and into one write.
    fn write(&mut self, frames: &mut VecDeque<Frame>, time: u64) -> Result<(), Error> {
        let segment = self
            .segments
            .last_mut()
            .expect("there is one that has room");
        let room = (segment.disk - segment.end) as usize;
        let (mut crc, mut count) = (self.last_crc, 0);
        self.buffer.clear();
        for frame in &*frames {
            let length = self.buffer.len() + frame.len();
            if count > 0 && length > WRITE.min(room) {
                break;
            }
            let position = Position::new(segment.number, segment.end + self.buffer.len() as u32);
            crc = frame.write(&mut self.buffer, position, crc, time, self.stable);
            count += 1;
        }
        self.is_unsynced = true;
        let written = segment.file.write_at(&self.buffer, segment.end.into());
        written.map_err(|error| Error::io("write", &segment::name(segment.number), error))?;
        self.last_crc = crc;
        self.statistics.bytes += self.buffer.len() as u64;
        self.statistics.written += self.buffer.len() as u64;
        self.statistics.since += self.buffer.len() as u64;
        for frame in frames.drain(..count) {
            add_to_index(&mut segment.index, &frame, segment.end, &mut self.lanes);
            segment.end += frame.len() as u32;
            if let Some(checkpoint) = &mut self.checkpoint {
                checkpoint.refers.extend_from_slice(frame.refers());
            }
        }
        if self.buffer.capacity() > 2 * WRITE {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn sync_directory(&mut self) -> Result<(), Error> {
        let synced = self.files.sync();
        self.or_poison("the directory", synced)
    }

    /// After a failure to make something stable, nobody knows what of it is.
    fn or_poison(&mut self, file: &str, synced: io::Result<()>) -> Result<(), Error> {
        self.statistics.syncs += 1;
        synced.map_err(|error| {
            self.is_poisoned = true;
            Error::Io {
                action: "sync",
                file: file.to_owned(),
                source: error.into(),
            }
        })
    }

    /// Puts aside a copy of each file that is damaged, as far as there is room.
    fn quarantine(&self, recovery: &Recovery) {
        let files = recovery
            .damage
            .iter()
            .filter(|damage| damage.cause != Cause::Missing);
        let mut numbers: Vec<u32> = files.map(|damage| damage.from.segment).collect();
        numbers.dedup();
        for number in numbers {
            // Without a copy, the damage is still reported.
            let _ = self.files.quarantine(&segment::name(number));
        }
    }
}

/// Adds a frame that was written at `at`.
fn add_to_index(index: &mut Index, frame: &Frame, at: u32, lanes: &mut Lanes) {
    let body_at = at + HEAD as u32;
    for entry in entries(frame.body()) {
        if let Some(key) = entry.kind.key() {
            let window = Window {
                from: body_at + entry.at as u32,
                to: body_at + entry.content.end as u32,
            };
            index.add(key, window, lanes);
        }
    }
}
