//! Batches from many threads to one shard.
//!
//! A sender takes one short lock per batch and wakes the receiver only when the box was empty.
//! The box itself refuses nothing: [`Sender::backlog`] tells how many items wait, and the sender
//! stops producing (pauses the connections it reads from) at a bound of its own. `Vec`s circulate:
//! a send into an empty box and a take into an empty `Vec` are swaps, without allocation.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::Waker;

/// A new mailbox. `waker` belongs to the reactor of the thread that will own the [`Receiver`],
/// which takes everything when `Handler::woken` is called.
pub fn mailbox<T: Send>(waker: Waker) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        content: Mutex::new(Content {
            items: Vec::new(),
            receiver_gone: false,
        }),
        backlog: AtomicUsize::new(0),
        waker,
    });
    let sender = Sender {
        shared: Arc::clone(&shared),
    };
    (sender, Receiver { shared })
}

#[derive(Debug)]
struct Shared<T> {
    content: Mutex<Content<T>>,
    /// Length of `items`, readable without the lock.
    backlog: AtomicUsize,
    waker: Waker,
}

#[derive(Debug)]
struct Content<T> {
    items: Vec<T>,
    receiver_gone: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().expect("no holder of a mailbox panics")
    }
}

/// The sending side; clones send to the same box.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Send> Sender<T> {
    /// Moves all of `batch` into the box, in order, behind what is there, and leaves `batch`
    /// empty, with some capacity to be used again.
    ///
    /// # Errors
    /// [`ReceiverGone`] when the receiver was dropped; `batch` keeps its items.
    pub fn send(&self, batch: &mut Vec<T>) -> Result<(), ReceiverGone> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut content = self.shared.lock();
        if content.receiver_gone {
            return Err(ReceiverGone);
        }
        let was_empty = content.items.is_empty();
        move_all(batch, &mut content.items);
        let backlog = content.items.len();
        self.shared.backlog.store(backlog, Ordering::Relaxed);
        drop(content);
        if was_empty {
            self.shared.waker.wake();
        }
        Ok(())
    }

    /// How many items wait in the box now. Costs no lock.
    pub fn backlog(&self) -> usize {
        self.shared.backlog.load(Ordering::Relaxed)
    }
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Send> Receiver<T> {
    /// Moves everything that waits behind the end of `into`, oldest first.
    pub fn take(&mut self, into: &mut Vec<T>) {
        if self.shared.backlog.load(Ordering::Relaxed) == 0 {
            return; // A send that we miss here wakes us after it.
        }
        let mut content = self.shared.lock();
        move_all(&mut content.items, into);
        self.shared.backlog.store(0, Ordering::Relaxed);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut content = self.shared.lock();
        content.receiver_gone = true;
        let unread = mem::take(&mut content.items);
        self.shared.backlog.store(0, Ordering::Relaxed);
        drop(content); // The items' own drop code runs without the lock.
        drop(unread);
    }
}

/// The shard that owned the receiver has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receiver of the mailbox is gone")]
pub struct ReceiverGone;

fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() {
        mem::swap(from, to);
    } else {
        to.append(from);
    }
}
