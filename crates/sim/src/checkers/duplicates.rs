//! Exactly once: a message that was published with QoS 2 and is delivered with QoS 2 reaches a
//! Session once. And no message is made more of without need: on one connection it comes no more
//! often than it was published, and with QoS 0 so on all connections together; but then a crash of
//! the broker may make it twice, for it is sent before it is stable.
//!
//! What a SUBSCRIBE brings from the store of Retained Messages (RETAIN set) comes on top.

use std::collections::BTreeMap;

use dunlin_packet::QoS;

use super::{End, shared};
use crate::history::{Delivery, Publication};

/// What came too often.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut copies: BTreeMap<_, Vec<&Delivery>> = BTreeMap::new();
    for delivery in end
        .history
        .deliveries
        .iter()
        .filter(|delivery| !delivery.retain)
    {
        if let Some(number) = delivery.publication {
            let group = shared::group_of(end, delivery);
            copies
                .entry((delivery.session, group, number))
                .or_default()
                .push(delivery);
        }
    }
    let mut found = Vec::new();
    for ((session, _, number), copies) in copies {
        let publication = &end.history.publications[number];
        let client = end.history.sessions[session].client;
        let crashes = end.history.era as usize;
        if let Some(why) = too_many(publication, &copies, crashes) {
            let count = copies.len();
            found.push(format!("m{number} reached c{client} {count} times: {why}"));
        }
    }
    found
}

fn too_many(
    publication: &Publication,
    copies: &[&Delivery],
    crashes: usize,
) -> Option<&'static str> {
    let published = match publication.qos {
        QoS::ExactlyOnce => 1,
        _ => publication.transmissions.max(1) as usize,
    };
    let with = |qos: QoS| copies.iter().filter(move |copy| copy.qos == qos);
    if with(QoS::ExactlyOnce).count() > published {
        return Some("with QoS 2");
    }
    if with(QoS::AtMostOnce).count() > published + crashes {
        return Some("with QoS 0");
    }
    let mut by_link = BTreeMap::new();
    for copy in copies {
        *by_link.entry(copy.link).or_insert(0) += 1;
    }
    by_link
        .values()
        .any(|count| *count > published)
        .then_some("on one connection")
}
