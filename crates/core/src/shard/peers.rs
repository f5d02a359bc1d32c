//! What other shards say, and this one to itself.

use dunlin_packet::QoS;

use super::{LogRoom, Shard};
use crate::counters::DropReason;
use crate::id::ShardId;
use crate::journal::{Record, Route};
use crate::peer::PeerMessage;
use crate::settlement::Ticket;
use crate::time::Timestamp;

impl Shard {
    /// Hears one message of another shard, with all that follows from it in this one.
    pub(super) fn hear_peer(&mut self, now: Timestamp, from: ShardId, message: PeerMessage) {
        let marks = self.clients.settlement.marks();
        // The group's filter may have been announced before, for another, and not be known yet.
        let is_join = matches!(message, PeerMessage::GroupJoin { .. });
        self.hear(now, from, message);
        self.settle(now);
        if is_join || self.clients.settlement.marks() > marks {
            self.clients.settlement.owe(from);
        }
    }

    pub(super) fn hear(&mut self, now: Timestamp, from: ShardId, message: PeerMessage) {
        match message {
            PeerMessage::Publish(mut message) => {
                if message.qos() > QoS::AtMostOnce
                    && !message.id().is_some()
                    && self.log_room == LogRoom::Enough
                    && self.is_durably_wanted(message.topic())
                {
                    // Its publisher's shard has not heard of that yet.
                    message = message.identified(self.next_message_id());
                    let message = message.clone();
                    let route = Route::default();
                    let settlement = &mut self.clients.settlement;
                    settlement.append(|| Record::Message { message, route });
                }
                let mut matches = std::mem::take(&mut self.matches);
                self.routes.find_for(&message, &mut matches);
                if !self.deliver_here(now, message, &matches, None) {
                    self.clients.counters.due += 1;
                    self.clients.counters.drop_for(DropReason::Unsubscribed);
                }
                self.matches = matches;
            }
            PeerMessage::Confirm { round } => match self.clients.settlement.take_owed(from) {
                Some(ticket) => {
                    self.tell(from, PeerMessage::Acted { round });
                    self.tell_when_acted_on(ticket, from, PeerMessage::Heard { round });
                }
                None => self.tell(from, PeerMessage::Heard { round }),
            },
            PeerMessage::Acted { round } => {
                self.clients.settlement.acted(from, round);
                self.settled();
            }
            PeerMessage::Heard { round } => {
                self.clients.settlement.heard(from, round);
                self.settled();
            }
            PeerMessage::CheckpointBegun => self.hear_checkpoint(from),
            PeerMessage::Interest { filter, durability } => {
                self.routes.add_peer(&filter, from, durability);
            }
            PeerMessage::NoInterest { filter } => self.routes.remove_peer(&filter, from),
            PeerMessage::Retain { message } => self.retain_here(message),
            PeerMessage::RetainedWanted { search } => {
                let said = self.clients.settlement.said();
                let ready = PeerMessage::RetainedReady { search };
                self.tell_when_acted_on(said, from, ready);
            }
            PeerMessage::RetainedReady { search } => self.search_ready(search),
            PeerMessage::RetainedRead { stream, filter } => {
                self.read_retained(now, (from, stream), filter);
            }
            PeerMessage::RetainedBatch {
                stream,
                messages,
                end,
            } => {
                self.retained_batch(now, stream, messages, end);
            }
            PeerMessage::RetainedClose { stream } => self.retained.close((from, stream)),
            PeerMessage::GroupJoin {
                group,
                membership,
                durability,
            } => {
                self.group_join(&group, (from, membership), durability);
            }
            PeerMessage::GroupCredit {
                membership,
                epoch,
                credit,
            } => {
                self.group_credit(now, (from, membership), epoch, credit);
            }
            PeerMessage::GroupDelivery {
                membership,
                epoch,
                sequence,
                message,
            } => {
                self.group_delivery(now, membership, epoch, sequence, message);
            }
            PeerMessage::GroupDone {
                membership,
                sequence,
            } => {
                self.group_done(now, (from, membership), sequence);
            }
            PeerMessage::GroupSuspend { membership, kept } => {
                self.group_suspend(now, (from, membership), &kept);
            }
            PeerMessage::GroupLeave { membership, kept } => {
                self.group_leave(now, (from, membership), &kept);
            }
        }
    }

    /// Goes on with what has waited for other shards to hear something.
    pub(super) fn settled(&mut self) {
        self.clients.open_gates();
        self.go_on_with_searches();
        let settlement = &self.clients.settlement;
        let owed = self
            .owed
            .extract_if(.., |(_, _, ticket)| settlement.is_acted_on(*ticket));
        for (peer, message, _) in owed.collect::<Vec<_>>() {
            self.tell(peer, message);
        }
    }

    /// Says something to another shard as soon as what a ticket stands for has been acted on.
    fn tell_when_acted_on(&mut self, ticket: Ticket, peer: ShardId, message: PeerMessage) {
        if self.clients.settlement.is_acted_on(ticket) {
            self.tell(peer, message);
        } else {
            self.owed.push((peer, message, ticket));
        }
    }
}
