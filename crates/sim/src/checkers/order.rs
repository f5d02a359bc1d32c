//! Order: what one Client publishes to one topic reaches each Session in that order, counted from
//! where a message first appears. On every path: live, queued, resumed, and through a Shared
//! Subscription with a single member.
//!
//! Left out are messages that are retained: a new subscription may get an older one from where it is
//! kept, RETAIN set or not (which comes last is the matter of `retained`). And what its publisher has
//! sent again at QoS 1: the first of these copies may have found no subscriber. At QoS 2 the first may
//! have been refused, while the log was full, and its publisher not have heard of that.

use std::collections::BTreeMap;

use dunlin_packet::QoS;

use super::End;
use crate::history::{Grant, Session};

/// What came too late.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut last: BTreeMap<_, (usize, usize)> = BTreeMap::new();
    let mut found = Vec::new();
    for (place, delivery) in end.history.deliveries.iter().enumerate() {
        let Some(number) = delivery.publication.filter(|_| !delivery.retain) else {
            continue;
        };
        let publication = &end.history.publications[number];
        let session = &end.history.sessions[delivery.session];
        let shared = delivery.identifiers.iter().any(|id| *id > 100);
        let may_be_another = publication.qos == QoS::AtLeastOnce || end.history.log_was_full;
        let again = may_be_another && publication.transmissions > 1;
        if publication.will || publication.retain || again || is_one_of_many(end, session) {
            continue;
        }
        // What was given back to a group does not wait for what stays in flight with QoS 2; and of
        // what was in flight when the broker crashed only that is known.
        let mixed = shared || is_member(session) || end.history.era > 0;
        let qos = if mixed { delivery.qos as u8 } else { 0 };
        let key = (
            delivery.session,
            &delivery.topic,
            publication.client,
            delivery.identifiers.first().filter(|_| shared),
            qos,
        );
        let first = !end.history.deliveries[..place].iter().any(|earlier| {
            earlier.session == delivery.session && earlier.publication == Some(number)
        });
        // After a crash a Session also gets what was published while it had no such subscription, or
        // one with QoS 0 that lost it; but late.
        let mut grants = session.grants.iter();
        let is_due = |it: &Grant| {
            it.from < publication.sent
                && it.until.is_none_or(|(until, _)| publication.sent < until)
                && it.options.qos > QoS::AtMostOnce
                && !(it.options.no_local && session.client == publication.client)
                && it.matches(&delivery.topic)
        };
        if end.history.era > 0 && !grants.any(is_due) {
            continue;
        }
        let (before, _) = last.get(&key).copied().unwrap_or_default();
        if first && before > number {
            found.push(format!(
                "c{} got m{number} after m{before} on {}",
                session.client, delivery.topic
            ));
        }
        last.insert(key, (before.max(number), place));
    }
    found
}

fn is_member(session: &Session) -> bool {
    session
        .wishes
        .iter()
        .any(|(filter, ..)| filter.starts_with("$share/"))
}

/// Whether a Session shares a group with others: then order is between them all.
fn is_one_of_many(end: &End<'_>, session: &Session) -> bool {
    let shares = |other: &Session| {
        let known = |filter: &str| other.wishes.iter().any(|(wish, ..)| wish == filter);
        other.client != session.client
            && session
                .wishes
                .iter()
                .any(|(filter, ..)| filter.starts_with("$share/") && known(filter))
    };
    is_member(session) && end.history.sessions.iter().any(shares)
}
