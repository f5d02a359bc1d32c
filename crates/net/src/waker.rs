//! Waking a reactor from another thread.
//!
//! A wake costs a system call only when the reactor sleeps in the kernel:
//!
//! ```text
//!            about to wait                 wake: one eventfd write
//!   AWAKE ──────────────────► ASLEEP ─────────────────────┐
//!     │ ▲                        │ woke for other reasons │
//!     │ └────────────────────────┘                        ▼
//!     │ wake: nothing else to do                       NOTICED ──► Handler::woken, AWAKE
//!     └───────────────────────────────────────────────────▲
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use mio::{Registry, Token};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTICED: u8 = 2;

/// Makes a reactor's current or next turn call [`Handler::woken`](crate::Handler::woken).
/// Clones wake the same reactor. Wakes before that call are coalesced into one.
#[derive(Debug, Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    waker: mio::Waker,
}

impl Waker {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let waker = mio::Waker::new(registry, token)?;
        let state = AtomicU8::new(AWAKE);
        Ok(Self {
            shared: Arc::new(Shared { state, waker }),
        })
    }

    /// Wakes the reactor. What this thread wrote before is visible to `Handler::woken`.
    ///
    /// # Panics
    /// If the kernel refuses the notification, which it has no reason to.
    pub fn wake(&self) {
        if self.shared.state.swap(NOTICED, Ordering::AcqRel) == ASLEEP {
            let woken = self.shared.waker.wake();
            woken.expect("a live reactor's notification can be raised");
        }
    }

    /// Before the reactor waits: whether it may sleep, because nobody has woken it.
    pub(crate) fn fall_asleep(&self) -> bool {
        let state = &self.shared.state;
        let fell = state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        fell.is_ok()
    }

    /// After the reactor waited: whether somebody has woken it.
    pub(crate) fn wake_up(&self) -> bool {
        self.shared.state.swap(AWAKE, Ordering::AcqRel) == NOTICED
    }
}
