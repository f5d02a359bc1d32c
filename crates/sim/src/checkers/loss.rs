//! No loss: a message of QoS 1 or 2 whose publisher was told that it is accepted reaches every
//! Session that had a confirmed subscription, with QoS 1 or 2, before the message was sent; unless
//! the Session ended, the message expired, or it was counted as dropped.

use dunlin_packet::QoS;

use super::End;
use crate::history::{Outcome, Publication, Session, SessionNumber};

/// What was lost.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, publication) in end.history.publications.iter().enumerate() {
        let Outcome::Accepted(accepted) = publication.outcome else {
            continue;
        };
        if publication.qos == QoS::AtMostOnce
            || publication.size == 0
            || publication.may_have_expired(end.now)
        {
            continue;
        }
        for (place, session) in end.history.sessions.iter().enumerate() {
            if session.ended.is_none()
                && is_promised(session, publication, accepted)
                && !has_reached(end, place, number)
            {
                let Session { client, .. } = session;
                let Publication {
                    topic,
                    qos,
                    client: publisher,
                    ..
                } = publication;
                missing.push(format!(
                    "m{number} of c{publisher} on {topic} with {qos:?} did not reach c{client}"
                ));
            }
        }
    }
    // With tiny limits some are dropped, and some wait for Clients that are not let in any more.
    let counters = end.counters();
    let dropped = end.dropped + counters.dropped.iter().sum::<u64>();
    let elsewhere = dropped + counters.waiting();
    if end.plan.tiny && missing.len() as u64 <= elsewhere {
        return Vec::new();
    }
    missing
}

/// Whether a subscription was there all the time that the message was on its way in the broker.
fn is_promised(session: &Session, publication: &Publication, accepted: u64) -> bool {
    session.grants.iter().any(|grant| {
        let local = grant.options.no_local && session.client == publication.client;
        grant.options.qos > QoS::AtMostOnce
            && !grant.filter.starts_with("$share/")
            && !local
            && grant.from < publication.sent
            && grant.until.is_none_or(|(_, quiet)| accepted < quiet)
            && grant.matches(&publication.topic)
    })
}

fn has_reached(end: &End<'_>, session: SessionNumber, number: usize) -> bool {
    let mut deliveries = end.history.deliveries.iter();
    deliveries.any(|it| it.session == session && it.publication == Some(number))
}
