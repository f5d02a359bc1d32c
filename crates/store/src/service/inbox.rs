//! What waits for the log thread.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::frame::Frame;
use crate::history::Start;
use crate::key::Key;
use crate::log::Statistics;

/// What a client asks of the log thread.
pub(super) enum Request {
    Append {
        client: usize,
        frame: Frame,
        count: u64,
        haste: Haste,
    },
    Read {
        client: usize,
        tag: u64,
        keys: Vec<Key>,
    },
    History {
        client: usize,
        tag: u64,
        start: Start,
    },
    Forget {
        client: usize,
        tag: u64,
    },
    Finished {
        client: usize,
    },
    Statistics(Sender<Statistics>),
    Stop,
}

/// When a frame is to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// At once: somebody waits for it, or for one before it.
    Now,
    /// With the next that somebody waits for, or a little later
    /// ([`ServiceOptions::linger`](super::ServiceOptions::linger)).
    Later,
}

/// Requests of all clients, in order.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Bytes of frames that are not written.
    backlog: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    /// The log thread sleeps until something comes.
    is_awaited: bool,
    /// The log thread takes nothing more.
    is_closed: bool,
}

/// A client's access to the service.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox>,
    client: usize,
}

impl Handle {
    pub(super) fn new(inbox: &Arc<Inbox>, client: usize) -> Self {
        Handle {
            inbox: Arc::clone(inbox),
            client,
        }
    }

    /// Appends a frame. [`News::Committed`](super::News::Committed) with `count` (or a later one)
    /// says when it is committed; a client's counts do not shrink.
    pub fn append(&self, frame: Frame, count: u64, haste: Haste) {
        self.inbox.backlog.fetch_add(frame.len(), Ordering::Relaxed);
        self.inbox.send(Request::Append {
            client: self.client,
            frame,
            count,
            haste,
        });
    }

    /// Asks for entries by their keys, which may have been appended just before. The answer is
    /// [`News::Found`](super::News::Found) with the same tag. It is quickest if keys are in order.
    pub fn read(&self, tag: u64, keys: Vec<Key>) {
        self.inbox.send(Request::Read {
            client: self.client,
            tag,
            keys,
        });
    }

    /// Asks for what the log has from some place on. The answer is
    /// [`News::Past`](super::News::Past) with the same tag, as soon as there is something committed.
    pub fn history(&self, tag: u64, start: Start) {
        self.inbox.send(Request::History {
            client: self.client,
            tag,
            start,
        });
    }

    /// Takes back a request of [`Handle::history`] that waits for something to be committed. One
    /// that is being carried out is answered.
    pub fn forget(&self, tag: u64) {
        self.inbox.send(Request::Forget {
            client: self.client,
            tag,
        });
    }

    /// Says that all state has been appended since [`News::Checkpoint`](super::News::Checkpoint).
    pub fn checkpoint_finished(&self) {
        self.inbox.send(Request::Finished {
            client: self.client,
        });
    }

    /// How many bytes all clients have appended that are not yet written. Beyond some bound of its
    /// own, a client stops taking in work.
    pub fn backlog(&self) -> usize {
        self.inbox.backlog.load(Ordering::Relaxed)
    }
}

impl Inbox {
    pub(super) fn ask_for_statistics(&self, answer: Sender<Statistics>) {
        self.send(Request::Statistics(answer));
    }

    pub(super) fn stop(&self) {
        self.send(Request::Stop);
    }

    fn send(&self, request: Request) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return;
        }
        waiting.requests.push(request);
        let is_awaited = mem::take(&mut waiting.is_awaited);
        drop(waiting);
        if is_awaited {
            self.arrived.notify_one();
        }
    }

    /// Takes what has come. Waits for it, as long as `patience` allows; without, forever.
    pub(super) fn take(&self, into: &mut Vec<Request>, patience: Option<Duration>) {
        let mut waiting = self.lock();
        if waiting.requests.is_empty() && patience != Some(Duration::ZERO) {
            waiting.is_awaited = true;
            let is_empty = |waiting: &mut Waiting| waiting.requests.is_empty();
            waiting = match patience {
                None => self.arrived.wait_while(waiting, is_empty).expect(NO_PANIC),
                Some(patience) => {
                    let waited = self.arrived.wait_timeout_while(waiting, patience, is_empty);
                    waited.expect(NO_PANIC).0
                }
            };
            waiting.is_awaited = false;
        }
        mem::swap(&mut waiting.requests, into);
    }

    /// Frames of so many bytes have been written.
    pub(super) fn written(&self, bytes: usize) {
        self.backlog.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.requests.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "no holder of the inbox panics";
