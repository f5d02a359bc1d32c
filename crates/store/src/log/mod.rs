//! The log: segments of frames, written at its end and read anywhere.

use crate::error::Error;
use crate::files::Files;
use crate::frame::Frame;
use crate::key::{Key, Position};
use crate::read::Reading;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a segment is, in bytes; a frame that is longer gets a segment of its own. From
    /// 8 KiB to 1 GiB.
    pub segment: u32,
    /// How many bytes the log may take on disk.
    pub limit: u64,
    /// How many bytes of that only a checkpoint and what ends work in progress may take: below, the
    /// log [is full](Log::is_full).
    pub reserve: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment: 16 << 20,
            limit: u64::MAX,
            reserve: 32 << 20,
        }
    }
}

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

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many frames were replayed.
    pub frames: u64,
    /// How many entries were replayed.
    pub entries: u64,
    /// How many bytes after the last whole frame were cut off: what a crash did not let become
    /// stable.
    pub torn: u64,
    /// What is lost although it was stable. A copy of each file concerned is in `quarantine`.
    pub damage: Vec<Damage>,
}

/// A part of the log that was stable once and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The checksum does not match.
    Checksum,
    /// The file is missing.
    Missing,
    /// The system gives an error.
    Unreadable,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Segments, that which is written included.
    pub segments: u64,
    /// Bytes in frames.
    pub bytes: u64,
    /// Bytes on disk, with what is reserved.
    pub disk: u64,
    /// Bytes in frames when the last checkpoint had been made and cleaned up after.
    pub live: u64,
    /// Bytes written since the log was opened.
    pub written: u64,
    /// How often it was made stable since it was opened.
    pub syncs: u64,
    /// Memory of the index of keys, in bytes.
    pub index: u64,
}

/// A log in a directory of its own. One thread writes; [`Reading`]s can be carried out by others.
pub struct Log<F: Files> {
    files: F,
}

impl<F: Files> Log<F> {
    /// Opens the log in `files`, or begins one, and gives every entry since the last checkpoint's
    /// boundary to `replay`, in order. A tail that never became stable is cut; damage is left out.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Version`], [`Error::Full`] if there is no room to go on, and
    /// [`Error::Io`] for what cannot be listed, opened or written.
    pub fn open(
        files: F,
        options: Options,
        replay: impl FnMut(Replayed<'_>),
    ) -> Result<(Self, Recovery), Error> {
        let _ = (files, options, replay);
        unimplemented!("the engine follows")
    }

    /// Writes frames at the end, in order; they are stable after the next [`Log::sync`]. `time` is
    /// the wall time in milliseconds since 1970.
    ///
    /// # Errors
    /// With every error, none of the frames is in the log. [`Error::Full`] can be tried again.
    pub fn append(&mut self, frames: &mut [Frame], time: u64) -> Result<(), Error> {
        let _ = (frames, time);
        unimplemented!("the engine follows")
    }

    /// Makes stable what has been appended.
    ///
    /// # Errors
    /// [`Error::Io`], and then [`Error::Poisoned`] whatever is done.
    pub fn sync(&mut self) -> Result<(), Error> {
        unimplemented!("the engine follows")
    }

    /// What has to be done to read entries back. Carrying it out needs no access to the log.
    pub fn locate(&self, keys: &[Key]) -> Reading<F::File> {
        let _ = keys;
        unimplemented!("the engine follows")
    }

    /// Begins a checkpoint: what is appended from now on, up to [`Log::end_checkpoint`], says all
    /// that is still worth knowing, with [`Frame::refer`] for every entry from before that it needs.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn begin_checkpoint(&mut self) -> Result<(), Error> {
        unimplemented!("the engine follows")
    }

    /// Ends a checkpoint: what was appended before its beginning will not be replayed any more, and
    /// entries that nothing refers to may go. [`Log::clean`] carries that out.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`]. After [`Error::Full`] it may be tried again.
    pub fn end_checkpoint(&mut self) -> Result<(), Error> {
        unimplemented!("the engine follows")
    }

    /// Does one step of freeing what the last checkpoint left behind; true if there is more to do.
    /// A step takes about as long as reading and writing 256 KiB.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Log::sync`].
    pub fn clean(&mut self) -> Result<bool, Error> {
        unimplemented!("the engine follows")
    }

    /// Whether only the reserve is left.
    pub fn is_full(&self) -> bool {
        unimplemented!("the engine follows")
    }

    /// What it holds.
    pub fn statistics(&self) -> Statistics {
        unimplemented!("the engine follows")
    }
}
