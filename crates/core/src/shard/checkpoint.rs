//! Checkpoints: all that is recorded of a shard is told anew, so that older records can go.
//!
//! A Session is told whole, in records of one input; between Sessions the shard does its other work,
//! and what changes meanwhile is recorded as always. So at any moment the log says the same as
//! the shard.
//!
//! What goes with older records may be on its way to another shard, as a message to be retained
//! there. So a shard tells nothing before all others have said that they have begun too, after
//! all that they had said before; and its checkpoint is over when the others have heard what it
//! said until it had told everything.

use dunlin_packet::{PacketId, QoS, SubscriptionOptions};

use super::Shard;
use crate::clients::is_logged;
use crate::id::{SessionId, ShardId};
use crate::journal::{LogId, Record, Told};
use crate::peer::PeerMessage;
use crate::retained::RetainedCursor;
use crate::session::{Delivery, Stage};
use crate::settlement::Ticket;
use crate::shared::RecordedGroup;

/// Sessions, groups and Retained Messages that are looked at after one input.
const AT_ONCE: usize = 64;

/// Nothing more is told while so many records wait to be taken: a Session may have many.
const RECORDS: usize = 1024;

/// The checkpoints of all shards, as far as this one knows of them.
pub(super) struct Checkpoints {
    /// How many this shard has begun.
    begun: u64,
    /// How many each has begun, when it said what has been heard.
    heard: Vec<u64>,
    /// The one that is underway.
    current: Option<Checkpoint>,
}

/// How far a checkpoint has come.
#[derive(Default)]
struct Checkpoint {
    /// Sessions up to this place have been told.
    sessions: usize,
    /// Shared Subscriptions up to this place have been told.
    groups: usize,
    retained: RetainedCursor,
    /// All that was said until everything had been told.
    told: Option<Ticket>,
}

impl Checkpoints {
    pub(super) fn new(shards: usize) -> Self {
        Checkpoints {
            begun: 0,
            heard: vec![0; shards],
            current: None,
        }
    }

    /// Whether all other shards have begun too, and all that they said before has been heard. What
    /// they recorded of that is about to go; now it is in the state of this shard.
    fn may_tell(&self) -> bool {
        self.heard.iter().all(|heard| *heard >= self.begun)
    }
}

impl Shard {
    /// Whether a checkpoint is over that [`Input::Checkpoint`](crate::Input::Checkpoint) began: all
    /// that is recorded is in the records taken by now, all messages accepted before it began are
    /// where they are due, and other shards have heard what this one does not record any more. True
    /// once.
    pub fn take_checkpoint(&mut self) -> bool {
        let settlement = &self.clients.settlement;
        let is_over = |checkpoint: &mut Checkpoint| {
            let told = checkpoint.told;
            told.is_some_and(|ticket| settlement.is_settled(ticket))
        };
        self.checkpoints.current.take_if(is_over).is_some()
    }

    pub(super) fn begin_checkpoint(&mut self) {
        let number = self.last_number;
        self.clients
            .settlement
            .append_later(|| Record::Numbered { number });
        self.checkpoints.begun += 1;
        self.checkpoints.heard[self.id.index()] += 1;
        self.checkpoints.current = Some(Checkpoint::default());
        for peer in self.others() {
            self.tell(peer, PeerMessage::CheckpointBegun);
        }
    }

    /// Another shard has begun a checkpoint.
    pub(super) fn hear_checkpoint(&mut self, peer: ShardId) {
        self.checkpoints.heard[peer.index()] += 1;
    }

    /// Whether a checkpoint has something left to tell, and may.
    pub(super) fn is_telling_anew(&self) -> bool {
        let current = self.checkpoints.current.as_ref();
        current.is_some_and(|current| current.told.is_none()) && self.checkpoints.may_tell()
    }

    /// Tells a few more.
    pub(super) fn go_on_with_checkpoint(&mut self) {
        if !self.is_telling_anew() {
            return;
        }
        let Some(mut checkpoint) = self.checkpoints.current.take() else {
            return;
        };
        let slots = self.clients.sessions.slots();
        let end = slots.min(checkpoint.sessions + AT_ONCE);
        while checkpoint.sessions < end && self.clients.settlement.pending_records() < RECORDS {
            self.tell_session(SessionId(checkpoint.sessions as u32));
            checkpoint.sessions += 1;
        }
        if checkpoint.sessions == slots {
            let from = checkpoint.groups;
            let slots = self.groups.slots();
            checkpoint.groups = slots.min(from + AT_ONCE);
            for slot in from..checkpoint.groups {
                self.tell_group(slot);
            }
            let groups_told = checkpoint.groups == slots;
            if self.tell_retained(&mut checkpoint.retained) && groups_told {
                let told = self.clients.settlement.ticket();
                self.clients.settlement.wait_for(told);
                checkpoint.told = Some(told);
            }
        }
        self.checkpoints.current = Some(checkpoint);
    }

    /// Tells all there is to know of a Session, if it is in the log.
    fn tell_session(&mut self, id: SessionId) {
        if !self.clients.is_recorded(id) {
            return self.tell_taken(id);
        }
        let known = &self.clients.sessions[id];
        let (session, expires_at) = (known.log_id, known.expires_at);
        let expiry_interval = known.expiry_interval;
        let mut records = vec![Record::Session {
            session,
            client_id: known.client_id.clone(),
            expiry_interval,
            holder: known.holder(),
            told: Told::Anew,
        }];
        if known.connection.is_none() {
            let at = expires_at.before_seconds(expiry_interval);
            records.push(Record::Detached { session, at });
        }
        if let Some(will) = &known.will {
            let will = Some(Box::new(will.recorded()));
            records.push(Record::Will { session, will });
        }
        for packet_id in known.received.iter().flat_map(|received| received.iter()) {
            let packet_id = *packet_id;
            records.push(Record::Received { session, packet_id });
        }
        self.tell_subscriptions(id, session, &mut records);
        self.tell_outgoing(id, session, &mut records);
        for record in records {
            self.clients.settlement.append_later(|| record);
        }
    }

    /// Tells which messages of QoS 2 a Session that is not in the log was sent from Shared
    /// Subscriptions: nobody else may have them any more.
    fn tell_taken(&mut self, id: SessionId) {
        let Some(session) = self.clients.sessions.get(id) else {
            return;
        };
        let mut records = Vec::new();
        for (packet_id, in_flight) in session.outgoing.iter().flat_map(|it| it.in_flight()) {
            if let Stage::Published(delivery) = &in_flight.stage
                && delivery.origin.is_some()
            {
                records.extend(sending(LogId::NONE, packet_id, delivery));
            }
        }
        for record in records {
            self.clients.settlement.append_later(|| record);
        }
    }

    fn tell_subscriptions(&self, id: SessionId, session: LogId, records: &mut Vec<Record>) {
        let known = &self.clients.sessions[id];
        let mut tell = |filter: Box<str>, options: SubscriptionOptions, id: u32| {
            records.push(Record::Subscribed {
                session,
                filter,
                options,
                id,
            });
        };
        for filter in known.subscriptions.iter() {
            if let Some(subscription) = self.routes.subscription(id, filter) {
                let text = self.routes.filter(filter);
                tell(text.into(), subscription.options, subscription.id);
            }
        }
        for membership in known.memberships() {
            if let Some(membership) = self.memberships.get(&membership) {
                let filter = format!("$share/{}", membership.group);
                tell(filter.into(), membership.options, membership.id);
            }
        }
    }

    fn tell_outgoing(&self, id: SessionId, session: LogId, records: &mut Vec<Record>) {
        let Some(outgoing) = &self.clients.sessions[id].outgoing else {
            return;
        };
        for (packet_id, in_flight) in outgoing.in_flight() {
            match &in_flight.stage {
                Stage::Published(delivery) if delivery.qos == QoS::ExactlyOnce => {
                    records.extend(sending(session, packet_id, delivery));
                }
                Stage::Published(delivery) if is_logged(delivery) => {
                    let parked = delivery.parked();
                    records.push(Record::Queued { session, parked });
                }
                Stage::Released => records.push(Record::Releasing { session, packet_id }),
                Stage::Published(_) | Stage::Done => {}
            }
        }
        let queued = outgoing.queued(is_logged).into_iter();
        records.extend(queued.map(|parked| Record::Queued { session, parked }));
    }

    fn tell_group(&mut self, slot: usize) {
        let Some(RecordedGroup {
            log_id: group,
            name,
            due,
        }) = self.groups.recorded(slot)
        else {
            return;
        };
        let settlement = &mut self.clients.settlement;
        let told = Told::Anew;
        settlement.append_later(|| Record::Group { group, name, told });
        for due in due {
            settlement.append_later(|| due.record(group));
        }
    }

    /// True: all Retained Messages have been told.
    fn tell_retained(&mut self, cursor: &mut RetainedCursor) -> bool {
        let (messages, end) = self.retained.walk(cursor, AT_ONCE);
        for message in messages {
            self.clients
                .settlement
                .append_later(|| Record::StillRetained { message });
        }
        end
    }
}

/// That a message of QoS 2 is in flight, if it is in the log.
fn sending(session: LogId, packet_id: PacketId, delivery: &Delivery) -> Option<Record> {
    let is_logged = delivery.qos == QoS::ExactlyOnce && delivery.message.id().is_some();
    let origin = delivery.origin.as_ref();
    is_logged.then(|| Record::Sending {
        session,
        packet_id,
        parked: delivery.parked(),
        group: origin.map(|origin| origin.group.clone()),
    })
}
