//! What this shard has said to others, and how far they have acted on it.
//!
//! An acknowledgement promises something: that a message is with all who want it, that a new
//! subscription is known everywhere. So it may leave only after the other shards have heard what
//! came before it. A [`Ticket`] stands for "all that has been said so far"; an acknowledgement is
//! written behind a gate that opens when its ticket is settled.
//!
//! ```text
//!   this shard                                   another
//!   mark(peer): what is said to it must be heard
//!   …messages, Confirm(round) ─────────────────▶ acts on them; if that made it say something
//!                                                that must be acted on in turn, it waits for that
//!   ◀──────────────────────────── Acted(round)    …and says meanwhile that it has acted itself
//!   ◀──────────────────────────── Heard(round)
//! ```
//!
//! A confirmation waits for others to have acted, never for what they wait for in turn: so shards do
//! not wait for each other in a circle. That is enough, as what follows from a message (an interest
//! to announce, a message to pass on late) has no consequences that anybody must wait for.

use std::collections::VecDeque;

use crate::id::ShardId;
use crate::journal::{Durability, Journal, MessageId, Record};

/// All that a shard has said, to other shards and to the log, up to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    round: u64,
    /// Records appended before it.
    appended: u64,
}

/// How far the other shards have heard.
pub(crate) struct Settlement {
    /// Begins anew whenever a confirmation is asked for.
    round: u64,
    /// How often something was said that must be heard.
    marks: u64,
    peers: Vec<Peer>,
    journal: Journal,
    /// How many records, from the beginning, somebody waits for.
    awaited: u64,
    /// The last message of the log that has been said to other shards.
    last_crossing: MessageId,
    /// Such messages, each the last before a ticket.
    crossing: VecDeque<(Ticket, MessageId)>,
}

#[derive(Clone, Default)]
struct Peer {
    /// The round of the first mark since the last request for confirmation.
    unsent: Option<u64>,
    /// Requests that have not been answered.
    asked: VecDeque<Request>,
    /// What hearing this peer has made us say, since its last request.
    owed: Option<Ticket>,
}

#[derive(Clone, Copy)]
struct Request {
    /// The first round that it covers.
    first: u64,
    /// Its name.
    round: u64,
    /// Whether the peer has acted on it itself.
    acted: bool,
}

impl Peer {
    /// The first round that it has not heard, or not acted on.
    fn open(&self, is_open: impl Fn(&Request) -> bool) -> Option<u64> {
        let asked = self.asked.iter().find(|request| is_open(request));
        asked.map(|request| request.first).or(self.unsent)
    }
}

impl Settlement {
    pub(crate) fn new(shards: usize, durability: Durability) -> Self {
        Settlement {
            round: 0,
            marks: 0,
            peers: vec![Peer::default(); shards],
            journal: Journal::new(durability),
            awaited: 0,
            last_crossing: MessageId::NONE,
            crossing: VecDeque::new(),
        }
    }

    /// Whether records are appended at all.
    pub(crate) fn has_log(&self) -> bool {
        self.journal.is_on()
    }

    /// Appends a record, if there is a log; it must be stable before acknowledgements that follow.
    pub(crate) fn append(&mut self, record: impl FnOnce() -> Record) {
        self.journal.append(record);
        self.marks += u64::from(self.journal.is_on());
    }

    /// Appends a record that nothing waits for.
    pub(crate) fn append_later(&mut self, record: impl FnOnce() -> Record) {
        self.journal.append(record);
    }

    /// Takes the records that have been appended; gives how many there were from the beginning.
    pub(crate) fn take_records(&mut self, into: &mut Vec<Record>) -> u64 {
        if !self.journal.is_empty() {
            self.note_routed();
        }
        self.journal.take(into)
    }

    /// How many records wait to be taken.
    pub(crate) fn pending_records(&self) -> usize {
        self.journal.len()
    }

    /// A message of the log is about to be said to other shards.
    pub(crate) fn route(&mut self, message: MessageId) {
        self.last_crossing = message;
    }

    /// Appends how far messages are where they are due, if that is news. Nothing waits for that: it
    /// goes with what is appended anyway.
    fn note_routed(&mut self) {
        let mut routed = None;
        while let Some((ticket, message)) = self.crossing.front().copied()
            && self.is_settled(ticket)
        {
            self.crossing.pop_front();
            routed = Some(message);
        }
        if let Some(message) = routed {
            self.append_later(|| Record::Routed { message });
        }
        let last = std::mem::take(&mut self.last_crossing);
        if last.is_some() {
            self.crossing.push_back((self.ticket(), last));
        }
    }

    /// Somebody waits until a ticket is settled: until then, its records are to be stable soon.
    pub(crate) fn wait_for(&mut self, ticket: Ticket) {
        if !self.journal.is_committed(ticket.appended) {
            self.awaited = self.awaited.max(ticket.appended);
        }
    }

    /// How many records, from the beginning, somebody waits for.
    pub(crate) fn awaited(&self) -> u64 {
        self.awaited
    }

    /// The first `count` records are stable.
    pub(crate) fn commit(&mut self, count: u64) {
        self.journal.commit(count);
    }

    /// Something is said to another shard that must be heard before acknowledgements that follow.
    pub(crate) fn mark(&mut self, peer: ShardId) {
        self.marks += 1;
        self.peers[peer.index()].unsent.get_or_insert(self.round);
    }

    /// A number that grows with everything that acknowledgements have to wait for.
    pub(crate) fn marks(&self) -> u64 {
        self.marks
    }

    /// All that has been said so far.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket {
            round: self.round,
            appended: self.journal.appended(),
        }
    }

    /// All that has been said so far to other shards, whatever the log has of it.
    pub(crate) fn said(&self) -> Ticket {
        Ticket {
            round: self.round,
            appended: 0,
        }
    }

    /// What has been said to a shard is sent now: the round to ask a confirmation for, if any.
    pub(crate) fn ask(&mut self, peer: ShardId) -> Option<u64> {
        let peer = &mut self.peers[peer.index()];
        let first = peer.unsent.take()?;
        let round = self.round;
        peer.asked.push_back(Request {
            first,
            round,
            acted: false,
        });
        self.round += 1;
        Some(round)
    }

    /// A shard confirms a round, with all that follows from it.
    pub(crate) fn heard(&mut self, peer: ShardId, round: u64) {
        self.peers[peer.index()]
            .asked
            .retain(|request| request.round != round);
    }

    /// A shard has acted on a round; what follows from that is not confirmed.
    pub(crate) fn acted(&mut self, peer: ShardId, round: u64) {
        let asked = &mut self.peers[peer.index()].asked;
        if let Some(request) = asked.iter_mut().find(|request| request.round == round) {
            request.acted = true;
        }
    }

    /// Whether all that a ticket stands for has been heard.
    pub(crate) fn is_settled(&self, ticket: Ticket) -> bool {
        self.is_closed(ticket, |_| true)
    }

    /// Whether all that a ticket stands for has been acted on by whom it was said to.
    pub(crate) fn is_acted_on(&self, ticket: Ticket) -> bool {
        self.is_closed(ticket, |request| !request.acted)
    }

    fn is_closed(&self, ticket: Ticket, is_open: impl Fn(&Request) -> bool) -> bool {
        let open = self.peers.iter().filter_map(|peer| peer.open(&is_open));
        open.min().is_none_or(|first| ticket.round < first)
            && self.journal.is_committed(ticket.appended)
    }

    /// What a shard said has consequences: all that this one has said up to now.
    pub(crate) fn owe(&mut self, peer: ShardId) {
        self.peers[peer.index()].owed = Some(self.ticket());
    }

    /// A shard asks for confirmation: what others must have acted on before, if anything.
    pub(crate) fn take_owed(&mut self, peer: ShardId) -> Option<Ticket> {
        let owed = self.peers[peer.index()].owed.take();
        let owed = owed.filter(|ticket| !self.is_acted_on(*ticket));
        if let Some(ticket) = owed {
            self.wait_for(ticket);
        }
        owed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_settled_when_all_that_it_stands_for_is_heard() {
        let mut settlement = Settlement::new(3, Durability::Memory);
        let (a, b) = (ShardId::new(1), ShardId::new(2));
        assert!(
            settlement.is_settled(settlement.ticket()),
            "nothing was said"
        );
        settlement.mark(a);
        settlement.mark(b);
        let first = settlement.ticket();
        let to_a = settlement.ask(a).unwrap();
        assert!(settlement.ask(a).is_none(), "nothing new");
        settlement.heard(a, to_a);
        assert!(!settlement.is_settled(first), "b has not even been sent it");
        let to_b = settlement.ask(b).unwrap();
        settlement.mark(a);
        let second = settlement.ticket();
        settlement.heard(b, to_b);
        assert!(settlement.is_settled(first) && !settlement.is_settled(second));
        let again = settlement.ask(a).unwrap();
        settlement.heard(a, again);
        assert!(settlement.is_settled(second));
    }

    #[test]
    fn answers_may_come_in_any_order() {
        let mut settlement = Settlement::new(2, Durability::Memory);
        let a = ShardId::new(1);
        settlement.mark(a);
        let first = (settlement.ticket(), settlement.ask(a).unwrap());
        settlement.mark(a);
        let second = (settlement.ticket(), settlement.ask(a).unwrap());
        settlement.heard(a, second.1);
        assert!(!settlement.is_settled(first.0) && !settlement.is_settled(second.0));
        settlement.heard(a, first.1);
        assert!(settlement.is_settled(first.0) && settlement.is_settled(second.0));
    }

    #[test]
    fn a_confirmation_waits_for_deeds_and_not_for_confirmations() {
        let mut settlement = Settlement::new(3, Durability::Memory);
        let (a, b) = (ShardId::new(1), ShardId::new(2));
        settlement.mark(a);
        let to_a = settlement.ask(a).unwrap();
        settlement.owe(b);
        let owed = settlement.take_owed(b).unwrap();
        settlement.acted(a, to_a);
        assert!(settlement.is_acted_on(owed), "b need not wait any more");
        assert!(!settlement.is_settled(owed), "a Client has to");
        settlement.heard(a, to_a);
        assert!(settlement.is_settled(owed));
    }
}
