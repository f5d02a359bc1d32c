//! The one log that all shards append to: the broker's own (`dunlin_store`), in tiny segments, on a
//! disk that loses, tears and reorders what is not stable, flips bits, fills up, and fails.
//!
//! What the log's threads do in the broker happens here in small steps, at random times and in any
//! order that the threads allow: frames are written, made stable, checkpoints end, and what they
//! leave behind is cleaned. So a crash can come between any two of them; and one that the disk was
//! told of comes in the middle of any of its operations.

use std::collections::{BTreeSet, VecDeque};

use dunlin_core::{LogId, LogRoom, Message, MessageId, Record, ReplayStart, Replayed, Timestamp};
use dunlin_store::files::simulated::{Disk, SimulatedFiles};
use dunlin_store::{Commit, Error, Frame, Key, Options, Position, Recovery, Retention, Start};

use crate::checkers::replays::Kept;
use crate::rng::Rng;

type Store = dunlin_store::Log<SimulatedFiles>;

/// The wall time at which all runs begin, in milliseconds since 1970.
const EPOCH: u64 = 1_700_000_000_000;

/// Bytes of a segment: few records, so that cleaning has something to do.
const SEGMENT: u32 = 8 << 10;

/// The log, its disk, and what is between it and the shards.
pub(super) struct Log {
    disk: Disk,
    store: Option<Store>,
    /// What has been appended and is not written, in order.
    waiting: VecDeque<Batch>,
    /// What is written and not stable: by which shard, and how many records that makes of it.
    written: Vec<(usize, u64)>,
    /// What the last opening gave.
    restored: Vec<Record>,
    /// Shards that have not finished the checkpoint that is underway.
    checkpoint: Option<BTreeSet<usize>>,
    is_cleaning: bool,
    /// Something failed for lack of room, and is to be tried again.
    is_stuck: bool,
    /// Whether all messages stay, to be read again.
    keeps: bool,
    /// Files in which a bit was flipped. A second one in the same frame would be too much.
    flipped: BTreeSet<String>,
    /// Frames with a flipped bit that were put right, by earlier processes and at the start.
    mended: u64,
    /// What shards have been told.
    room: LogRoom,
    /// When something is done.
    pub(super) acts_at: Option<u64>,
}

/// What a shard has put out in one turn.
struct Batch {
    seat: usize,
    /// How many records that makes since the shard started.
    count: u64,
    records: Vec<Record>,
}

/// What there is to do.
#[derive(Clone, Copy)]
enum Task {
    Write,
    Sync,
    EndCheckpoint,
    Clean,
}

/// Nothing can be made stable any more: the process ends.
pub(super) struct Failed;

impl Log {
    /// A log on an empty disk, to be opened.
    pub(super) fn new(seed: u64, keeps: bool) -> Self {
        Log {
            disk: Disk::new(seed),
            store: None,
            waiting: VecDeque::new(),
            written: Vec::new(),
            restored: Vec::new(),
            checkpoint: None,
            is_cleaning: false,
            is_stuck: false,
            keeps,
            flipped: BTreeSet::new(),
            mended: 0,
            room: LogRoom::Enough,
            acts_at: None,
        }
    }

    // -------------------------------------------------------------- beginning and end

    /// Opens the log for a new process, even if the power fails again and again meanwhile.
    ///
    /// # Errors
    /// What is wrong with it: nothing may be.
    pub(super) fn open(&mut self, rng: &mut Rng) -> Result<(), String> {
        if rng.percent(20) {
            self.fail_soon(rng);
        }
        loop {
            let mut records = Vec::new();
            let mut wrong = None;
            let opened = Store::open(self.disk.files(), self.options(), |entry| {
                let key = entry.key.map(|key| MessageId::from_u64(key.get()));
                match Record::decode(key, entry.content) {
                    Ok(record) => records.push(record),
                    Err(error) => wrong = Some(error),
                }
            });
            match opened {
                Ok((_, Recovery { damage, .. })) if !damage.is_empty() => {
                    return Err(format!("is taken for damaged: {damage:?}"));
                }
                Ok(_) if wrong.is_some() => return Err(format!("has no records: {wrong:?}")),
                Ok((store, Recovery { mended, .. })) => {
                    self.mended += mended.len() as u64;
                    self.disk.crash_at(u64::MAX);
                    self.store = Some(store);
                    self.restored = records;
                    return Ok(());
                }
                Err(_) if self.disk.is_down() => self.disk.reboot(),
                Err(error) => return Err(format!("cannot be opened: {error}")),
            }
        }
    }

    /// All that was found in it.
    pub(super) fn records(&self) -> &[Record] {
        &self.restored
    }

    /// The process dies; or the power fails, and with it goes what is not stable.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        *self = Log {
            disk: self.disk.clone(),
            flipped: std::mem::take(&mut self.flipped),
            mended: self.mended(),
            ..Log::new(0, self.keeps)
        };
        self.disk.fail_sync_at(u64::MAX);
        if self.disk.is_down() || rng.percent(70) {
            self.disk.reboot();
        } else {
            self.disk.restart();
        }
    }

    /// The power fails in one of the next operations of the disk.
    pub(super) fn fail_soon(&mut self, rng: &mut Rng) {
        let operations = 1 + rng.below(12) as u64;
        self.disk.crash_at(self.disk.operations() + operations);
    }

    /// The disk cannot make stable what it is asked to next.
    pub(super) fn fail_to_sync(&mut self) {
        self.disk.fail_sync_at(self.disk.operations() + 1);
    }

    /// A bit of a file flips. Not in the last one: nothing says yet of its last frame that it was
    /// stable, so that it would be taken for torn. None: there is no other file.
    pub(super) fn flip(&mut self, rng: &mut Rng) -> Option<String> {
        let mut files = self.disk.contents();
        files.retain(|name, _| name.ends_with(".log"));
        files.pop_last();
        files.retain(|name, _| !self.flipped.contains(name));
        let files: Vec<_> = files.into_iter().collect();
        if files.is_empty() {
            return None;
        }
        let (name, content) = &files[rng.below(files.len())];
        let at = rng.below(content.len());
        self.disk.flip(name, at, rng.below(8) as u8);
        self.flipped.insert(name.clone());
        Some(format!("{name} at {at}"))
    }

    /// Frames with a flipped bit that were put right.
    pub(super) fn mended(&self) -> u64 {
        let store = self.store.as_ref();
        self.mended + store.map_or(0, |store| store.statistics().mended)
    }

    /// There is room for so many bytes more.
    pub(super) fn fill(&mut self, more: usize) {
        self.disk.set_capacity(self.disk.used() + more);
    }

    /// The disk has room.
    pub(super) fn unfill(&mut self) {
        self.disk.set_capacity(usize::MAX);
    }

    /// The disk has room, and does not fail any more.
    pub(super) fn heal(&mut self) {
        self.unfill();
        self.disk.crash_at(u64::MAX);
        self.disk.fail_sync_at(u64::MAX);
    }

    // ------------------------------------------------------------------------ shards

    /// A shard appends what it has put out in a turn.
    pub(super) fn append(&mut self, seat: usize, records: &mut Vec<Record>, count: u64) {
        if !records.is_empty() {
            let records = std::mem::take(records);
            self.waiting.push_back(Batch {
                seat,
                count,
                records,
            });
        }
    }

    /// Reads messages back: also what is not written yet.
    pub(super) fn read(&self, ids: &[MessageId]) -> Vec<(MessageId, Option<Message>)> {
        let keys: Vec<_> = ids.iter().map(|id| Key::new(id.as_u64())).collect();
        let Some(store) = &self.store else {
            return Vec::new();
        };
        let found = store.locate(&keys).run();
        let message = |(key, content): (Key, Option<&[u8]>)| {
            let id = MessageId::from_u64(key.get());
            let record = content.and_then(|content| Record::decode(Some(id), content).ok());
            let written = record.and_then(|record| record.message().cloned());
            (id, written.or_else(|| self.unwritten(id)))
        };
        found.iter().map(message).collect()
    }

    fn unwritten(&self, id: MessageId) -> Option<Message> {
        let records = self.waiting.iter().flat_map(|batch| &batch.records);
        let mut messages = records.filter_map(Record::message);
        messages.find(|message| message.id() == id).cloned()
    }

    /// The next messages for a replay, and where to go on; none if there is nothing new.
    pub(super) fn replay(&self, start: ReplayStart) -> Option<(Vec<Replayed>, u64)> {
        let start = match start {
            ReplayStart::First => Start::First,
            ReplayStart::Time(time) => Start::Time(EPOCH + time.as_millis()),
            ReplayStart::After(position) => Start::After(Position::from_number(position)),
            ReplayStart::Cursor(next) => Start::Cursor(Position::from_number(next)),
        };
        let past = self.store.as_ref()?.history(start, Commit::Fsync)?.run();
        let message = |(position, time, key, content): (Position, u64, Key, &[u8])| {
            let id = MessageId::from_u64(key.get());
            match Record::decode(Some(id), content).ok()? {
                Record::Message { message, .. } | Record::Retained { message, .. } => {
                    Some(Replayed {
                        position: position.get(),
                        at: Timestamp::from_millis(time - EPOCH),
                        message,
                    })
                }
                _ => None,
            }
        };
        Some((past.iter().filter_map(message).collect(), past.next.get()))
    }

    /// All messages in the log, if they are kept.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let (mut kept, mut start) = (Vec::new(), ReplayStart::First);
        while let Some((messages, next)) = self.replay(start).filter(|_| self.keeps) {
            kept.extend(messages.iter().map(|replayed| {
                let message = &replayed.message;
                let number = message.payload().first_chunk::<4>();
                Kept {
                    position: replayed.position,
                    at: replayed.at.as_millis(),
                    topic: message.topic().to_owned(),
                    publication: number.map(|number| u32::from_be_bytes(*number) as usize),
                    expires: message.expires_at() != Timestamp::NEVER,
                }
            }));
            start = ReplayStart::Cursor(next);
        }
        kept
    }

    /// A checkpoint begins, if none is underway. True: all shards are to be told.
    pub(super) fn begin_checkpoint(&mut self, shards: usize) -> Result<bool, Failed> {
        let Some(store) = self.store.as_mut().filter(|_| self.checkpoint.is_none()) else {
            return Ok(false);
        };
        let begun = store.begin_checkpoint();
        if self.forgive(begun)?.is_none() {
            return Ok(false);
        }
        self.is_cleaning = false;
        self.checkpoint = Some((0..shards).collect());
        Ok(true)
    }

    /// A shard has told all that is recorded of it.
    pub(super) fn finish_checkpoint(&mut self, seat: usize) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.remove(&seat);
        }
    }

    /// Whether there is something to do.
    pub(super) fn is_pending(&self) -> bool {
        self.room == LogRoom::Full || !self.tasks().is_empty()
    }

    // -------------------------------------------------------------------------- work

    fn tasks(&self) -> Vec<Task> {
        let is_told = self.checkpoint.as_ref().is_some_and(BTreeSet::is_empty);
        let mut tasks = Vec::new();
        if !self.waiting.is_empty() {
            tasks.push(Task::Write);
        } else if is_told {
            tasks.push(Task::EndCheckpoint);
        }
        if !self.written.is_empty() {
            tasks.push(Task::Sync);
        }
        if self.is_cleaning {
            tasks.push(Task::Clean);
        }
        tasks
    }

    /// Does something of what there is to do; gives what is stable now, by shard, how many of its
    /// records are.
    pub(super) fn act(&mut self, now: u64, rng: &mut Rng) -> Result<Vec<(usize, u64)>, Failed> {
        self.is_stuck = false;
        let tasks = self.tasks();
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        match rng.pick(&tasks) {
            Task::Write => self.write(now, rng)?,
            Task::Sync => return self.sync(),
            Task::EndCheckpoint => {
                let ended = self.store().end_checkpoint();
                if self.forgive(ended)?.is_some() {
                    self.checkpoint = None;
                    self.is_cleaning = true;
                }
            }
            Task::Clean => {
                let cleaned = self.store().clean(EPOCH + now);
                if let Some(more) = self.forgive(cleaned)? {
                    self.is_cleaning = more;
                }
            }
        }
        Ok(Vec::new())
    }

    /// Writes some of what waits.
    fn write(&mut self, now: u64, rng: &mut Rng) -> Result<(), Failed> {
        let count = 1 + rng.below(self.waiting.len());
        let frames = self.waiting.iter().take(count);
        let mut frames: VecDeque<_> = frames.map(|batch| frame(&batch.records)).collect();
        let appended = self.store().append(&mut frames, EPOCH + now);
        let written = self.waiting.drain(..count - frames.len());
        self.written
            .extend(written.map(|batch| (batch.seat, batch.count)));
        self.forgive(appended)?;
        Ok(())
    }

    fn sync(&mut self) -> Result<Vec<(usize, u64)>, Failed> {
        let synced = self.store().sync();
        Ok(match self.forgive(synced)? {
            Some(()) => std::mem::take(&mut self.written),
            None => Vec::new(),
        })
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("it is open while shards live")
    }

    fn options(&self) -> Options {
        let retention = Retention {
            age: u64::MAX,
            size: u64::MAX,
        };
        Options {
            segment: SEGMENT,
            reserve: 3 * u64::from(SEGMENT),
            reuse: 4 * u64::from(SEGMENT),
            retention: self.keeps.then_some(retention),
            ..Options::default()
        }
    }

    /// Passes a result on; `None` if it is to be tried again.
    fn forgive<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Failed> {
        let is_poisoned = self.store().is_poisoned();
        match result {
            _ if self.disk.is_down() || is_poisoned => Err(Failed),
            Ok(value) => Ok(Some(value)),
            Err(_) => {
                self.is_stuck = true;
                Ok(None)
            }
        }
    }

    /// Whether there is room, if that is news.
    pub(super) fn room(&mut self) -> Result<Option<LogRoom>, Failed> {
        let (is_stuck, was_full) = (self.is_stuck, self.room == LogRoom::Full);
        let store = self.store();
        if store.is_full() && (was_full || is_stuck) {
            store.make_room();
        }
        let is_full = store.is_full() || is_stuck;
        if self.disk.is_down() {
            return Err(Failed);
        }
        self.room = match is_full {
            true => LogRoom::Full,
            false => LogRoom::Enough,
        };
        Ok((is_full != was_full).then_some(self.room))
    }

    /// Whether there was no room, the last time that it mattered.
    pub(super) fn is_full(&self) -> bool {
        self.room == LogRoom::Full
    }

    /// The Session that was recorded of a Client last, and its Session Expiry Interval.
    pub(super) fn session_of(&self, client: &str) -> Option<(LogId, u32)> {
        let mut last: Option<(LogId, u32)> = None;
        for record in &self.restored {
            match record {
                Record::Session {
                    session,
                    client_id,
                    expiry_interval,
                    ..
                } if **client_id == *client => last = Some((*session, *expiry_interval)),
                Record::Attached {
                    session,
                    expiry_interval,
                    ..
                } => {
                    if let Some((_, expiry)) = last.as_mut().filter(|(of, _)| of == session) {
                        *expiry = *expiry_interval;
                    }
                }
                _ => {}
            }
        }
        last
    }
}

/// The records of one turn: all of them are found again, or none.
fn frame(records: &[Record]) -> Frame {
    let key = |id: MessageId| Key::new(id.as_u64());
    let mut frame = Frame::new();
    for record in records {
        frame.push(record.key().map(key), |bytes| record.encode(bytes));
        if let Some(message) = record.refers_to() {
            frame.refer(key(message));
        }
    }
    frame
}
