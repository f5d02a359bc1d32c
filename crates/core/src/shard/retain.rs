//! Retained Messages: kept at their topic's home, and streamed to Sessions that subscribe.

use dunlin_packet::{QoS, TopicName};

use super::Shard;
use crate::id::{SessionId, ShardId, ShardSet};
use crate::message::Message;
use crate::peer::PeerMessage;
use crate::retained::{RetainedFull, RetainedStream};
use crate::routes::Matches;
use crate::session::Delivery;
use crate::time::Timestamp;

impl Shard {
    // ------------------------------------------------------------------- at the home

    /// Keeps a message here, and passes it on to those who have subscribed since its publisher's
    /// shard looked: `routed` are the shards that have it.
    pub(super) fn retain_here(&mut self, now: Timestamp, message: Message, routed: ShardSet) {
        if self.shards > 1 {
            self.route_late(now, &message, routed);
        }
        if let Err(RetainedFull) = self.retained.set(message, &self.clients.limits) {
            self.clients.counters.retained_refused += 1;
        }
    }

    /// A Session that subscribes just now gets the Retained Message that was there before this one
    /// or this one as a new message; that it gets neither must not be.
    fn route_late(&mut self, now: Timestamp, message: &Message, routed: ShardSet) {
        let mut matches = std::mem::take(&mut self.matches);
        self.routes.find(message.topic(), &mut matches);
        let late = matches.peers.without(routed);
        for peer in late.iter() {
            self.tell_before_checkpoint(peer, PeerMessage::Publish(message.clone()));
        }
        if !routed.contains(self.id) {
            self.deliver_here(now, message, &matches, None);
        }
        self.matches = matches;
    }

    pub(super) fn read_retained(
        &mut self,
        now: Timestamp,
        reader: (ShardId, u64),
        filter: Option<std::sync::Arc<str>>,
    ) {
        let (messages, end) = self.retained.read(now, reader, filter);
        let (to, stream) = reader;
        let batch = PeerMessage::RetainedBatch {
            stream,
            messages,
            end,
        };
        // Something newer may be kept by the time that it is queued there.
        self.tell_before_checkpoint(to, batch);
    }

    // ---------------------------------------------------------- at the Session's shard

    /// Begins to ask for the Retained Messages that a Session is to be sent: as many shards at once
    /// as there are, and the others whenever the Session has sent what came.
    pub(super) fn begin_streams(&mut self, session: SessionId, streams: Vec<RetainedStream>) {
        let first = streams.len().min(self.shards);
        for stream in streams {
            self.streams.insert(stream.id, session);
            self.clients.sessions[session]
                .retained_streams_mut()
                .insert(stream);
        }
        for _ in 0..first {
            self.ask_for_retained(session);
        }
    }

    /// A Session has sent all that waited for it: it can take more Retained Messages.
    pub(super) fn ask_for_retained(&mut self, session: SessionId) {
        let Some(session) = self.clients.sessions.get_mut(session) else {
            return;
        };
        let Some((home, stream, filter)) = session.retained_streams_mut().ask() else {
            return;
        };
        self.tell(home, PeerMessage::RetainedRead { stream, filter });
    }

    /// A batch has come.
    pub(super) fn retained_batch(
        &mut self,
        now: Timestamp,
        stream: u64,
        messages: Vec<Message>,
        end: bool,
    ) {
        let Some(&id) = self.streams.get(&stream) else {
            return;
        };
        let streams = self.clients.sessions[id].retained_streams_mut();
        // Set aside while the Session is sent what came.
        let Some(current) = streams.remove(stream) else {
            return;
        };
        for message in messages {
            let hash = || topic_hash(&self.placement, message.topic());
            if current.is_superseded(hash) {
                continue;
            }
            self.clients.counters.retained_sent += 1;
            let qos: QoS = message.qos().min(current.qos);
            let subscription_ids = current.subscription_ids.clone();
            // [MQTT-3.3.1-8]
            let (retain, origin) = (true, None);
            let delivery = Delivery {
                message,
                qos,
                retain,
                subscription_ids,
                origin,
            };
            self.clients.deliver(now, id, delivery);
        }
        if end {
            self.streams.remove(&stream);
        } else {
            self.clients.sessions[id]
                .retained_streams_mut()
                .insert(current);
        }
        self.clients.pump(now, id);
    }

    /// Notes for the streams on their way that Sessions were sent something newer.
    pub(super) fn supersede(&mut self, message: &Message, matches: &Matches) {
        let Ok(topic) = TopicName::parse(message.topic()) else {
            return;
        };
        let hash = topic_hash(&self.placement, message.topic());
        let Shard {
            routes, clients, ..
        } = self;
        for filter in &matches.filters {
            for subscription in routes.subscribers(*filter) {
                let Some(session) = clients.sessions.get_mut(subscription.session) else {
                    continue;
                };
                if session.retained_stream_count() > 0 {
                    session.retained_streams_mut().supersede(topic, hash);
                }
            }
        }
    }

    /// A Session has unsubscribed: what is on its way is not wanted any more.
    pub(super) fn end_stream_of(&mut self, id: SessionId, filter: &str) {
        let session = &mut self.clients.sessions[id];
        if session.retained_stream_count() > 0 {
            let ended = session.retained_streams_mut().remove_filter(filter);
            self.close_streams(ended);
            self.clients.tidy(id);
        }
    }

    pub(super) fn end_streams(&mut self, session: SessionId) {
        let session = &mut self.clients.sessions[session];
        if session.retained_stream_count() > 0 {
            let streams = std::mem::take(session.retained_streams_mut());
            self.close_streams(streams.into_streams());
        }
    }

    fn close_streams(&mut self, streams: impl IntoIterator<Item = RetainedStream>) {
        for stream in streams {
            self.streams.remove(&stream.id);
            self.tell(
                stream.home,
                PeerMessage::RetainedClose { stream: stream.id },
            );
        }
    }
}

pub(super) fn topic_hash(hasher: &foldhash::fast::FixedState, topic: &str) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(topic)
}
