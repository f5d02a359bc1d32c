//! SUBSCRIBE and UNSUBSCRIBE, and when SUBACK may be sent.
//!
//! SUBACK promises that a message published from now on is delivered. So it leaves only when the
//! other shards know of the filter, and the home of a Shared Subscription of its new member.

use std::borrow::Cow;
use std::sync::Arc;

use dunlin_packet::{
    Packet, Properties, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeEntry,
    SubscriptionOptions, TopicFilter, UnsubAck, Unsubscribe,
};

use super::{LogRoom, Shard};
use crate::event::Event;
use crate::fault::{Ending, Violation};
use crate::id::{ConnectionId, SessionId};
use crate::journal::{Durability, Record};
use crate::peer::PeerMessage;
use crate::policy::Action;
use crate::replay::Asked;
use crate::retained::RetainedStream;
use crate::routes::{Interest, Subscribed, Subscription};
use crate::session::SubscriptionIds;
use crate::topic_tree::NodeId;

/// One entry of a SUBSCRIBE.
#[derive(Clone, Copy)]
struct Wanted {
    options: SubscriptionOptions,
    /// The Subscription Identifier; 0: none.
    id: u32,
}

/// The options of an entry. Those that a bridge of 3.x means, it cannot write.
fn options(entry: SubscribeEntry<'_>, highest: QoS, is_bridge: bool) -> SubscriptionOptions {
    SubscriptionOptions {
        // [MQTT-3.2.2-10]
        qos: entry.options.qos.min(highest),
        no_local: entry.options.no_local || is_bridge && !entry.filter.starts_with("$share/"),
        retain_as_published: entry.options.retain_as_published || is_bridge,
        retain_handling: entry.options.retain_handling,
    }
}

impl Shard {
    pub(super) fn subscribe(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        subscribe: Subscribe<'_>,
    ) -> Result<(), Ending> {
        let identifier = subscribe
            .properties
            .subscription_identifiers()
            .next()
            .unwrap_or(0);
        let connection = self.clients.connections.get(id);
        let highest = connection.map_or(QoS::ExactlyOnce, |connection| connection.maximum_qos);
        let is_bridge = connection.is_some_and(|connection| connection.is_bridge);
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut streams = Vec::new();
        for entry in subscribe.filters.iter() {
            let wanted = Wanted {
                options: options(entry, highest, is_bridge),
                id: identifier,
            };
            let mounted = self.mounted(session, entry.filter);
            let filter = mounted.as_deref();
            let reason = match filter {
                Some(filter) => self.subscribe_to(session, filter, wanted, &mut streams)?,
                None => ReasonCode::TopicFilterInvalid,
            };
            reasons.push(reason as u8);
            let client_id = self.clients.sessions[session].client_id.clone();
            self.emit(Event::Subscribed {
                client_id,
                filter: filter.unwrap_or(entry.filter).into(),
                reason,
            });
        }
        let (packet_id, properties) = (subscribe.packet_id, Properties::EMPTY);
        let reasons = reasons.as_slice();
        self.send_settled(
            id,
            &Packet::SubAck(SubAck {
                packet_id,
                properties,
                reasons,
            }),
        );
        self.begin_streams(session, streams);
        Ok(())
    }

    /// The whole of a Client's Topic Filter. `None`: it has none.
    fn mounted<'a>(&self, session: SessionId, filter: &'a str) -> Option<Cow<'a, str>> {
        match self.clients.sessions[session].mount_point() {
            None => Some(filter.into()),
            Some(mount_point) => mount_point.filter(filter).map(Cow::Owned),
        }
    }

    /// Carries out one entry; gives its Reason Code.
    fn subscribe_to(
        &mut self,
        session: SessionId,
        text: &str,
        wanted: Wanted,
        streams: &mut Vec<RetainedStream>,
    ) -> Result<ReasonCode, Ending> {
        let limits = &self.clients.limits;
        let Ok(filter) = TopicFilter::parse(text) else {
            return Ok(ReasonCode::TopicFilterInvalid);
        };
        if filter.levels().count() > limits.topic_levels + 2 {
            return Ok(ReasonCode::TopicFilterInvalid);
        }
        if let Some(asked) = Asked::parse(text) {
            let (qos, id) = (wanted.options.qos, wanted.id);
            return Ok(self.subscribe_to_replay(session, text, asked, qos, id));
        }
        let known = &self.clients.sessions[session];
        let all = self.routes.subscriptions() + self.memberships.len();
        let full =
            known.subscription_count() >= limits.subscriptions || all >= limits.all_subscriptions;
        let searches = known.retained_stream_count() + streams.len();
        let no_room = self.log_room == LogRoom::Full && self.clients.is_recorded(session);
        if no_room
            || full && !self.is_subscribed(session, text)
            || searches >= limits.subscriptions.saturating_mul(self.shards)
        {
            return Ok(ReasonCode::QuotaExceeded);
        }
        let unshared = filter.share().map_or(filter, |(_, behind)| behind);
        if !known.may(Action::Subscribe, unshared.as_str()) {
            return Ok(ReasonCode::NotAuthorized);
        }
        if filter.share().is_some() {
            // [MQTT-3.8.3-4]
            if wanted.options.no_local {
                return Err(Violation::NoLocalOnShared.into());
            }
            self.join(session, text, wanted.options, wanted.id);
        } else {
            let subscribed = self.add_subscription(session, text, wanted.options, wanted.id);
            self.announce(text, subscribed.news);
            self.want_retained(session, text, wanted, &subscribed, streams);
        }
        let (filter, options, id) = (text.into(), wanted.options, wanted.id);
        let subscribed = |session| Record::Subscribed {
            session,
            filter,
            options,
            id,
        };
        self.clients.record(session, subscribed);
        Ok(match wanted.options.qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
            QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
        })
    }

    /// Whether a Session has this subscription, which a further SUBSCRIBE replaces.
    /// `[MQTT-3.8.4-3]`
    fn is_subscribed(&self, session: SessionId, filter: &str) -> bool {
        match filter.strip_prefix("$share/") {
            Some(group) => self.clients.sessions[session].membership(group).is_some(),
            None => self.routes.find_subscription(session, filter).is_some(),
        }
    }

    /// Notes a subscription that is not shared, with its Session and with its filter.
    pub(super) fn add_subscription(
        &mut self,
        session: SessionId,
        filter: &str,
        options: SubscriptionOptions,
        id: u32,
    ) -> Subscribed {
        let subscription = Subscription {
            session,
            id,
            options,
            durability: self.durability_of(session),
        };
        let subscribed = self.routes.subscribe(filter, subscription);
        let known = &mut self.clients.sessions[session].subscriptions;
        known.insert(subscribed.filter);
        subscribed
    }

    /// Notes which homes are to be asked for Retained Messages. `[MQTT-3.3.1-9]` and following
    fn want_retained(
        &mut self,
        session: SessionId,
        filter: &str,
        wanted: Wanted,
        subscribed: &Subscribed,
        streams: &mut Vec<RetainedStream>,
    ) {
        match wanted.options.retain_handling {
            RetainHandling::DoNotSend => return,
            RetainHandling::SendIfNew if subscribed.existed => return,
            _ => {}
        }
        // What is on its way because of an earlier SUBSCRIBE to the same filter is sent anew.
        self.end_stream_of(session, filter);
        let homes: Vec<_> = match TopicFilter::parse(filter) {
            Ok(parsed) if !parsed.has_wildcard() => vec![self.home(filter)],
            _ => self.others().chain([self.id]).collect(),
        };
        let filter: Arc<str> = filter.into();
        for home in homes {
            let ids = SubscriptionIds::of(wanted.id);
            let number = self.next_number();
            let qos = wanted.options.qos;
            streams.push(RetainedStream::new(number, home, filter.clone(), qos, ids));
        }
    }

    // -------------------------------------------------------------------- UNSUBSCRIBE

    pub(super) fn unsubscribe(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        unsubscribe: Unsubscribe<'_>,
    ) {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in unsubscribe.filters.iter() {
            let reason = match self.mounted(session, filter) {
                Some(filter) => self.unsubscribe_one(session, &filter),
                None => ReasonCode::TopicFilterInvalid,
            };
            reasons.push(reason as u8);
        }
        let (packet_id, properties) = (unsubscribe.packet_id, Properties::EMPTY);
        let reasons = reasons.as_slice();
        self.send_settled(
            id,
            &Packet::UnsubAck(UnsubAck {
                packet_id,
                properties,
                reasons,
            }),
        );
    }

    /// Carries out one entry; gives its Reason Code.
    fn unsubscribe_one(&mut self, session: SessionId, filter: &str) -> ReasonCode {
        if self.unsubscribe_from(session, filter) {
            let client_id = self.clients.sessions[session].client_id.clone();
            let filter = filter.into();
            self.emit(Event::Unsubscribed { client_id, filter });
            ReasonCode::Success
        } else if TopicFilter::parse(filter).is_err() {
            ReasonCode::TopicFilterInvalid
        } else {
            ReasonCode::NoSubscriptionExisted
        }
    }

    /// Ends a subscription. False: there was none.
    pub(super) fn unsubscribe_from(&mut self, session: SessionId, filter: &str) -> bool {
        if self.end_replays(session, |replay| *replay.text == *filter) {
            return true;
        }
        let ended = match filter.strip_prefix("$share/") {
            Some(group) => self.leave_group(session, group),
            None => self.end_subscription(session, filter),
        };
        if ended {
            let filter = filter.into();
            let unsubscribed = |session| Record::Unsubscribed { session, filter };
            self.clients.record(session, unsubscribed);
        }
        ended
    }

    pub(super) fn end_subscription(&mut self, session: SessionId, filter: &str) -> bool {
        let Some(node) = self.routes.find_subscription(session, filter) else {
            return false;
        };
        self.clients.sessions[session].subscriptions.remove(node);
        self.end_stream_of(session, filter);
        self.unroute(session, node);
        true
    }

    fn unroute(&mut self, session: SessionId, filter: NodeId) {
        if let Some(news) = self.routes.unsubscribe(filter, session) {
            if self.shards > 1 {
                let text = self.routes.filter(filter);
                self.announce(&text, Some(news));
            }
            self.routes.prune(filter);
        }
    }

    /// Ends all subscriptions of a Session but the shared ones.
    pub(super) fn end_subscriptions(&mut self, session: SessionId) {
        let subscriptions = std::mem::take(&mut self.clients.sessions[session].subscriptions);
        for filter in subscriptions.iter() {
            self.unroute(session, filter);
        }
    }

    // ----------------------------------------------------------------------- interest

    /// Tells all other shards that this one wants the messages that a filter matches, or does not
    /// any more.
    pub(super) fn announce(&mut self, filter: &str, news: Option<Interest>) {
        let Some(news) = news.filter(|_| self.shards > 1) else {
            return;
        };
        let filter: Arc<str> = filter.into();
        for peer in self.others() {
            let filter = filter.clone();
            match news {
                Interest::Some(durability) => {
                    self.tell_and_confirm(peer, PeerMessage::Interest { filter, durability });
                }
                Interest::None => self.tell(peer, PeerMessage::NoInterest { filter }),
            }
        }
    }

    /// Whether a Session outlives the process.
    pub(super) fn durability_of(&self, session: SessionId) -> Durability {
        match self.clients.is_recorded(session) {
            true => Durability::Log,
            false => Durability::Memory,
        }
    }
}
