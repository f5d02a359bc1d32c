//! What a bridge says on its own account: CONNECT, SUBSCRIBE, UNSUBSCRIBE, and its state.

use dunlin_packet::{
    Connect, Properties, PropertiesBuf, Property, ProtocolVersion, QoS, RetainHandling,
    SubscriptionOptions, TopicFilter, Will, encode_subscribe, encode_unsubscribe,
};

use crate::leg::{Leg, Phase, Request};
use crate::relay::Side;
use crate::settings::Notifications;
use crate::topics::Direction;
use crate::{BridgeSettings, Privacy};

/// Messages at QoS 1 and 2 that may be in flight to a bridge from either side.
pub(crate) const RECEIVE_MAXIMUM: u16 = 64;

/// What the state of a bridge is published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    Down,
}

impl State {
    pub(crate) fn payload(self) -> &'static [u8] {
        match self {
            State::Up => b"1",
            State::Down => b"0",
        }
    }
}

/// CONNECT to this broker. `receive_maximum` is how much the other one takes at once.
pub(crate) fn connect_here(settings: &BridgeSettings, leg: &mut Leg, receive_maximum: u16) {
    let local = &settings.local;
    let mut properties = PropertiesBuf::new();
    let expiry = if local.clean_start { 0 } else { u32::MAX };
    properties.push(Property::SessionExpiryInterval(expiry));
    let receive_maximum = receive_maximum.min(RECEIVE_MAXIMUM);
    properties.push(Property::ReceiveMaximum(receive_maximum));
    let connect = Connect {
        version: leg.version,
        clean_start: local.clean_start,
        keep_alive: 0,
        client_id: &local.client_id,
        will: settings.notifications.as_ref().map(|it| will(it, true)),
        user_name: local.user_name.as_deref(),
        password: None,
        properties: properties.as_properties(),
    };
    connect.encode(leg.version, &mut leg.output);
    leg.phase = Phase::Connecting;
}

/// CONNECT to the other broker.
pub(crate) fn connect_there(settings: &BridgeSettings, leg: &mut Leg, privacy: Privacy) {
    let remote = &settings.remote;
    let mut properties = PropertiesBuf::new();
    if remote.version == ProtocolVersion::V5 {
        let expiry = if remote.clean_start { 0 } else { u32::MAX };
        properties.push(Property::SessionExpiryInterval(expiry));
        properties.push(Property::ReceiveMaximum(RECEIVE_MAXIMUM));
    }
    let notifications = settings.notifications.as_ref();
    let notifications = notifications.filter(|notifications| notifications.remote);
    let connect = Connect {
        version: remote.version,
        clean_start: remote.clean_start,
        keep_alive: remote.keep_alive,
        client_id: &remote.client_id,
        will: notifications.map(|it| will(it, settings.outgoing_retain)),
        user_name: remote.user_name.as_deref(),
        password: remote.password.as_deref().map(str::as_bytes),
        properties: properties.as_properties(),
    };
    match privacy {
        Privacy::Tried => connect.encode_as_bridge(&mut leg.output),
        Privacy::Plain => connect.encode(remote.version, &mut leg.output),
    }
    leg.phase = Phase::Connecting;
}

fn will(notifications: &Notifications, retain: bool) -> Will<'_> {
    Will {
        topic: &notifications.topic,
        payload: State::Down.payload(),
        qos: QoS::AtLeastOnce,
        retain,
        properties: Properties::EMPTY,
    }
}

/// SUBSCRIBE to all that passes from this side.
pub(crate) fn subscribe(settings: &BridgeSettings, leg: &mut Leg, side: Side, news: News) {
    let rules = settings.topics.iter();
    let rules = rules.filter(|rule| rule.direction().takes(side));
    let rules = rules.filter(|rule| news != News::Changed || rule.direction() != Direction::Both);
    let entries: Vec<(&str, SubscriptionOptions)> = rules
        .map(|rule| {
            let options = SubscriptionOptions {
                qos: rule.qos().min(leg.limits.qos),
                no_local: true,
                retain_as_published: true,
                retain_handling: match news {
                    News::None => RetainHandling::DoNotSend,
                    News::All | News::Changed => RetainHandling::SendAtSubscribe,
                },
            };
            (rule.filter(side), options)
        })
        .collect();
    for entries in entries.chunks(FILTERS) {
        let filters: Vec<_> = entries
            .iter()
            .filter_map(|(filter, options)| Some((TopicFilter::parse(filter).ok()?, *options)))
            .collect();
        let names = entries.iter().map(|(name, _)| (*name).to_owned());
        let id = leg.request(Request::Subscribe(names.collect()));
        let properties = Properties::EMPTY;
        encode_subscribe(leg.version, id, properties, &filters, &mut leg.output);
    }
}

/// Which Retained Messages a SUBSCRIBE is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// All: the Session is new.
    All,
    /// Those that may have changed without being queued: the subscriptions are there already. Not
    /// where messages pass both ways: what came from the other side would go back there, and undo
    /// a change that has not come here yet.
    Changed,
    /// None: nobody is there yet to have them.
    None,
}

/// Filters in one SUBSCRIBE: some brokers take no more.
const FILTERS: usize = 8;

/// UNSUBSCRIBE there from all that only goes out.
pub(crate) fn unsubscribe(settings: &BridgeSettings, leg: &mut Leg) {
    let comes_in = |filter: &str| {
        let mut rules = settings.topics.iter();
        rules
            .any(|rule| rule.direction().takes(Side::Remote) && rule.filter(Side::Remote) == filter)
    };
    let rules = settings.topics.iter();
    let filters: Vec<&str> = rules
        .filter(|rule| rule.direction() == Direction::Out)
        .map(|rule| rule.filter(Side::Remote))
        .filter(|filter| !comes_in(filter))
        .collect();
    for filters in filters.chunks(FILTERS) {
        let filters: Vec<_> = filters
            .iter()
            .filter_map(|filter| TopicFilter::parse(filter).ok())
            .collect();
        let id = leg.request(Request::Unsubscribe);
        let properties = Properties::EMPTY;
        encode_unsubscribe(leg.version, id, properties, &filters, &mut leg.output);
    }
}
