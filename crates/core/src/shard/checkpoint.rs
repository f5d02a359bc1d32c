//! Checkpoints: all that is recorded of a shard is told anew, so that older records can go.
//!
//! A Session is told whole, in records of one input; between Sessions the shard does its other work,
//! and what changes meanwhile is recorded as always. So at any moment the log says the same as
//! the shard.

use dunlin_packet::{QoS, SubscriptionOptions};

use super::Shard;
use crate::clients::is_logged;
use crate::id::SessionId;
use crate::journal::{LogId, Record, Told};
use crate::retained::RetainedCursor;
use crate::session::Stage;
use crate::settlement::Ticket;
use crate::shared::RecordedGroup;

/// Sessions, groups and Retained Messages that are looked at after one input.
const AT_ONCE: usize = 64;

/// How far a checkpoint has come.
pub(super) struct Checkpoint {
    /// All that was said before it.
    ticket: Ticket,
    /// Sessions up to this place have been told.
    sessions: usize,
    /// Shared Subscriptions up to this place have been told.
    groups: usize,
    retained: RetainedCursor,
    /// Everything has been told.
    told: bool,
}

impl Shard {
    /// Whether a checkpoint is over that [`Input::Checkpoint`](crate::Input::Checkpoint) began: all
    /// that is recorded is in the records taken by now, and all messages accepted before it began
    /// are where they are due. True once.
    pub fn take_checkpoint(&mut self) -> bool {
        let settlement = &self.clients.settlement;
        let is_over = |checkpoint: &mut Checkpoint| {
            checkpoint.told && settlement.is_settled(checkpoint.ticket)
        };
        self.checkpoint.take_if(is_over).is_some()
    }

    pub(super) fn begin_checkpoint(&mut self) {
        let number = self.last_number;
        self.clients
            .settlement
            .append_later(|| Record::Numbered { number });
        self.checkpoint = Some(Checkpoint {
            ticket: self.clients.settlement.ticket(),
            sessions: 0,
            groups: 0,
            retained: RetainedCursor::default(),
            told: false,
        });
    }

    /// Whether a checkpoint has something left to tell.
    pub(super) fn is_telling_anew(&self) -> bool {
        self.checkpoint
            .as_ref()
            .is_some_and(|checkpoint| !checkpoint.told)
    }

    /// Tells a few more.
    pub(super) fn go_on_with_checkpoint(&mut self) {
        let Some(mut checkpoint) = self.checkpoint.take_if(|checkpoint| !checkpoint.told) else {
            return;
        };
        let from = checkpoint.sessions;
        let slots = self.clients.sessions.slots();
        checkpoint.sessions = slots.min(from + AT_ONCE);
        for id in (from..checkpoint.sessions).map(|n| SessionId(n as u32)) {
            self.tell_session(id);
        }
        if checkpoint.sessions == slots {
            let from = checkpoint.groups;
            let slots = self.groups.slots();
            checkpoint.groups = slots.min(from + AT_ONCE);
            for slot in from..checkpoint.groups {
                self.tell_group(slot);
            }
            let groups_told = checkpoint.groups == slots;
            checkpoint.told = self.tell_retained(&mut checkpoint.retained) && groups_told;
        }
        self.checkpoint = Some(checkpoint);
    }

    /// Tells all there is to know of a Session, if it is in the log.
    fn tell_session(&mut self, id: SessionId) {
        if !self.clients.is_recorded(id) {
            return;
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
                    if delivery.message.id().is_some() {
                        let origin = delivery.origin.as_ref();
                        records.push(Record::Sending {
                            session,
                            packet_id,
                            parked: delivery.parked(),
                            group: origin.map(|origin| origin.group.clone()),
                        });
                    }
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
        for (message, size) in due {
            settlement.append_later(|| Record::GroupQueued {
                group,
                message,
                size,
            });
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
