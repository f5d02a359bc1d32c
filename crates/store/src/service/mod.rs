//! A log that several threads append to and read from, with two threads of its own.
//!
//! ```text
//!   clients ── append · read · finished ──▶ log thread: writes what has come meanwhile, one sync
//!      ▲                                        │ for all of it
//!      ├── committed · checkpoint · full ◀──────┤
//!      │                                        ▼ where the entries lie
//!      └── found ◀──────────────────────── reader thread: never waits for a sync
//! ```
//!
//! When the log thread is idle, a frame is written and, if somebody waits for it, made stable at
//! once. What comes while the disk is busy is made stable together, with one sync.

mod inbox;
mod reader;
mod writer;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::inbox::Inbox;
use self::reader::Reader;
use self::writer::Writer;
use crate::error::Error;
use crate::files::Files;
use crate::history::Past;
use crate::log::{Log, Statistics};
use crate::read::Found;

pub use inbox::{Handle, Haste};

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
    /// How long a frame that nobody waits for may be written and not committed.
    pub linger: Duration,
    /// A checkpoint is made when the log is twice as long as what the last one left, and this many
    /// bytes.
    pub slack: u64,
    /// As long as the log is not that long, a checkpoint is made this long after the last one, if
    /// half as much has been appended since as it took, and [`ServiceOptions::little`].
    pub interval: Duration,
    /// In bytes. See [`ServiceOptions::interval`].
    pub little: u64,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        ServiceOptions {
            commit: Commit::Fsync,
            linger: Duration::from_millis(5),
            slack: 64 << 20,
            interval: Duration::from_secs(60),
            little: 16 << 10,
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
    /// What it has asked for with [`Handle::history`].
    Past {
        /// As given there.
        tag: u64,
        /// The entries.
        past: Past,
    },
    /// There is little room left, or none: it should append what ends work in progress, and
    /// nothing new.
    Full,
    /// There is room again.
    Room,
    /// Nothing more will be committed: the process should end.
    Failed(Error),
}

/// The threads of a log.
pub struct Service {
    inbox: Arc<Inbox>,
    writer: JoinHandle<Result<(), Error>>,
    reader: JoinHandle<()>,
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
        let inbox = Arc::new(Inbox::default());
        let handles = (0..clients.len())
            .map(|client| Handle::new(&inbox, client))
            .collect();
        let clients: Arc<[C]> = clients.into();
        let (readings, queue) = std::sync::mpsc::channel();
        let reader = Reader::new(queue, Arc::clone(&clients));
        let writer = Writer::new(log, Arc::clone(&inbox), clients, readings, options);
        let builder = |name: &str| thread::Builder::new().name(name.to_owned());
        let service = Service {
            inbox,
            reader: builder("log reader").spawn(move || reader.run())?,
            writer: builder("log").spawn(move || writer.run())?,
        };
        Ok((service, handles))
    }

    /// What the log holds. Waits for the log thread.
    pub fn statistics(&self) -> Statistics {
        let (answer, statistics) = std::sync::mpsc::channel();
        self.inbox.ask_for_statistics(answer);
        // A log thread that has ended answers nothing.
        statistics.recv().unwrap_or_default()
    }

    /// Commits all that was appended, makes it stable, and ends the threads.
    ///
    /// # Errors
    /// What kept the last frames from being stable.
    ///
    /// # Panics
    /// If one of the threads has.
    pub fn stop(self) -> Result<(), Error> {
        self.inbox.stop();
        let result = self.writer.join().expect("the log thread does not panic");
        self.reader
            .join()
            .expect("the reader thread does not panic");
        result
    }
}
