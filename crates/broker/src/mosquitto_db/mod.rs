//! `mosquitto.db`: what a Mosquitto has saved of its Sessions and messages, in versions 5 and 6 of its
//! format.
//!
//! The file is a head and then chunks, each with a kind and a length. What they hold refers to each
//! other: a Retained Message or one in a queue is the number of a stored message.
//!
//! ```text
//! head    00 B5 00 "mosquitto db" | checksum, always 0: u32 | version: u32
//! chunk   kind: u32 | length: u32 | that many bytes
//! ```
//!
//! Lengths, Packet Identifiers and the like are big endian; the numbers of messages and times are as
//! the machine had them that wrote the file, which is taken for little endian.

mod bytes;
mod record;
mod show;
mod take_over;

use bytes::Bytes;
use dunlin_packet::Malformed;
pub(crate) use record::{
    Direction, QueuedMessage, StoredClient, StoredMessage, StoredSubscription,
};
pub(crate) use take_over::TakenOver;

/// What a file begins with.
const MAGIC: &[u8] = b"\x00\xB5\x00mosquitto db";

/// Everything in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Database {
    /// 5 or 6.
    pub(crate) version: u32,
    pub(crate) messages: Vec<StoredMessage>,
    pub(crate) clients: Vec<StoredClient>,
    /// What is queued or in flight, in the order of each queue.
    pub(crate) queued: Vec<QueuedMessage>,
    pub(crate) subscriptions: Vec<StoredSubscription>,
    /// The numbers of the messages that are retained.
    pub(crate) retained: Vec<u64>,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("this is no mosquitto.db")]
    NotADatabase,
    #[error("this is version {0} of the format; 5 and 6 are read")]
    Version(u32),
    #[error("the file ends within the chunk at byte {offset}")]
    Truncated { offset: usize },
    #[error("the chunk of kind {kind} at byte {offset}: {problem}")]
    Chunk {
        kind: u32,
        offset: usize,
        problem: Problem,
    },
    #[error("message {number} is needed and not there")]
    NoMessage { number: u64 },
    #[error("message {number}: {wrong}")]
    Message { number: u64, wrong: Malformed },
    #[error("somebody has subscribed to `{0}`, or in a way that makes no sense")]
    Filter(String),
}

/// What is wrong within a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("it is too short for what it says it holds")]
    TooShort,
    #[error("a text in it is not UTF-8")]
    NotUtf8,
    #[error("QoS {0}")]
    QoS(u8),
    #[error("direction {0}")]
    Direction(u8),
}

impl Database {
    /// Reads a whole file. Chunks of unknown kinds are passed over, as Mosquitto does.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub(crate) fn read(file: &[u8]) -> Result<Self, DatabaseError> {
        let rest = file
            .strip_prefix(MAGIC)
            .ok_or(DatabaseError::NotADatabase)?;
        let mut head = Bytes::new(rest);
        let _checksum = head.u32().map_err(|_| DatabaseError::NotADatabase)?;
        let version = head.u32().map_err(|_| DatabaseError::NotADatabase)?;
        if !(5..=6).contains(&version) {
            return Err(DatabaseError::Version(version));
        }
        let mut database = Database {
            version,
            ..Database::default()
        };
        let mut rest = head.rest();
        while !rest.is_empty() {
            let offset = file.len() - rest.len();
            let truncated = |_| DatabaseError::Truncated { offset };
            let mut chunk = Bytes::new(rest);
            let kind = chunk.u32().map_err(truncated)?;
            let length = chunk.u32().map_err(truncated)?;
            let body = chunk.take(length as usize).map_err(truncated)?;
            rest = chunk.rest();
            database
                .take(kind, Bytes::new(body))
                .map_err(|problem| DatabaseError::Chunk {
                    kind,
                    offset,
                    problem,
                })?;
        }
        Ok(database)
    }

    fn take(&mut self, kind: u32, mut body: Bytes<'_>) -> Result<(), Problem> {
        match kind {
            2 => self.messages.push(StoredMessage::read(body)?),
            3 => self.queued.push(QueuedMessage::read(body)?),
            4 => self.retained.push(body.u64_little()?),
            5 => self.subscriptions.push(StoredSubscription::read(body)?),
            6 => self.clients.push(StoredClient::read(body, self.version)?),
            // 1 is about the numbering of messages.
            _ => {}
        }
        Ok(())
    }

    /// The stored message with this number.
    pub(crate) fn message(&self, number: u64) -> Option<&StoredMessage> {
        self.messages.iter().find(|it| it.number == number)
    }
}

#[cfg(test)]
mod tests;
