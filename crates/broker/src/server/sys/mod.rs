//! The `$SYS/broker/#` tree: what the broker says of itself, under the names that Mosquitto gave it.
//!
//! A thread of its own asks all shards for their numbers in every interval, and gives one of them the
//! topics that have changed, to be published as Retained Messages at QoS 2, as Mosquitto does. So the tree goes the way of
//! every other message, and takes a shard's time only to hand out its numbers.

mod load;
mod tree;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use dunlin_core::Message;
use dunlin_packet::QoS;

use super::listeners::Certificates;
use super::mail::{Mail, Post};
use super::report::ShardReport;
use load::Loads;
use tree::Tree;

/// How long shards may take to answer. Later numbers wait for the next interval.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread that publishes the tree. It ends when this is dropped.
pub(super) struct SysThread {
    intervals: Option<Sender<Option<Duration>>>,
    thread: Option<JoinHandle<()>>,
}

impl SysThread {
    /// Starts to publish every `interval`; `None`: not before [`set_interval`](Self::set_interval).
    /// `durability` is what an acknowledgement promises; `certificates` are those whose end is told.
    ///
    /// # Errors
    /// The system gives no further thread.
    pub(super) fn start(
        interval: Option<Duration>,
        durability: &'static str,
        certificates: Certificates,
        posts: Vec<Post>,
    ) -> anyhow::Result<Self> {
        let (intervals, changes) = mpsc::channel();
        let publisher = Publisher {
            posts,
            certificates,
            interval,
            changes,
            started: Instant::now(),
            last: None,
            loads: Loads::default(),
            tree: Tree::new(durability),
        };
        let thread = std::thread::Builder::new()
            .name("sys".to_owned())
            .spawn(move || publisher.run())
            .context("cannot start a thread")?;
        Ok(SysThread {
            intervals: Some(intervals),
            thread: Some(thread),
        })
    }

    /// From now on, publishes in this interval.
    pub(super) fn set_interval(&self, interval: Option<Duration>) {
        if let Some(intervals) = &self.intervals {
            let _ = intervals.send(interval);
        }
    }
}

impl Drop for SysThread {
    fn drop(&mut self) {
        self.intervals = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Publisher {
    posts: Vec<Post>,
    certificates: Certificates,
    interval: Option<Duration>,
    changes: Receiver<Option<Duration>>,
    started: Instant,
    /// When loads were counted last.
    last: Option<Instant>,
    loads: Loads,
    tree: Tree,
}

impl Publisher {
    fn run(mut self) {
        loop {
            if self.interval.is_some() {
                self.publish();
            }
            let next = match self.interval {
                Some(interval) => self.changes.recv_timeout(interval),
                None => self.changes.recv().map_err(RecvTimeoutError::from),
            };
            match next {
                Ok(interval) => self.interval = interval,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn publish(&mut self) {
        let reports = self.measure();
        if reports.len() < self.posts.len() {
            return tracing::warn!("some shards are too busy to count: $SYS is not published now");
        }
        let now = Instant::now();
        let all = ShardReport::sum(&reports);
        let elapsed = self.last.map(|last| now.duration_since(last));
        self.last = Some(now);
        self.loads.count(&all, elapsed.unwrap_or_default());
        let mut changed = self.tree.update(&all, &self.loads, self.started.elapsed());
        changed.extend(self.tree.expire(&self.certificates, SystemTime::now()));
        let message = |(topic, value): (String, String)| {
            Message::new(&topic, value.as_bytes(), QoS::ExactlyOnce, true)
        };
        let messages = changed.into_iter().map(message).collect();
        let _ = self.posts[0].send(&mut vec![Mail::Publish(messages)]);
    }

    /// The numbers of all shards that answer in time.
    fn measure(&self) -> Vec<ShardReport> {
        let (answers, reports) = mpsc::channel();
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Measure(answers.clone())]);
        }
        drop(answers);
        let deadline = Instant::now() + PATIENCE;
        let next = || {
            let left = deadline.saturating_duration_since(Instant::now());
            reports.recv_timeout(left).ok()
        };
        std::iter::from_fn(next).collect()
    }
}
