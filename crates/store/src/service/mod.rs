//! A log that several threads append to and read from: two threads of its own.
//!
//! ```text
//!   clients ── append · read · finished ──▶ log thread: writes what has come meanwhile, one sync
//!      ▲                                        │ for all of it
//!      ├── committed · checkpoint · full ◀──────┤
//!      │                                        ▼ where the entries lie
//!      └── found ◀──────────────────────── reader thread: never waits for a sync
//! ```

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::files::Files;
use crate::frame::Frame;
use crate::key::Key;
use crate::log::{Log, Statistics};
use crate::read::Found;

/// When what was appended counts as committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// When it is on stable storage: it survives a power cut.
    #[default]
    Fsync,
    /// When the operating system has it: it survives the end of the process, not of the system.
    Os,
}

/// How a [`Service`] works.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// When clients are told that something is committed.
    pub commit: Commit,
    /// A checkpoint is made when the log is twice as long as what the last one left, and this much,
    /// in bytes.
    pub slack: u64,
    /// A checkpoint is also made this long after the first append since the last one, if
    /// the log is twice as long as what that one left.
    pub interval: Duration,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        ServiceOptions {
            commit: Commit::Fsync,
            slack: 64 << 20,
            interval: Duration::from_secs(60),
        }
    }
}

/// Somebody who appends and reads, told from the service's threads. It must not block.
pub trait Client: Send + Sync + 'static {
    /// Says something to it.
    fn tell(&self, news: News);
}

/// What a client is told.
#[derive(Debug)]
pub enum News {
    /// All that it has appended up to this count is committed.
    Committed {
        /// The count given with [`Handle::append`].
        count: u64,
    },
    /// A checkpoint has begun: it is to append all its state, and to say
    /// [`Handle::checkpoint_finished`] after it.
    Checkpoint,
    /// What it has asked for with [`Handle::read`].
    Found {
        /// As given there.
        tag: u64,
        /// The entries.
        found: Found,
    },
    /// There is little room left: it should append what ends work in progress, and nothing new.
    Full,
    /// There is room again.
    Room,
    /// Nothing more will be committed: the process should end.
    Failed(Error),
}

/// A client's access to the service.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<()>,
}

impl Handle {
    /// Appends a frame. [`News::Committed`] with `count` (or a later one) says when it is committed;
    /// counts grow.
    pub fn append(&self, frame: Frame, count: u64) {
        let _ = (frame, count, &self.inbox);
        unimplemented!("the service follows")
    }

    /// Asks for entries by their keys, those included that were appended before. The answer is
    /// [`News::Found`] with the same tag.
    pub fn read(&self, tag: u64, keys: Vec<Key>) {
        let _ = (tag, keys);
        unimplemented!("the service follows")
    }

    /// Says that all state has been appended since [`News::Checkpoint`].
    pub fn checkpoint_finished(&self) {
        unimplemented!("the service follows")
    }

    /// How many bytes all clients have appended that are not yet written. Beyond some bound of its
    /// own, a client stops taking in work.
    pub fn backlog(&self) -> usize {
        unimplemented!("the service follows")
    }
}

/// The threads of a log.
pub struct Service {
    inbox: Arc<()>,
}

impl Service {
    /// Starts the threads; gives the handles of the clients, in their order.
    ///
    /// # Errors
    /// If the system has no threads left.
    pub fn start<F: Files, C: Client>(
        log: Log<F>,
        clients: Vec<C>,
        options: ServiceOptions,
    ) -> std::io::Result<(Self, Vec<Handle>)> {
        let _ = (log, clients, options);
        unimplemented!("the service follows")
    }

    /// What the log holds, as of its last commit.
    pub fn statistics(&self) -> Statistics {
        let _ = &self.inbox;
        unimplemented!("the service follows")
    }

    /// Commits all that was appended, makes it stable, and ends the threads.
    ///
    /// # Errors
    /// What kept the last frames from being stable.
    pub fn stop(self) -> Result<(), Error> {
        unimplemented!("the service follows")
    }
}
