//! What can go wrong with a log.

use std::io;
use std::sync::Arc;

/// Why something could not be done. Damage that was found is no error: see
/// [`Recovery`](crate::Recovery).
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another process (or this one, once more) has the directory open.
    #[error("the data directory is in use by another process")]
    InUse,
    /// The data is of a version of the format that this program does not know.
    #[error("the data has format version {found}; this program knows version {known} only")]
    Version {
        /// That of the data.
        found: u32,
        /// That of this program.
        known: u32,
    },
    /// There is no room: neither on the disk, nor within [`Options::limit`](crate::Options::limit).
    /// Nothing of what was to be written is in the log; it may be tried again.
    #[error("no room for the log: {0}")]
    Full(Arc<io::Error>),
    /// A frame is longer than [`Frame::MAXIMUM`](crate::Frame::MAXIMUM).
    #[error("a frame of {0} bytes is too long")]
    FrameTooLong(usize),
    /// The system refuses something else.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file of the directory.
        file: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Data could not be made stable earlier. What the disk has of it is unknown, so nothing more
    /// is written; opening the log anew finds out.
    #[error("an earlier failure to make data stable: nothing is written any more")]
    Poisoned,
}

impl Error {
    /// The error of something that was to be done with a file.
    pub(crate) fn io(action: &'static str, file: &str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Full(Arc::new(source))
            }
            _ => Error::Io {
                action,
                file: file.to_owned(),
                source: Arc::new(source),
            },
        }
    }
}
