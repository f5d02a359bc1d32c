//! Reading the frames of a segment one after the other, past damage if need be. A frame with one
//! wrong bit is put right.

use crate::entry::entries;
use crate::files::File;
use crate::frame::{ALIGNMENT, HEAD, Head};
use crate::key::Position;
use crate::log::segment::FRAMES;
use crate::mend;

/// How much is read at once, unless a frame is longer.
const CHUNK: usize = 256 << 10;
/// What is read at once where the system gives errors.
const PAGE: usize = 4096;

/// A reader of one segment.
pub(crate) struct Scan<'a, F> {
    file: &'a F,
    segment: u32,
    /// Where frames end at the latest.
    bound: u32,
    /// Where the next frame begins.
    at: u32,
    /// What the next frame must name as the one before it, if that is known.
    previous: Option<u32>,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    start: u32,
    unreadable: bool,
}

/// A frame that was read.
pub(crate) struct Scanned<'a> {
    pub(crate) head: Head,
    pub(crate) body: &'a [u8],
    /// Where its body begins.
    pub(super) body_at: u32,
}

impl<'a, F: File> Scan<'a, F> {
    /// Reads from the first frame on.
    pub(super) fn new(file: &'a F, segment: u32, bound: u32) -> Self {
        Scan::from(file, segment, FRAMES, Some(0), bound)
    }

    /// Reads from the frame at `at` on.
    pub(crate) fn from(
        file: &'a F,
        segment: u32,
        at: u32,
        previous: Option<u32>,
        bound: u32,
    ) -> Self {
        Scan {
            file,
            segment,
            bound,
            at,
            previous,
            buffer: Vec::new(),
            start: 0,
            unreadable: false,
        }
    }

    /// Where the next frame should be.
    pub(crate) fn at(&self) -> u32 {
        self.at
    }

    /// Whether the system gave an error for something that was to be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// The next frame. None: there is no valid one where it should be.
    pub(crate) fn next(&mut self) -> Option<Scanned<'_>> {
        let (head, crc) = self.frame_at(self.at)?;
        if self
            .previous
            .is_some_and(|previous| previous != head.previous)
        {
            return None;
        }
        let body_at = self.at + HEAD as u32;
        self.at += head.frame_length();
        self.previous = Some(crc);
        let from = (body_at - self.start) as usize;
        Some(Scanned {
            head,
            body: &self.buffer[from..from + head.length as usize],
            body_at,
        })
    }

    /// Puts right the frame that should be next, if one bit of it is wrong: [`next`](Self::next) gives
    /// it then. What is in the file stays as it is.
    pub(crate) fn mend(&mut self) -> bool {
        let at = self.at;
        let rest = self.bound.saturating_sub(at) as usize;
        // All of it is in the buffer from here on, so that nothing is read again.
        if self.bytes(at, rest.min(HEAD + mend::LONGEST)).is_none() {
            return false;
        }
        let from = (at - self.start) as usize;
        let before = self.buffer.clone();
        let mended = match self.head_at(at) {
            Some((head, _)) => self.mend_body(from + HEAD, &head),
            None => self.mend_head(from),
        };
        let is_right = mended
            && self.frame_at(at).is_some_and(|(head, _)| {
                self.previous
                    .is_none_or(|previous| previous == head.previous)
            });
        if !is_right {
            self.buffer = before;
        }
        is_right
    }

    fn mend_head(&mut self, from: usize) -> bool {
        let position = Position::new(self.segment, self.at);
        let Some(head) = self.buffer.get_mut(from..from + HEAD) else {
            return false;
        };
        Head::mend(head, position)
    }

    /// The entries that can be checked on their own are, once more.
    fn mend_body(&mut self, from: usize, head: &Head) -> bool {
        let length = head.length as usize;
        let Some(body) = self.buffer.get_mut(from..from + length) else {
            return false;
        };
        if length > mend::LONGEST || !mend::flip(body, head.body_crc ^ crc32fast::hash(body)) {
            return false;
        }
        let mut end = 0;
        let are_intact = entries(body).all(|entry| {
            end = entry.content.end;
            entry.is_intact(body)
        });
        are_intact && body[end..].len() <= ALIGNMENT && body[end..].iter().all(|byte| *byte == 0)
    }

    /// Goes on to the next valid frame behind the place where one should be and is not. False:
    /// there is none.
    pub(crate) fn skip(&mut self) -> bool {
        // If the length can be trusted, what looks like a frame within this one is none.
        let length = self.head_at(self.at).map(|(head, _)| head.frame_length());
        let mut at = self.at + length.unwrap_or(ALIGNMENT as u32);
        while at < self.bound {
            if self.frame_at(at).is_some() {
                self.at = at;
                self.previous = None;
                return true;
            }
            at += ALIGNMENT as u32;
        }
        false
    }

    /// The header of the frame at `at`, and its checksum, if all of the frame is valid. Its bytes
    /// are in the buffer then.
    fn frame_at(&mut self, at: u32) -> Option<(Head, u32)> {
        let (head, crc) = self.head_at(at)?;
        let bytes = self.bytes(at, head.frame_length() as usize)?;
        (crc32fast::hash(&bytes[HEAD..]) == head.body_crc).then_some((head, crc))
    }

    /// The header at `at`, if it is one and the frame can end within the segment.
    fn head_at(&mut self, at: u32) -> Option<(Head, u32)> {
        let position = Position::new(self.segment, at);
        let (head, crc) = Head::decode(self.bytes(at, HEAD)?, position)?;
        let fits = u64::from(at) + u64::from(head.frame_length()) <= u64::from(self.bound);
        fits.then_some((head, crc))
    }

    /// The `length` bytes at `at`.
    fn bytes(&mut self, at: u32, length: usize) -> Option<&[u8]> {
        let rest = self.bound.checked_sub(at)? as usize;
        if length > rest {
            return None;
        }
        let end = at as usize + length;
        if at < self.start || end > self.start as usize + self.buffer.len() {
            self.fill(at, length.max(CHUNK).min(rest));
        }
        let from = (at - self.start) as usize;
        self.buffer.get(from..from + length)
    }

    fn fill(&mut self, at: u32, length: usize) {
        self.start = at;
        self.buffer.resize(length, 0);
        match self.file.read_at(&mut self.buffer, at.into()) {
            Ok(bytes) => self.buffer.truncate(bytes),
            Err(_) => self.fill_by_pages(),
        }
    }

    /// Reads what can be read; the rest is zeros.
    fn fill_by_pages(&mut self) {
        for (number, page) in self.buffer.chunks_mut(PAGE).enumerate() {
            page.fill(0);
            let at = u64::from(self.start) + (number * PAGE) as u64;
            if self.file.read_at(page, at).is_err() {
                page.fill(0);
                self.unreadable = true;
            }
        }
    }
}
