//! Checkpoints, and freeing what they leave behind.
//!
//! ```text
//!   begin_checkpoint        end_checkpoint             clean, step by step
//!   ───────┬────────────────────┬────────────────────────────┬──────────▶
//!          │ frames with        │ `low` = boundary, stable    │ segments below `low`:
//!          │ `refer`: all that  │                            │ no live entry: removed
//!          │ is still worth     │                            │ under half live: those copied to
//!       boundary  knowing       │                            │ the end, then removed
//! ```

use std::collections::VecDeque;

use super::index::by_lane;
use super::scan::Scan;
use super::segment::{self, FRAMES, Segment};
use super::{Log, Retention};
use crate::entry::entries;
use crate::error::Error;
use crate::files::Files;
use crate::frame::Frame;
use crate::history::first_time;
use crate::key::Key;

/// Segments that one step decides about at most, as removing them takes time.
const JUDGED: usize = 16;

/// A checkpoint that is being made.
pub(super) struct Checkpoint {
    /// The segment that its frames begin with.
    boundary: u32,
    /// Keys that frames appended since then refer to.
    pub(super) refers: Vec<Key>,
}

/// What is left to do after a checkpoint.
pub(super) struct Cleaning {
    /// The keys that were referred to, [`by_lane`], in order.
    live: Vec<u64>,
    /// Which of them have been copied.
    copied: Vec<bool>,
    /// The segments to look at.
    segments: VecDeque<u32>,
    /// The one whose live entries are being copied, and how far that has come.
    current: Option<(u32, u32)>,
    /// Bytes of live entries, copied or in segments that stay.
    kept: u64,
}

impl<F: Files> Log<F> {
    /// Bytes of frames that one step of cleaning reads, unless a frame is longer.
    pub const STEP: u32 = 256 << 10;

    /// Begins a checkpoint: what is appended from now on, up to [`Log::end_checkpoint`], says all
    /// that is still worth knowing, with [`Frame::refer`] for every entry with a key that is still
    /// needed.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn begin_checkpoint(&mut self) -> Result<(), Error> {
        self.seal()?;
        self.cleaning = None;
        self.checkpoint = Some(Checkpoint {
            boundary: self.next_number(),
            refers: Vec::new(),
        });
        Ok(())
    }

    /// Ends a checkpoint: what was appended before its beginning will not be replayed any more, and
    /// entries with keys from before that nothing refers to may go. [`Log::clean`] carries that
    /// out. Does nothing if none was begun.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`]; it may be tried again if they may.
    pub fn end_checkpoint(&mut self) -> Result<(), Error> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        let (boundary, low) = (checkpoint.boundary, self.low);
        let frames = self
            .segments
            .iter()
            .filter(|segment| segment.number >= boundary);
        let state: u64 = frames.map(Segment::bytes).sum();
        // The header of a new segment carries it.
        self.low = boundary;
        self.begin_segment(0).inspect_err(|_| self.low = low)?;
        self.statistics.state = state;
        self.statistics.since = 0;
        let refers = self
            .checkpoint
            .take()
            .map_or(Vec::new(), |checkpoint| checkpoint.refers);
        let mut live: Vec<u64> = refers.into_iter().map(by_lane).collect();
        live.sort_unstable();
        live.dedup();
        let numbers = self.segments.iter().map(|segment| segment.number);
        self.cleaning = Some(Cleaning {
            copied: vec![false; live.len()],
            live,
            segments: numbers.take_while(|number| *number < boundary).collect(),
            current: None,
            kept: 0,
        });
        Ok(())
    }

    /// Does one step of freeing what the last checkpoint has left behind; true if there is more to
    /// do. A step reads [`Log::STEP`] bytes and writes what is live of them. `time` is the wall time in
    /// milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`]; it may be tried again if they may.
    pub fn clean(&mut self, time: u64) -> Result<bool, Error> {
        let Some(mut cleaning) = self.cleaning.take() else {
            return Ok(false);
        };
        let step = self.clean_some(&mut cleaning, time);
        if matches!(step, Ok(false)) {
            self.statistics.live = self.statistics.state + cleaning.kept;
        } else {
            self.cleaning = Some(cleaning);
        }
        step
    }

    /// Looks for a segment to copy, if none is at hand, and copies a part of it.
    fn clean_some(&mut self, cleaning: &mut Cleaning, time: u64) -> Result<bool, Error> {
        let mut judged = 0;
        while cleaning.current.is_none() && judged < JUDGED {
            let Some(number) = cleaning.segments.pop_front() else {
                return Ok(false);
            };
            self.judge(cleaning, number, time)?;
            judged += 1;
        }
        if let Some((number, at)) = cleaning.current {
            self.copy_live(cleaning, number, at, time)?;
        }
        Ok(true)
    }

    /// Decides what happens with a segment.
    fn judge(&mut self, cleaning: &mut Cleaning, number: u32, time: u64) -> Result<(), Error> {
        let Some(segment) = self
            .segments
            .iter()
            .find(|segment| segment.number == number)
        else {
            return Ok(());
        };
        if self.is_retained(number, time) {
            cleaning.kept += segment.bytes();
            return Ok(());
        }
        let live = segment.index.live_bytes(&cleaning.live);
        let is_short = segment.end < self.options.segment / 4;
        if live == 0 {
            return self.remove_segment(number);
        }
        if is_short || live < segment.bytes() / 2 {
            cleaning.current = Some((number, FRAMES));
        } else {
            cleaning.kept += segment.bytes();
        }
        Ok(())
    }

    /// Whether a segment is kept to be read again.
    fn is_retained(&self, number: u32, time: u64) -> bool {
        let Some(Retention { age, size }) = self.options.retention else {
            return false;
        };
        let mut newer = self.segments.iter().filter(|it| it.number > number);
        let bytes: u64 = newer.clone().map(Segment::bytes).sum();
        // The first frame after this segment is not older than any in it.
        let after = newer.find_map(|it| first_time(&*it.file, it.number));
        bytes < size && after.is_none_or(|after| after.saturating_add(age) > time)
    }

    /// Copies the live entries of one part of a segment; removes it after the last.
    fn copy_live(
        &mut self,
        cleaning: &mut Cleaning,
        number: u32,
        at: u32,
        time: u64,
    ) -> Result<(), Error> {
        let Some(segment) = self
            .segments
            .iter()
            .find(|segment| segment.number == number)
        else {
            cleaning.current = None;
            return Ok(());
        };
        let end = segment.end;
        let mut scan = Scan::from(&*segment.file, number, at, None, end);
        let (mut copy, mut copied) = (Frame::new(), Vec::new());
        let (mut damaged, mut mended) = (0, 0);
        while scan.at() < end && scan.at() - at < Self::STEP {
            let Some(frame) = scan.next() else {
                if scan.mend() {
                    mended += 1;
                    continue;
                }
                damaged += 1;
                if !scan.skip() {
                    break;
                }
                continue;
            };
            for entry in entries(frame.body) {
                if let Some(key) = entry.kind.key()
                    && let Ok(number) = cleaning.live.binary_search(&by_lane(key))
                    && !cleaning.copied[number]
                {
                    copied.push(number);
                    copy.keep(key, &frame.body[entry.content]);
                }
            }
        }
        let is_done = scan.at() >= end || damaged > 0 && scan.at() == at;
        let next = scan.at();
        self.statistics.mended += mended;
        if damaged > 0 {
            self.statistics.damaged += damaged;
            // Without a copy, the damage is still counted.
            let _ = self.files.quarantine(&segment::name(number));
        }
        if !copy.is_empty() {
            let bytes = copy.len() as u64;
            self.append(&mut VecDeque::from([copy]), time)?;
            cleaning.kept += bytes;
            copied
                .into_iter()
                .for_each(|number| cleaning.copied[number] = true);
        }
        cleaning.current = Some((number, next));
        if is_done {
            self.sync()?;
            cleaning.current = None;
            self.remove_segment(number)?;
        }
        Ok(())
    }
}
