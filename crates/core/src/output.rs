//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::message::Message;
use crate::settlement::Ticket;

/// Payloads longer than this are not copied into the buffer of each connection but referred to.
/// Measured: below about 1 KiB a copy is cheaper than a further slice of a vectored write.
const INLINE_PAYLOAD: usize = 1024;

/// Slices of one vectored write at most.
const SLICES: usize = 64;

/// A buffer that keeps more than this is not used again for another connection.
const POOLED_CAPACITY: usize = 64 * 1024;

/// Encoded packets, with long payloads shared between all connections that they go to.
#[derive(Default, Debug)]
pub struct Output {
    /// All bytes but those of shared payloads.
    bytes: Vec<u8>,
    /// How many of `bytes` have been written.
    written: usize,
    /// Shared payloads, by the place in `bytes` before which they belong.
    shared: VecDeque<Shared>,
    /// Bytes not written yet, shared ones included.
    pending: usize,
    /// Bytes that have been appended and written since it was empty, shared ones included.
    appended: u64,
    /// Where bytes begin that must not be written yet, and until when.
    gates: VecDeque<(u64, Ticket)>,
}

#[derive(Debug)]
struct Shared {
    at: usize,
    written: usize,
    message: Message,
}

impl Output {
    /// Bytes that wait.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Lets `encode` append a packet; gives its size in bytes.
    pub(crate) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.bytes.len();
        encode(&mut self.bytes);
        self.note_appended(self.bytes.len() - before)
    }

    /// Appends the payload of a message whose head has been appended; gives its size in bytes.
    pub(crate) fn append_payload(&mut self, message: &Message) -> usize {
        let payload = message.payload();
        if payload.len() <= INLINE_PAYLOAD {
            self.bytes.extend_from_slice(payload);
        } else {
            let message = message.clone();
            self.shared.push_back(Shared {
                at: self.bytes.len(),
                written: 0,
                message,
            });
        }
        self.note_appended(payload.len())
    }

    fn note_appended(&mut self, count: usize) -> usize {
        self.pending += count;
        self.appended += count as u64;
        count
    }

    /// What is appended from now on must not be written before the ticket is settled.
    pub(crate) fn shut(&mut self, ticket: Ticket) {
        if self.gates.back().is_none_or(|(_, last)| *last != ticket) {
            self.gates.push_back((self.appended, ticket));
        }
    }

    /// Opens the gates whose tickets are settled.
    pub(crate) fn open(&mut self, is_settled: impl Fn(Ticket) -> bool) {
        while self
            .gates
            .front()
            .is_some_and(|(_, ticket)| is_settled(*ticket))
        {
            self.gates.pop_front();
        }
    }

    /// Bytes that may be written now.
    pub(crate) fn writable(&self) -> usize {
        let written = self.appended - self.pending as u64;
        self.gates
            .front()
            .map_or(self.pending, |(at, _)| (*at - written) as usize)
    }

    /// The next bytes to write, in order, added to `slices`: all of them, or as many pieces as one
    /// call takes.
    pub fn slices<'a>(&'a self, slices: &mut impl Extend<IoSlice<'a>>) {
        let mut at = self.written;
        let mut left = self.writable();
        let mut pieces = 0;
        let mut push = |bytes: &'a [u8]| {
            let bytes = &bytes[..bytes.len().min(left)];
            left -= bytes.len();
            if !bytes.is_empty() {
                pieces += 1;
                slices.extend([IoSlice::new(bytes)]);
            }
            pieces + 2 <= SLICES
        };
        for shared in &self.shared {
            let before = &self.bytes[at..shared.at];
            at = shared.at;
            if !push(before) || !push(&shared.message.payload()[shared.written..]) {
                return;
            }
        }
        push(&self.bytes[at..]);
    }

    /// Takes note that the first `count` waiting bytes were written.
    pub(crate) fn advance(&mut self, mut count: usize) {
        assert!(count <= self.pending, "no more is written than was there");
        self.pending -= count;
        while let Some(shared) = self.shared.front_mut() {
            let before = shared.at - self.written;
            if count < before {
                break;
            }
            count -= before;
            self.written = shared.at;
            let rest = shared.message.payload().len() - shared.written;
            if count < rest {
                shared.written += count;
                return;
            }
            count -= rest;
            self.shared.pop_front();
        }
        self.written += count;
        // Whatever keeps waiting behind a slow reader does not drag along what was written.
        if self.written > POOLED_CAPACITY && self.written * 2 > self.bytes.len() {
            self.bytes.drain(..self.written);
            for shared in &mut self.shared {
                shared.at -= self.written;
            }
            self.written = 0;
        }
    }
}

/// Empty outputs for whoever has something to write next; an idle connection holds none.
#[derive(Default, Debug)]
#[expect(
    clippy::vec_box,
    reason = "the boxes move to and from connections, which stay small"
)]
pub(crate) struct OutputPool(Vec<Box<Output>>);

impl OutputPool {
    /// Outputs kept at most: together with the capacity of each, the pool's bound.
    const KEPT: usize = 1024;

    pub(crate) fn take(&mut self) -> Box<Output> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, mut output: Box<Output>) {
        if self.0.len() < Self::KEPT && output.bytes.capacity() <= POOLED_CAPACITY {
            output.bytes.clear();
            output.shared.clear();
            output.written = 0;
            output.pending = 0;
            output.appended = 0;
            output.gates.clear();
            self.0.push(output);
        }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_packet::QoS;

    use super::*;

    fn all(output: &Output) -> Vec<u8> {
        let mut slices = Vec::new();
        output.slices(&mut slices);
        slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect()
    }

    #[test]
    fn whatever_is_written_the_rest_follows_in_order() {
        let long = Message::new("t", &[7; INLINE_PAYLOAD + 1], QoS::AtMostOnce, false);
        let short = Message::new("t", &[8; 3], QoS::AtMostOnce, false);
        for step in [1, 2, 1000, 1030, 5000] {
            let mut output = Output::default();
            for message in [&long, &long, &short, &long] {
                output.append(|bytes| bytes.extend_from_slice(b"head"));
                output.append_payload(message);
            }
            let expected = all(&output);
            assert_eq!(expected.len(), output.pending());
            let mut sent = Vec::new();
            while !output.is_empty() {
                let rest = all(&output);
                let n = step.min(rest.len());
                sent.extend_from_slice(&rest[..n]);
                output.advance(n);
                if sent.len() == 2000 {
                    output.append(|bytes| bytes.extend_from_slice(b""));
                }
            }
            assert_eq!(sent, expected, "in steps of {step}");
        }
    }
}
