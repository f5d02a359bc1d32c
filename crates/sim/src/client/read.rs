//! What a Client does that reads the log again.

use dunlin_packet::{Publish, QoS, SubscriptionOptions, TopicFilter, encode_unsubscribe};

use super::{Client, Desk};
use crate::history::{Replay, ReplayedFrom};
use crate::plan::READ_FILTERS;

/// Replays that a Client has at the same time, at most.
const AT_ONCE: usize = 2;

impl Client {
    /// Begins to read, or ends that.
    pub(super) fn read_again(&mut self, desk: &mut Desk<'_>) {
        let link = desk.link;
        let replays = desk.history.replays.iter();
        let own = |it: &(usize, &Replay)| it.1.link == link && !it.1.ended;
        let own: Vec<usize> = replays.enumerate().filter(own).map(|(n, _)| n).collect();
        match own.first() {
            Some(&first) if own.len() == AT_ONCE || desk.rng.percent(10) => {
                self.end_replay(desk, first);
            }
            _ => self.begin_replay(desk),
        }
    }

    fn begin_replay(&mut self, desk: &mut Desk<'_>) {
        let Some(session) = desk.session else {
            return;
        };
        let from = match (self.position, desk.rng.below(4)) {
            (Some(position), 0 | 1) => ReplayedFrom::After(position),
            (_, 2) => ReplayedFrom::Since(desk.rng.between(0, 10)),
            _ => ReplayedFrom::First,
        };
        let filter = desk.rng.pick(READ_FILTERS);
        let text = match from {
            ReplayedFrom::First => format!("$replay/first/{filter}"),
            ReplayedFrom::After(position) => format!("$replay/@{position}/{filter}"),
            ReplayedFrom::Since(seconds) => format!("$replay/{seconds}s/{filter}"),
        };
        let replays = &mut desk.history.replays;
        for known in replays.iter_mut() {
            known.ended |= known.link == desk.link && known.text == text;
        }
        replays.push(Replay {
            link: desk.link,
            text: text.clone(),
            filter,
            from,
            asked_at: desk.now,
            granted_at: None,
            ended: false,
            positions: Vec::new(),
        });
        let identifier = replays.len() as u32;
        let qos = desk
            .rng
            .pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let filters = [(text.as_str(), SubscriptionOptions::new(qos))];
        self.send_subscribe(desk, session, &filters, Some(identifier));
    }

    fn end_replay(&mut self, desk: &mut Desk<'_>, number: usize) {
        let replay = &mut desk.history.replays[number];
        replay.ended = true;
        let text = replay.text.clone();
        let packet_id = self.free_id();
        let filter = TopicFilter::parse(&text).expect("is valid");
        let properties = dunlin_packet::Properties::EMPTY;
        let version = self.version();
        encode_unsubscribe(version, packet_id, properties, &[filter], &mut desk.out);
        self.wire.last_sent = desk.now;
        self.wire.unsubscribing.insert(packet_id, vec![text]);
    }

    /// SUBACK for a replay came.
    pub(super) fn replay_granted(&mut self, desk: &mut Desk<'_>, text: &str) {
        let replays = desk.history.replays.iter_mut();
        let mut own = replays.filter(|it| it.link == desk.link && it.text == text);
        if let Some(replay) = own.find(|it| it.granted_at.is_none()) {
            replay.granted_at = Some(desk.now);
        }
    }

    /// Writes down a message that was read again. False: it is none. What an earlier connection has left
    /// is not counted: with QoS 0 there may be gaps in it.
    pub(super) fn note_replayed(&mut self, desk: &mut Desk<'_>, publish: &Publish<'_>) -> bool {
        let mut properties = publish.properties.user_properties();
        let position = properties.find(|(name, _)| *name == "log-position");
        let Some(position) = position.and_then(|(_, value)| value.parse().ok()) else {
            return false;
        };
        self.position = self.position.max(Some(position));
        for identifier in publish.properties.subscription_identifiers() {
            let replay = &mut desk.history.replays[identifier as usize - 1];
            if replay.link == desk.link {
                replay.positions.push(position);
            }
        }
        true
    }
}
