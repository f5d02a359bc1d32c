//! Retained Messages: kept at their topic's home, and streamed to Sessions that subscribe.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use dunlin_packet::{QoS, TopicName};

use super::Shard;
use crate::id::{SessionId, ShardId};
use crate::message::Message;
use crate::peer::PeerMessage;
use crate::retained::{RetainedFull, RetainedStream, RetainedStreams};
use crate::routes::Matches;
use crate::session::Delivery;
use crate::settlement::Ticket;
use crate::time::Timestamp;

/// Streams that have not begun, by their numbers.
#[derive(Default)]
pub(super) struct Searches {
    /// They wait until all shards know their filter.
    announced: VecDeque<(Ticket, Vec<u64>)>,
    /// They wait until all that was to be retained before is at its home; by the number of the
    /// request.
    wanted: BTreeMap<u64, Wanted>,
}

/// Streams that wait for other shards to be ready.
struct Wanted {
    /// How many shards are not.
    missing: usize,
    streams: Vec<Vec<u64>>,
}

impl Shard {
    // ------------------------------------------------------------------- at the home

    /// Keeps a message here.
    pub(super) fn retain_here(&mut self, message: Message) {
        if let Err(RetainedFull) = self.retained.set(message, &self.clients.limits) {
            self.clients.counters.retained_refused += 1;
        }
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

    /// Notes the Retained Messages that a Session is to be sent; the search for them begins when all
    /// other shards are prepared. First they must know the filter, so that whatever is retained from
    /// then on comes by itself. What they had to be retained until then must be at its home: the
    /// Session may have it already, and must not be sent an older value.
    pub(super) fn begin_streams(&mut self, session: SessionId, streams: Vec<RetainedStream>) {
        if streams.is_empty() {
            return;
        }
        let ids = streams.iter().map(|stream| stream.id).collect();
        for stream in streams {
            self.streams.insert(stream.id, session);
            let streams = self.clients.sessions[session].retained_streams_mut();
            streams.insert(stream);
        }
        let ticket = self.clients.settlement.said();
        self.searches.announced.push_back((ticket, ids));
        self.go_on_with_searches();
    }

    /// Goes on with searches whose filter all shards know by now.
    pub(super) fn go_on_with_searches(&mut self) {
        let settlement = &self.clients.settlement;
        let announced = &mut self.searches.announced;
        let known = announced
            .iter()
            .take_while(|(ticket, _)| settlement.is_settled(*ticket))
            .count();
        if known == 0 {
            return;
        }
        let streams: Vec<_> = announced.drain(..known).map(|(_, ids)| ids).collect();
        for ids in &streams {
            self.change_streams(ids, RetainedStreams::follow);
        }
        let search = self.next_number();
        for peer in self.others() {
            self.tell(peer, PeerMessage::RetainedWanted { search });
        }
        // One more, for this shard.
        let missing = self.shards;
        self.searches
            .wanted
            .insert(search, Wanted { missing, streams });
        self.search_ready(search);
    }

    /// A shard is ready for a search. If it was the last, the search begins.
    pub(super) fn search_ready(&mut self, search: u64) {
        let Entry::Occupied(mut wanted) = self.searches.wanted.entry(search) else {
            return;
        };
        wanted.get_mut().missing -= 1;
        if wanted.get().missing > 0 {
            return;
        }
        for ids in wanted.remove().streams {
            self.change_streams(&ids, RetainedStreams::begin);
            // As many shards at once as there are, and the others whenever the Session has sent what
            // came.
            for id in ids.iter().take(self.shards) {
                if let Some(&session) = self.streams.get(id) {
                    self.ask_for_retained(session);
                }
            }
        }
    }

    /// Changes those of some streams that have not ended.
    fn change_streams(&mut self, ids: &[u64], change: fn(&mut RetainedStreams, u64)) {
        for id in ids {
            if let Some(&session) = self.streams.get(id) {
                change(self.clients.sessions[session].retained_streams_mut(), *id);
            }
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
            let streams = self.clients.sessions[id].retained_streams_mut();
            streams.put_back(current);
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
