//! What other shards say, and this one to itself.

use super::Shard;
use crate::id::ShardId;
use crate::peer::PeerMessage;
use crate::time::Timestamp;

impl Shard {
    pub(super) fn hear(&mut self, now: Timestamp, from: ShardId, message: PeerMessage) {
        match message {
            PeerMessage::Publish(message) => {
                let mut matches = std::mem::take(&mut self.matches);
                self.routes.find(message.topic(), &mut matches);
                self.deliver_here(now, &message, &matches, None);
                self.matches = matches;
            }
            PeerMessage::Interest { filter, sequence } => {
                self.routes.add_peer(&filter, from);
                self.announcements.to_confirm[from.index()] = Some(sequence);
            }
            PeerMessage::NoInterest { filter } => self.routes.remove_peer(&filter, from),
            PeerMessage::InterestKnown { sequence } => {
                self.announcements.known[from.index()] = sequence;
                self.confirm_joins();
                self.send_ready_subacks(now);
            }
            PeerMessage::Retain { message, routed } => {
                // The publisher has its answer; a refusal is counted.
                let _ = self.retain_here(now, message, routed);
            }
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
            PeerMessage::GroupJoin { group, membership } => {
                self.group_join(&group, (from, membership));
            }
            PeerMessage::GroupJoined { membership } => self.joined(now, membership),
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

    /// Confirms to other shards what they have announced: once for all that came together.
    pub(super) fn confirm_interest(&mut self) {
        for peer in self.others() {
            if let Some(sequence) = self.announcements.to_confirm[peer.index()].take() {
                self.tell(peer, PeerMessage::InterestKnown { sequence });
            }
        }
    }
}
