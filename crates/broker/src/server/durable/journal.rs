//! One shard's side of the log: what it records becomes frames, what it wants to read is asked for,
//! and what the log says becomes inputs.

use std::collections::HashMap;

use dunlin_core::{
    LogRoom, Message, MessageId, Reader, Record, ReplayStart, Replayed, Shard, Timestamp,
};
use dunlin_store::{Found, Frame, Handle, Haste, Key, Past, Position, Start};

/// Bytes that may wait to be written. Beyond, the shard reads no sockets: so its Clients feel what
/// the disk cannot keep up with.
const BACKLOG: usize = 8 << 20;

/// Room for that many records is kept.
const RECORDS: usize = 4096;

/// What joins one shard and the log.
pub(in crate::server) struct Journal {
    log: Handle,
    room: LogRoom,
    /// How many records somebody waits for, as far as the log knows.
    awaited: u64,
    /// Who has asked, by the tag of the request.
    readers: HashMap<u64, Reader>,
    /// The tags of replays, whose requests may have to wait for long.
    replaying: HashMap<Reader, u64>,
    last_tag: u64,
    // Kept for their memory.
    records: Vec<Record>,
    reads: Vec<(Reader, Vec<MessageId>)>,
    replays: Vec<(Reader, ReplayStart)>,
    ended: Vec<Reader>,
}

impl Journal {
    pub(super) fn new(log: Handle) -> Self {
        Journal {
            log,
            room: LogRoom::Enough,
            awaited: 0,
            readers: HashMap::new(),
            replaying: HashMap::new(),
            last_tag: 0,
            records: Vec::new(),
            reads: Vec::new(),
            replays: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Appends what the shard has recorded, and asks for what it wants to read.
    pub(in crate::server) fn append(&mut self, shard: &mut Shard) {
        let count = shard.take_records(&mut self.records);
        let awaited = shard.awaited_records();
        let haste = match awaited > std::mem::replace(&mut self.awaited, awaited) {
            true => Haste::Now,
            false => Haste::Later,
        };
        // Somebody may have begun to wait for records that were taken before.
        if !self.records.is_empty() || haste == Haste::Now {
            self.log.append(frame(&self.records), count, haste);
            self.records.clear();
            self.records.shrink_to(RECORDS);
        }
        if shard.take_checkpoint() {
            self.log.checkpoint_finished();
        }
        shard.take_reads(&mut self.reads);
        let mut reads = std::mem::take(&mut self.reads);
        for (reader, messages) in reads.drain(..) {
            let tag = self.tag(reader);
            self.log.read(tag, messages.into_iter().map(key).collect());
        }
        self.reads = reads;
        shard.take_replay_reads(&mut self.replays);
        let mut replays = std::mem::take(&mut self.replays);
        for (reader, start) in replays.drain(..) {
            let tag = self.tag(reader);
            self.replaying.insert(reader, tag);
            self.log.history(tag, place(start));
        }
        self.replays = replays;
        shard.take_ended_replays(&mut self.ended);
        for reader in self.ended.drain(..) {
            if let Some(tag) = self.replaying.remove(&reader) {
                self.readers.remove(&tag);
                self.log.forget(tag);
            }
        }
    }

    /// A tag for a request.
    fn tag(&mut self, reader: Reader) -> u64 {
        self.last_tag += 1;
        self.readers.insert(self.last_tag, reader);
        self.last_tag
    }

    /// Who has asked with this tag. Each request is answered once.
    pub(in crate::server) fn reader(&mut self, tag: u64) -> Option<Reader> {
        let reader = self.readers.remove(&tag)?;
        self.replaying.remove(&reader);
        Some(reader)
    }

    /// The log has room, or has none.
    pub(in crate::server) fn set_room(&mut self, room: LogRoom) {
        self.room = room;
    }

    /// Whether the log has more to write than may wait. If it cannot write at all, waiting does not
    /// help: what Clients acknowledge may.
    pub(in crate::server) fn is_congested(&self) -> bool {
        self.room == LogRoom::Enough && self.log.backlog() > BACKLOG
    }
}

/// The messages that were read back. One that is damaged is missing.
pub(in crate::server) fn messages(found: &Found) -> Vec<(MessageId, Option<Message>)> {
    let message = |(key, content): (Key, Option<&[u8]>)| {
        let id = MessageId::from_u64(key.get());
        let record = content.and_then(|content| Record::decode(Some(id), content).ok());
        (id, record.and_then(|record| record.message().cloned()))
    };
    found.iter().map(message).collect()
}

/// The messages of a part of the log, and where the next part begins. What a checkpoint has told
/// anew is none of them.
pub(in crate::server) fn replayed(past: &Past) -> (Vec<Replayed>, u64) {
    let message = |(position, time, key, content): (Position, u64, Key, &[u8])| {
        let id = MessageId::from_u64(key.get());
        match Record::decode(Some(id), content).ok()? {
            Record::Message { message, .. } | Record::Retained { message, .. } => Some(Replayed {
                position: position.get(),
                at: Timestamp::from_millis(time),
                message,
            }),
            _ => None,
        }
    };
    (past.iter().filter_map(message).collect(), past.next.get())
}

/// Where to begin to read the log.
fn place(start: ReplayStart) -> Start {
    match start {
        ReplayStart::First => Start::First,
        ReplayStart::Time(time) => Start::Time(time.as_millis()),
        ReplayStart::After(position) => Start::After(Position::from_number(position)),
        ReplayStart::Cursor(next) => Start::Cursor(Position::from_number(next)),
    }
}

/// The records of one turn: all of them are recovered, or none.
pub(super) fn frame(records: &[Record]) -> Frame {
    let mut frame = Frame::new();
    for record in records {
        frame.push(record.key().map(key), |bytes| record.encode(bytes));
        if let Some(message) = record.refers_to() {
            frame.refer(key(message));
        }
    }
    frame
}

fn key(message: MessageId) -> Key {
    Key::new(message.as_u64())
}
