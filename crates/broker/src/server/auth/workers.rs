//! Threads for what takes its time: hashes of passwords, servers that are asked. Their queue is
//! bounded, and so is what one address may have in it; addresses take turns.
//!
//! A refusal that looks like guessing is held back for a while; a thread of its own keeps those, so
//! that nobody's turn is spent on waiting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

use dunlin_auth::password::HashMemory;
use dunlin_auth::{Cause, Check, Realm};
use dunlin_core::{ConnectionId, Decision, ShardId};
use dunlin_packet::ReasonCode;

use super::failures::Failures;
use super::queue::FairQueue;
use crate::server::log::Warnings;
use crate::server::mail::{Mail, Post};

/// Questions that wait. One more is refused at once, with Server busy (0x89).
const QUEUE: usize = 4096;

/// Questions of one address that wait, of those from which wrong credentials have come.
const QUEUE_OF_SUSPECT: usize = 4;

/// Refusals that are held back. One more is told at once.
const HELD_BACK: usize = 16_384;

/// The most threads; more would only wait for processors.
const THREADS: usize = 4;

/// How long a thread that has nothing to do keeps the memory that hashing takes.
const KEPT: Duration = Duration::from_secs(10);

/// Whom to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asker {
    pub(super) shard: ShardId,
    pub(super) connection: ConnectionId,
    pub(super) address: Option<IpAddr>,
}

/// A question, and all that it takes to make a decision of the answer.
pub(super) struct Question {
    pub(super) asker: Asker,
    pub(super) check: Box<Check>,
    pub(super) realm: Arc<Realm>,
    pub(super) client_id: Box<str>,
    /// How often the rules had changed when the realm was looked up.
    pub(super) changes: u64,
}

/// The threads, and what they share.
#[derive(Clone)]
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    posts: Vec<Post>,
    questions: Mutex<FairQueue<Question>>,
    asked: Condvar,
    failures: Mutex<Failures>,
    held_back: Mutex<BinaryHeap<Reverse<(Instant, Asker)>>>,
    held_more: Condvar,
    warnings: Mutex<Warnings>,
    /// Somebody was refused for not being on this machine.
    elsewhere: Once,
}

/// There is no room for another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Workers {
    pub(super) fn start(posts: Vec<Post>, login_delay: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            posts,
            questions: Mutex::default(),
            asked: Condvar::new(),
            failures: Mutex::new(Failures::new(login_delay)),
            held_back: Mutex::default(),
            held_more: Condvar::new(),
            warnings: Mutex::default(),
            elsewhere: Once::new(),
        });
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..processors.clamp(2, THREADS) {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("auth-{number}"));
            thread.spawn(move || shared.work())?;
        }
        let waiting = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("auth-wait".to_owned());
        thread.spawn(move || waiting.release())?;
        Ok(Workers(shared))
    }

    /// Has a question answered; `Mail::Decided` comes back.
    pub(super) fn ask(&self, question: Question) -> Result<(), Busy> {
        let asker = question.asker;
        let suspect = lock(&self.0.failures).is_suspect(asker.address, Instant::now());
        let mut questions = lock(&self.0.questions);
        let waiting = questions.len_of(asker.address);
        if questions.len() >= QUEUE || suspect && waiting >= QUEUE_OF_SUSPECT {
            return Err(Busy);
        }
        questions.push(asker.address, question);
        self.0.asked.notify_one();
        Ok(())
    }

    /// Holds refusals back for no longer than this, from now on.
    pub(super) fn set_login_delay(&self, longest: Duration) {
        lock(&self.0.failures).set_longest(longest);
    }

    /// What a Client is told that is not let in; if that looks like guessing it may be told later, by
    /// `Mail::Decided`.
    pub(super) fn turn_away(&self, asker: Asker, client_id: &str, cause: Cause) -> Decision {
        self.0.turn_away(asker, client_id, cause)
    }
}

impl Shared {
    /// The life of a thread that answers questions.
    fn work(&self) {
        let mut memory = HashMemory::default();
        loop {
            match self.next(KEPT) {
                Some(question) => self.answer(question, &mut memory),
                None => {
                    drop(std::mem::take(&mut memory));
                    if let Some(question) = self.next(Duration::MAX) {
                        self.answer(question, &mut memory);
                    }
                }
            }
        }
    }

    /// The next question, if there is one in time.
    fn next(&self, patience: Duration) -> Option<Question> {
        let questions = lock(&self.questions);
        let waited = self
            .asked
            .wait_timeout_while(questions, patience, |questions| questions.is_empty());
        waited.unwrap_or_else(|e| e.into_inner()).0.pop()
    }

    fn answer(&self, question: Question, memory: &mut HashMemory) {
        let Question {
            asker,
            check,
            realm,
            client_id,
            changes,
        } = question;
        let granted = check.run(memory);
        let granted = granted.and_then(|identity| realm.grant(&identity, &client_id));
        let decision = match granted {
            Ok(grant) => Decision::accept(grant),
            Err(cause) => match self.turn_away(asker, &client_id, cause) {
                Decision::Pending => return,
                decision => decision,
            },
        };
        self.decided(asker, decision, changes);
    }

    /// What a Client is told that is not let in: `Pending`, if it is told later.
    fn turn_away(&self, asker: Asker, client_id: &str, cause: Cause) -> Decision {
        let (connection, address) = (asker.connection, asker.address);
        tracing::debug!(%connection, client_id, ?address, "the Client {cause}");
        if let (Cause::Elsewhere, Some(address)) = (cause, address) {
            // Whoever sets a broker up sees why; a flood of such Clients is no flood of lines.
            let told = || tracing::warn!(%address, "a Client {cause} (said of the first one only)");
            self.elsewhere.call_once(told);
        }
        match cause {
            Cause::Unavailable => Decision::refuse(ReasonCode::ServerUnavailable),
            cause if cause.is_suspicious() && self.hold_back(asker) => Decision::Pending,
            _ => Decision::refuse(ReasonCode::NotAuthorized),
        }
    }

    /// Takes note of a failure. False: it is to be told now.
    fn hold_back(&self, asker: Asker) -> bool {
        let now = Instant::now();
        let delay = lock(&self.failures).failed(asker.address, now);
        if !delay.is_zero() {
            lock(&self.warnings).guessed(asker.address);
        }
        let mut held_back = lock(&self.held_back);
        if delay.is_zero() || held_back.len() >= HELD_BACK {
            return false;
        }
        held_back.push(Reverse((now + delay, asker)));
        self.held_more.notify_one();
        true
    }

    /// The life of the thread that tells what was held back.
    fn release(&self) {
        let mut held_back = lock(&self.held_back);
        loop {
            let now = Instant::now();
            held_back = match held_back.peek() {
                None => self
                    .held_more
                    .wait(held_back)
                    .unwrap_or_else(|e| e.into_inner()),
                Some(Reverse((at, _))) if *at > now => {
                    let rest = at.duration_since(now);
                    let woken = self.held_more.wait_timeout(held_back, rest);
                    woken.unwrap_or_else(|e| e.into_inner()).0
                }
                Some(_) => {
                    if let Some(Reverse((_, asker))) = held_back.pop() {
                        let refused = Decision::refuse(ReasonCode::NotAuthorized);
                        self.decided(asker, refused, u64::MAX);
                    }
                    held_back
                }
            };
        }
    }

    fn decided(&self, asker: Asker, decision: Decision, changes: u64) {
        let letter = Mail::Decided {
            connection: asker.connection,
            decision: Box::new(decision),
            changes,
        };
        if let Some(post) = self.posts.get(asker.shard.index()) {
            let _ = post.send(&mut vec![letter]);
        }
    }
}

/// A panic ends the process, so no lock is ever poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|error| error.into_inner())
}
