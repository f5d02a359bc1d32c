//! The log thread.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use super::inbox::{Haste, Inbox, Request};
use super::reader::{Order, What};
use super::{Client, Commit, News, ServiceOptions};
use crate::error::Error;
use crate::files::Files;
use crate::frame::Frame;
use crate::history::Start;
use crate::key::Key;
use crate::log::Log;

/// How long to wait before something is tried again for which there was no room.
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Writer<F: Files, C> {
    log: Log<F>,
    inbox: Arc<Inbox>,
    clients: Arc<[C]>,
    readings: Sender<Order<F::File>>,
    options: ServiceOptions,
    /// Frames that are not written, and of whom they are.
    frames: VecDeque<Frame>,
    origins: VecDeque<(usize, u64)>,
    /// What clients have not been told of yet: their counts as far as they are written.
    written: Vec<Option<u64>>,
    /// Somebody waits for that.
    is_awaited: bool,
    /// When it is to be committed though nobody waits.
    commit_at: Option<Instant>,
    /// Bytes of frames written in this turn.
    written_bytes: usize,
    phase: Phase,
    /// When the last checkpoint began.
    checkpointed: Instant,
    /// Clients know that there is little room.
    is_full: bool,
    /// Something failed and is to be tried again.
    is_waiting: bool,
    is_stopping: bool,
    /// Who waits for something behind the end of the log.
    histories: Vec<(usize, u64, Start)>,
    // Kept for its memory.
    requests: Vec<Request>,
}

/// How far a checkpoint is.
enum Phase {
    /// There is none.
    Idle,
    /// These clients have finished.
    Recording(Vec<bool>),
    /// All have; what it leaves behind is being freed.
    Cleaning,
}

impl<F: Files, C: Client> Writer<F, C> {
    pub(super) fn new(
        log: Log<F>,
        inbox: Arc<Inbox>,
        clients: Arc<[C]>,
        readings: Sender<Order<F::File>>,
        options: ServiceOptions,
    ) -> Self {
        Writer {
            log,
            inbox,
            readings,
            options,
            frames: VecDeque::new(),
            origins: VecDeque::new(),
            written: vec![None; clients.len()],
            is_awaited: false,
            commit_at: None,
            clients,
            written_bytes: 0,
            phase: Phase::Idle,
            checkpointed: Instant::now(),
            is_full: false,
            is_waiting: false,
            is_stopping: false,
            histories: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Works until it is told to stop, or until nothing can be made stable any more.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let inbox = Arc::clone(&self.inbox);
        let result = self.work().and_then(|()| self.finish());
        inbox.close();
        result
    }

    fn work(&mut self) -> Result<(), Error> {
        while !self.is_stopping {
            let mut requests = mem::take(&mut self.requests);
            self.inbox.take(&mut requests, self.patience());
            let mut reads = Vec::new();
            for request in requests.drain(..) {
                self.hear(request, &mut reads);
            }
            self.requests = requests;
            let done = self.turn(reads);
            if let Err(error) = done {
                self.tell_all(|| News::Failed(error.clone()));
                return Err(error);
            }
        }
        Ok(())
    }

    fn hear(&mut self, request: Request, reads: &mut Vec<(usize, u64, Vec<Key>)>) {
        match request {
            Request::Append {
                client,
                frame,
                count,
                haste,
            } => {
                self.frames.push_back(frame);
                self.origins.push_back((client, count));
                self.is_awaited |= haste == Haste::Now;
            }
            Request::Read { client, tag, keys } => reads.push((client, tag, keys)),
            Request::History { client, tag, start } => self.histories.push((client, tag, start)),
            Request::Forget { client, tag } => {
                self.histories
                    .retain(|(other, waiting, _)| (*other, *waiting) != (client, tag));
            }
            Request::Finished { client } => {
                if let Phase::Recording(finished) = &mut self.phase {
                    finished[client] = true;
                }
            }
            Request::Statistics(answer) => {
                // Whoever has asked may be gone.
                let _ = answer.send(self.log.statistics());
            }
            Request::Stop => self.is_stopping = true,
        }
    }

    /// Does what the requests have made necessary. An error is final.
    fn turn(&mut self, reads: Vec<(usize, u64, Vec<Key>)>) -> Result<(), Error> {
        self.is_waiting = false;
        self.write()?;
        for (client, tag, keys) in reads {
            self.read(client, tag, &keys);
        }
        self.commit()?;
        self.read_on();
        self.go_on_with_checkpoint()?;
        self.look_for_room();
        Ok(())
    }

    /// Writes the frames, as far as there is room.
    fn write(&mut self) -> Result<(), Error> {
        self.written_bytes = 0;
        if self.frames.is_empty() {
            return Ok(());
        }
        let bytes = |frames: &VecDeque<Frame>| frames.iter().map(Frame::len).sum::<usize>();
        let before = bytes(&self.frames);
        let appended = self.log.append(&mut self.frames, now());
        self.written_bytes = before - bytes(&self.frames);
        self.inbox.written(self.written_bytes);
        let count = self.origins.len() - self.frames.len();
        for (client, count) in self.origins.drain(..count) {
            self.written[client] = Some(count);
        }
        self.forgive(appended).map(drop)
    }

    /// Makes stable what is written, and tells clients; not yet, if nobody waits for it.
    fn commit(&mut self) -> Result<(), Error> {
        if self.written.iter().all(Option::is_none) {
            return Ok(());
        }
        if !self.is_awaited {
            let now = Instant::now();
            let at = *self.commit_at.get_or_insert(now + self.options.linger);
            if now < at {
                return Ok(());
            }
        }
        self.commit_at = None;
        // Frames for which there was no room are awaited still.
        self.is_awaited &= !self.frames.is_empty();
        if self.options.commit == Commit::Fsync {
            self.log.sync()?;
        }
        for (client, count) in self.clients.iter().zip(&mut self.written) {
            if let Some(count) = count.take() {
                client.tell(News::Committed { count });
            }
        }
        Ok(())
    }

    fn read(&self, client: usize, tag: u64, keys: &[Key]) {
        let unwritten = |&key: &Key| {
            let content = self.frames.iter().find_map(|frame| frame.find(key))?;
            Some((key, content.to_vec()))
        };
        let what = What::Entries {
            reading: self.log.locate(keys),
            unwritten: keys.iter().filter_map(unwritten).collect(),
        };
        self.order(Order { client, tag, what });
    }

    /// Has the log read for those who have waited for something in it.
    fn read_on(&mut self) {
        for (client, tag, start) in mem::take(&mut self.histories) {
            match self.log.history(start, self.options.commit) {
                Some(history) => {
                    let what = What::History(history);
                    self.order(Order { client, tag, what });
                }
                None => self.histories.push((client, tag, start)),
            }
        }
    }

    fn order(&self, order: Order<F::File>) {
        let sent = self.readings.send(order);
        sent.expect("the reader thread lives as long as this one");
    }

    fn go_on_with_checkpoint(&mut self) -> Result<(), Error> {
        match &self.phase {
            Phase::Idle if self.needs_checkpoint() => {
                let begun = self.log.begin_checkpoint();
                if self.forgive(begun)?.is_some() {
                    self.checkpointed = Instant::now();
                    self.phase = Phase::Recording(vec![false; self.clients.len()]);
                    self.tell_all(|| News::Checkpoint);
                }
            }
            // What came before the last "finished" is written if nothing waits.
            Phase::Recording(finished)
                if self.frames.is_empty() && finished.iter().all(|it| *it) =>
            {
                let ended = self.log.end_checkpoint();
                if self.forgive(ended)?.is_some() {
                    self.phase = Phase::Cleaning;
                }
            }
            Phase::Cleaning => self.clean()?,
            _ => {}
        }
        Ok(())
    }

    /// Frees more than was appended in this turn, so that it comes to an end under any load.
    fn clean(&mut self) -> Result<(), Error> {
        let steps = 1 + 2 * self.written_bytes / Log::<F>::STEP as usize;
        for _ in 0..steps {
            let cleaned = self.log.clean(now());
            match self.forgive(cleaned)? {
                Some(true) => {}
                Some(false) => {
                    self.phase = Phase::Idle;
                    break;
                }
                None => break,
            }
        }
        Ok(())
    }

    fn needs_checkpoint(&self) -> bool {
        let log = self.log.counted();
        let is_long = log.bytes > 2 * log.live + self.options.slack;
        let is_due = self.is_worth_it() && self.checkpointed.elapsed() >= self.options.interval;
        let may_help = self.is_full && log.since > 0 && self.checkpointed.elapsed() >= RETRY;
        is_long || is_due || may_help
    }

    /// Whether enough has come since the last checkpoint for another one.
    fn is_worth_it(&self) -> bool {
        let log = self.log.counted();
        log.since > self.options.little.max(log.state / 2)
    }

    /// Tells clients when there is little room, and when there is some again.
    fn look_for_room(&mut self) {
        if self.log.is_full() && (self.is_full || self.is_waiting) {
            self.log.make_room();
        }
        let is_full = self.log.is_full() || self.is_waiting;
        if is_full != self.is_full {
            self.is_full = is_full;
            self.tell_all(|| if is_full { News::Full } else { News::Room });
        }
    }

    /// How long to wait for requests.
    fn patience(&self) -> Option<Duration> {
        let commit = self
            .commit_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        let checkpoint = self.patience_of_checkpoint();
        commit.into_iter().chain(checkpoint).min()
    }

    fn patience_of_checkpoint(&self) -> Option<Duration> {
        match self.phase {
            Phase::Cleaning if !self.is_waiting => Some(Duration::ZERO),
            _ if self.is_waiting || self.is_full => Some(RETRY),
            Phase::Recording(_) | Phase::Cleaning => None,
            Phase::Idle => {
                let rest = self
                    .options
                    .interval
                    .saturating_sub(self.checkpointed.elapsed());
                self.is_worth_it().then_some(rest)
            }
        }
    }

    /// Passes a result on; `None` if it is to be tried again.
    fn forgive<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Full(_) | Error::Io { .. }) if !self.log.is_poisoned() => {
                self.is_waiting = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn tell_all(&self, news: impl Fn() -> News) {
        self.clients.iter().for_each(|client| client.tell(news()));
    }

    /// Makes all stable that there was room for.
    fn finish(mut self) -> Result<(), Error> {
        self.log.append(&mut self.frames, now())?;
        self.log.close(now())
    }
}

/// The wall time in milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
