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
//!                                                that must be heard in turn, it waits for that
//!   ◀──────────────────────────── Heard(round)
//! ```
//!
//! What a confirmation waits for in turn is a [`Debt`]: requests that leave after what they follow
//! from was heard, and no earlier ones. So shards never wait for each other in a circle.

use std::collections::VecDeque;

use crate::id::ShardId;
use crate::journal::{Durability, Journal, Record};

/// All that a shard has said, to other shards and to the log, up to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    round: u64,
    /// Records appended before it.
    appended: u64,
}

/// What must be settled before a shard is told that it was heard: what hearing it has made this one
/// say, to other shards and to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Requests for confirmation: to which shard, and the how-manieth.
    requests: Vec<(usize, u64)>,
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
}

#[derive(Clone, Default)]
struct Peer {
    /// The round of the first mark since the last request for confirmation.
    unsent: Option<u64>,
    /// Requests that have not been answered.
    asked: VecDeque<Request>,
    /// How many requests there were.
    requests: u64,
    /// What hearing this peer has made us say, since its last request.
    owed: Option<Debt>,
}

#[derive(Clone, Copy)]
struct Request {
    /// The first round that it covers.
    first: u64,
    /// Its name.
    round: u64,
    /// The how-manieth to its peer, from 1.
    number: u64,
}

impl Settlement {
    pub(crate) fn new(shards: usize, durability: Durability) -> Self {
        Settlement {
            round: 0,
            marks: 0,
            peers: vec![Peer::default(); shards],
            journal: Journal::new(durability),
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
        self.journal.take(into)
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

    /// What has been said to a shard is sent now: the round to ask a confirmation for, if any.
    pub(crate) fn ask(&mut self, peer: ShardId) -> Option<u64> {
        let peer = &mut self.peers[peer.index()];
        let first = peer.unsent.take()?;
        let round = self.round;
        peer.requests += 1;
        peer.asked.push_back(Request {
            first,
            round,
            number: peer.requests,
        });
        self.round += 1;
        Some(round)
    }

    /// A shard confirms a round.
    pub(crate) fn heard(&mut self, peer: ShardId, round: u64) {
        self.peers[peer.index()]
            .asked
            .retain(|request| request.round != round);
    }

    /// Whether all that a ticket stands for has been heard.
    pub(crate) fn is_settled(&self, ticket: Ticket) -> bool {
        let open = self.peers.iter().filter_map(|peer| {
            let asked = peer.asked.front().map(|request| request.first);
            asked.or(peer.unsent)
        });
        let heard = open.min().is_none_or(|first| ticket.round < first);
        heard && self.journal.is_committed(ticket.appended)
    }

    /// Acting on what a shard said has just made this one say something.
    pub(crate) fn owe(&mut self, peer: ShardId) {
        let mut debt = self.peers[peer.index()].owed.take().unwrap_or_default();
        for (other, known) in self.peers.iter().enumerate() {
            let next = (other, known.requests + 1);
            if known.unsent.is_some() && !debt.requests.contains(&next) {
                debt.requests.push(next);
            }
        }
        debt.appended = self.journal.appended();
        self.peers[peer.index()].owed = Some(debt);
    }

    /// A shard asks for confirmation: what must be settled before, if anything.
    pub(crate) fn take_owed(&mut self, peer: ShardId) -> Option<Debt> {
        let owed = self.peers[peer.index()].owed.take();
        owed.filter(|debt| !self.is_paid(debt))
    }

    /// Whether all that a debt stands for has been heard.
    pub(crate) fn is_paid(&self, debt: &Debt) -> bool {
        let is_answered = |&(peer, number): &(usize, u64)| {
            let peer = &self.peers[peer];
            let open = || peer.asked.iter().any(|request| request.number == number);
            number <= peer.requests && !open()
        };
        debt.requests.iter().all(is_answered) && self.journal.is_committed(debt.appended)
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
    fn two_shards_that_make_each_other_speak_do_not_wait_for_each_other() {
        let mut settlement = Settlement::new(2, Durability::Memory);
        let a = ShardId::new(1);
        settlement.mark(a);
        let before = settlement.ask(a).unwrap();
        // What a says makes this shard say something: that is to be confirmed first, but not what
        // was said before, for which a may wait just so.
        settlement.mark(a);
        settlement.owe(a);
        let debt = settlement.take_owed(a).unwrap();
        assert!(!settlement.is_paid(&debt), "it has not even been sent");
        let after = settlement.ask(a).unwrap();
        assert!(!settlement.is_paid(&debt));
        settlement.heard(a, after);
        assert!(settlement.is_paid(&debt));
        settlement.heard(a, before);
        assert!(settlement.is_settled(settlement.ticket()));
    }
}
