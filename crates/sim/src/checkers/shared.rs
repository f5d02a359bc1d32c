//! Shared Subscriptions: each message goes to exactly one member of a group. It goes to another
//! only when the connection of the first has ended before it was acknowledged, and with QoS 2 not
//! even then. As long as a member stays, nothing is lost.

use std::collections::BTreeMap;

use dunlin_packet::{ProtocolVersion, QoS};

use super::End;
use crate::history::{Delivery, Grant, Outcome, Publication, Session};
use crate::plan::SHARED;

/// The group through which a delivery came, by its place among all: a Client of 5.0 sees it by the
/// Subscription Identifier, one of 3.1.1 is in one group at most.
pub fn group_of(end: &End<'_>, delivery: &Delivery) -> Option<usize> {
    if let Some(identifier) = delivery
        .identifiers
        .iter()
        .find(|identifier| **identifier > 100)
    {
        return Some(*identifier as usize - 101);
    }
    let session = &end.history.sessions[delivery.session];
    // After a crash one whose subscription has ended meanwhile comes without identifier.
    let plan = end.plan.clients.get(session.client)?;
    if plan.version == ProtocolVersion::V5 {
        return None;
    }
    let wishes = &session.wishes;
    let filter = wishes
        .iter()
        .map(|(filter, ..)| filter)
        .find(|it| it.starts_with("$share/"))?;
    SHARED.iter().position(|known| known == filter)
}

/// What went to nobody, or to too many.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut copies: BTreeMap<_, Vec<&Delivery>> = BTreeMap::new();
    for delivery in &end.history.deliveries {
        if let (Some(number), Some(group)) = (delivery.publication, group_of(end, delivery)) {
            copies.entry((group, number)).or_default().push(delivery);
        }
    }
    let mut found = Vec::new();
    for ((group, number), copies) in &copies {
        let publication = &end.history.publications[*number];
        if let Some(what) = twice(end, publication, copies) {
            found.push(format!("{}: m{number} {what}", SHARED[*group]));
        }
    }
    for (group, filter) in SHARED.iter().enumerate() {
        for (number, publication) in end.history.publications.iter().enumerate() {
            if is_promised(end, filter, publication) && !copies.contains_key(&(group, number)) {
                let Publication { topic, qos, .. } = publication;
                found.push(format!(
                    "{filter}: m{number} on {topic} with {qos:?} went to nobody"
                ));
            }
        }
    }
    found
}

fn twice(end: &End<'_>, publication: &Publication, copies: &[&Delivery]) -> Option<String> {
    if publication.transmissions > 1 && publication.qos == QoS::AtLeastOnce {
        return None;
    }
    let client = |copy: &Delivery| end.history.sessions[copy.session].client;
    for pair in copies.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let (one, other) = (client(first), client(second));
        let again = |copy: &Delivery| match copy.qos {
            QoS::AtMostOnce => end.history.era > publication.era,
            QoS::AtLeastOnce => true,
            // A member and a group that ended with a crash: its publisher was not answered, and has
            // sent it again.
            QoS::ExactlyOnce => {
                end.history.era > publication.era
                    && publication.transmissions > 1
                    && end.history.sessions[copy.session].ended.is_some()
            }
        };
        if !again(first) && !again(second) {
            return Some(format!("with {:?} went to c{one} and c{other}", first.qos));
        }
        // What was on its way on the connection that ended may come later than its second copy.
        let before = |one: &Delivery, other: &Delivery| {
            let ended = end.history.ends.get(&one.link);
            ended.is_some_and(|ended| *ended < other.at)
        };
        if !before(first, second) && !before(second, first) {
            return Some(format!("went to c{other} while c{one} had it"));
        }
    }
    None
}

/// Whether a member was there before the message and has stayed, and no other can have taken it to
/// its end.
fn is_promised(end: &End<'_>, filter: &str, publication: &Publication) -> bool {
    let matches = Grant {
        filter: filter.to_owned(),
        options: Default::default(),
        from: 0,
        wished: 0,
        until: None,
    }
    .matches(&publication.topic);
    if !matches
        || end.plan.tiny
        || publication.qos == QoS::AtMostOnce
        || publication.size == 0
        || !matches!(publication.outcome, Outcome::Accepted(_))
        || publication.may_have_expired(end.now)
    {
        return false;
    }
    let sessions = || end.history.sessions.iter();
    let wishes = |session: &&Session| session.wishes.iter().any(|(wish, ..)| wish == filter);
    let stays = |session: &Session| {
        let lasts = |grant: &Grant| {
            grant.filter == filter && grant.from < publication.sent && grant.until.is_none()
        };
        session.ended.is_none() && session.grants.iter().any(lasts)
    };
    let members = || sessions().filter(wishes);
    let takes_along = |session: &Session| {
        let left = session.given_up.contains(filter);
        let gone = session.ended.is_some_and(|ended| ended > publication.sent);
        gone && (left || publication.qos == QoS::ExactlyOnce)
    };
    let least = members()
        .flat_map(|session| &session.wishes)
        .filter(|(wish, ..)| wish == filter)
        .map(|(_, options, _)| options.qos)
        .min();
    least > Some(QoS::AtMostOnce) && members().any(stays) && !members().any(takes_along)
}
