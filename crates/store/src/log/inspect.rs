//! Looking at a log without changing anything in it.

use super::recover::{self, Recovery, Replayed};
use super::segment::Segment;
use crate::error::Error;
use crate::files::Files;

/// What a log that nobody uses consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// In their order.
    pub segments: Vec<Inspected>,
    /// What was read, and what could not be.
    pub recovery: Recovery,
}

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its number, which is also the name of its file.
    pub number: u32,
    /// Bytes in its frames.
    pub bytes: u64,
    /// Bytes of its file.
    pub disk: u64,
    /// Whether its entries are replayed when the log is opened, or only there to be read back.
    pub is_replayed: bool,
}

/// Reads the log in `files` as [`Log::open`](super::Log::open) does, without changing it.
///
/// # Errors
/// [`Error::InUse`], [`Error::Version`], [`Error::Io`].
pub fn inspect<F: Files>(
    mut files: F,
    mut replay: impl FnMut(Replayed<'_>),
) -> Result<Inspection, Error> {
    let locked = files.lock();
    if !locked.map_err(|error| Error::io("lock", "the directory", error))? {
        return Err(Error::InUse);
    }
    let recovered = recover::recover(&files, &mut replay)?;
    let low = recovered.low;
    let inspected = |segment: &Segment<F::File>| Inspected {
        number: segment.number,
        bytes: segment.bytes(),
        disk: segment.disk.into(),
        is_replayed: segment.number >= low,
    };
    Ok(Inspection {
        segments: recovered.segments.iter().map(inspected).collect(),
        recovery: recovered.recovery,
    })
}
