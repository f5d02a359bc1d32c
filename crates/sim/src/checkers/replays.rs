//! Replays: whoever reads the log again gets all that it keeps from where he began, in its order and
//! each message once, first what was and then what comes. And what was accepted to be kept is there.

use dunlin_packet::QoS;

use super::End;
use crate::history::{Outcome, Publication, Replay, ReplayedFrom, matches};
use crate::plan::LASTING;

/// A message that can be read again.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is in the log.
    pub position: u64,
    /// When it was written, in milliseconds of virtual time.
    pub at: u64,
    /// Topic Name.
    pub topic: String,
    /// Which message; none with an empty payload.
    pub publication: Option<usize>,
    /// Whether it has a Message Expiry Interval.
    pub expires: bool,
}

/// What did not come, or came too often or too late.
pub fn check(end: &End<'_>) -> Vec<String> {
    let kept = end.kept.iter().filter(|it| is_kept(end, &it.topic));
    let kept: Vec<&Kept> = kept.collect();
    let mut found: Vec<String> = end
        .history
        .replays
        .iter()
        .filter_map(|replay| follow(end, replay, &kept))
        .collect();
    for (number, publication) in end.history.publications.iter().enumerate() {
        if is_promised(end, publication) && !kept.iter().any(|it| it.publication == Some(number)) {
            found.push(format!("m{number} on {} is not kept", publication.topic));
        }
    }
    found
}

fn is_kept(end: &End<'_>, topic: &str) -> bool {
    end.plan
        .replayable
        .iter()
        .any(|filter| matches(filter, topic))
}

fn is_promised(end: &End<'_>, publication: &Publication) -> bool {
    let client = end.plan.clients.get(publication.client);
    publication.qos > QoS::AtMostOnce
        && publication.size > 0
        && !publication.will
        && client.is_some_and(|client| client.listener == LASTING)
        && matches!(publication.outcome, Outcome::Accepted(_))
        && is_kept(end, &publication.topic)
}

/// Goes along the log with what a Client has got of it; gives where they part.
fn follow(end: &End<'_>, replay: &Replay, kept: &[&Kept]) -> Option<String> {
    let Replay {
        text,
        link,
        granted_at,
        ..
    } = replay;
    let is_due = |it: &&&Kept| matches(replay.filter, &it.topic) && may_be_read(replay, it);
    let may_be_left_out = |it: &Kept| it.expires || end.plan.tiny || !is_sure(replay, it);
    let mut due = kept.iter().filter(is_due);
    for position in &replay.positions {
        loop {
            match due.next() {
                None => {
                    return Some(format!(
                        "{text} on link {link} got {position}, out of order"
                    ));
                }
                Some(next) if next.position == *position => break,
                Some(next) if may_be_left_out(next) => {}
                Some(next) => {
                    let next = next.position;
                    return Some(format!(
                        "{text} on link {link} got {position} and not {next}"
                    ));
                }
            }
        }
    }
    let known = &end.links[*link];
    let goes_on = known.is_open() && !known.broken && !known.closed_by_client;
    let mut left = due.filter(|it| !may_be_left_out(it));
    if goes_on
        && !replay.ended
        && granted_at.is_some()
        && let Some(left) = left.next()
    {
        return Some(format!(
            "{text} on link {link} has not got {}",
            left.position
        ));
    }
    None
}

/// For how long a message that was written may not be stable, in milliseconds.
const UNSTABLE: u64 = 10_000;

/// Whether a message may lie behind the point where a replay began. What was written before and
/// became stable after that is new.
fn may_be_read(replay: &Replay, kept: &Kept) -> bool {
    match replay.from {
        ReplayedFrom::First => true,
        ReplayedFrom::After(position) => kept.position > position,
        ReplayedFrom::Since(seconds) => kept.at + seconds * 1000 + UNSTABLE >= replay.asked_at,
    }
}

/// Whether it certainly does: SUBSCRIBE came at some time until SUBACK did.
fn is_sure(replay: &Replay, kept: &Kept) -> bool {
    match (replay.from, replay.granted_at) {
        (ReplayedFrom::Since(seconds), Some(at)) => kept.at + seconds * 1000 >= at,
        (ReplayedFrom::Since(_), None) => false,
        _ => true,
    }
}
