//! Retained Messages: at rest, what is kept of a topic is what was accepted last; where several
//! Clients have published at the same time, one of the last. A new subscriber gets exactly that, and
//! one that subscribed while a message was on its way ends with it.

use std::collections::BTreeMap;

use dunlin_packet::{QoS, RetainHandling};

use super::End;
use crate::history::{Delivery, Grant, Moment, Outcome, Publication, PublicationNumber, Session};
use crate::plan::{FILTERS, PASSING, Role};

/// What is kept wrongly, or wrongly sent.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let kept = kept(end, &mut found);
    if end.plan.tiny {
        return found;
    }
    let mut topics: Vec<&str> = Vec::new();
    for publication in &end.history.publications {
        if publication.retain && !topics.contains(&publication.topic.as_str()) {
            topics.push(&publication.topic);
        }
    }
    for topic in &topics {
        let candidates = candidates(end, topic);
        let value = kept.get(*topic).copied();
        if !candidates.contains(&value) {
            found.push(format!(
                "{topic}: {value:?} is kept, not one of {candidates:?}"
            ));
        }
    }
    probed(end, &kept, &mut found);
    for topic in topics {
        followed(end, topic, kept.get(topic).copied(), &mut found);
    }
    found
}

/// By topic, what the shards keep.
fn kept(end: &End<'_>, found: &mut Vec<String>) -> BTreeMap<String, PublicationNumber> {
    let mut kept = BTreeMap::new();
    for message in end.shards.iter().flat_map(|shard| shard.retained()) {
        let number = message.payload().first_chunk::<4>();
        let number = number.map_or(usize::MAX, |bytes| u32::from_be_bytes(*bytes) as usize);
        if kept.insert(message.topic().to_owned(), number).is_some() {
            found.push(format!("{} is kept on two shards", message.topic()));
        }
    }
    kept
}

/// What may be kept: whatever no other message certainly came after. `None` stands for nothing.
fn candidates(end: &End<'_>, topic: &str) -> Vec<Option<PublicationNumber>> {
    let publications = || {
        let all = end.history.publications.iter().enumerate();
        all.filter(move |(_, it)| it.retain && it.topic == topic && end.outlives(it) && it.sent > 0)
    };
    let is_last = |(number, it): &(usize, &Publication)| {
        it.outcome != Outcome::Refused
            && !publications().any(|(other, after)| comes_after(end, (other, after), (*number, it)))
    };
    let value = |(number, it): (usize, &Publication)| (it.size > 0).then_some(number);
    let mut candidates: Vec<_> = publications().filter(is_last).map(value).collect();
    let accepted = |(_, it): (usize, &Publication)| matches!(it.outcome, Outcome::Accepted(_));
    if !publications().any(accepted) {
        candidates.push(None);
    }
    candidates
}

/// Whether one message was certainly accepted after another.
///
/// By the listener without durability, an answer says nothing about what others publish after it: it
/// does not wait for other shards.
fn comes_after(
    end: &End<'_>,
    (number, after): (usize, &Publication),
    (other, before): (usize, &Publication),
) -> bool {
    if !matches!(after.outcome, Outcome::Accepted(_)) {
        return false;
    }
    let again = before.qos == QoS::AtLeastOnce && before.transmissions > 1;
    let own = after.client == before.client && number > other && !again && !before.will;
    let client = end.plan.clients.get(before.client);
    let is_passing = client.is_some_and(|client| client.listener == PASSING);
    let answered =
        matches!(before.outcome, Outcome::Accepted(at) if at < after.sent) && !is_passing;
    number != other && (own || answered)
}

/// The Client that came when all was over got what is kept, all of it and once.
fn probed(end: &End<'_>, kept: &BTreeMap<String, PublicationNumber>, found: &mut Vec<String>) {
    let is_probe = |session: &Session| session.client >= end.plan.clients.len();
    let mut got = BTreeMap::new();
    for delivery in &end.history.deliveries {
        if is_probe(&end.history.sessions[delivery.session])
            && got
                .insert(delivery.topic.clone(), delivery.publication)
                .is_some()
        {
            found.push(format!("a new subscriber got {} twice", delivery.topic));
        }
    }
    let expected = kept.iter().filter(|(topic, _)| !topic.starts_with('$'));
    let expected: BTreeMap<_, _> = expected
        .map(|(topic, number)| (topic.clone(), Some(*number)))
        .collect();
    if got != expected {
        found.push(format!(
            "a new subscriber got {got:?}, kept is {expected:?}"
        ));
    }
}

/// Whoever has subscribed with QoS 1 or 2 has ended with what is kept.
fn followed(end: &End<'_>, topic: &str, kept: Option<PublicationNumber>, found: &mut Vec<String>) {
    let all = end.history.publications.iter();
    let publications: Vec<_> = all.filter(|it| it.retain && it.topic == topic).collect();
    // Where several Clients publish at once, or with QoS 0, a subscriber may see another order.
    let in_order = publications.iter().all(|it| {
        it.client == publications[0].client
            && it.qos > QoS::AtMostOnce
            && (it.transmissions <= 1 || it.qos == QoS::ExactlyOnce)
            && it.era == end.history.era
    });
    if !in_order {
        return;
    }
    for (place, session) in end.history.sessions.iter().enumerate() {
        let follows = |grant: &&Grant| {
            grant.until.is_none()
                && grant.options.qos > QoS::AtMostOnce
                && !grant.options.no_local
                && grant.options.retain_handling == RetainHandling::SendAtSubscribe
                && FILTERS.contains(&grant.filter.as_str())
                && grant.matches(topic)
        };
        let role = end
            .plan
            .clients
            .get(session.client)
            .map(|client| client.role);
        if session.ended.is_some() || role != Some(Role::Peer) {
            continue;
        }
        let Some(grant) = session.grants.iter().find(follows) else {
            continue;
        };
        // What was on its way before SUBSCRIBE may come before SUBACK, and so may what replaces it.
        let since = if kept.is_some() {
            grant.wished
        } else {
            grant.from
        };
        let last = last_of(end, place, topic, since);
        // An empty payload has no number: whether it came before cannot be told.
        let is_unclear = |it: &Delivery| {
            it.session == place && it.topic == topic && it.dup && it.publication.is_none()
        };
        // One that an earlier subscription has brought may have waited in the queue until now.
        let is_late = last.is_some_and(|number| {
            let before = |it: &Grant| it.from < grant.wished && it.matches(topic);
            end.history.publications[number].sent < grant.wished
                && session.grants.iter().any(before)
        });
        if last != kept && !is_late && !end.history.deliveries.iter().any(is_unclear) {
            let client = session.client;
            found.push(format!(
                "c{client} ended with {last:?} of {topic}, kept is {kept:?}"
            ));
        }
    }
}

/// What a Session got last of the retained values of a topic since a moment; repeated packets left
/// out, also those that came first before that.
fn last_of(end: &End<'_>, session: usize, topic: &str, since: Moment) -> Option<usize> {
    let (mut known, mut last) = (Vec::new(), None);
    let is_it = |it: &&Delivery| it.session == session && it.topic == topic;
    for delivery in end.history.deliveries.iter().filter(is_it) {
        let Delivery {
            publication,
            qos,
            retain,
            dup,
            packet_id,
            ..
        } = *delivery;
        let is_value = publication.is_none_or(|number| end.history.publications[number].retain);
        // A first copy that was lost on its way is not known.
        let copy = (publication, qos, retain, packet_id);
        let is_repeated = dup && known.contains(&copy);
        known.push(copy);
        if is_value && !is_repeated && delivery.at > since {
            last = publication;
        }
    }
    last
}
