//! Accounts: every message that was due to somebody is in exactly one counter. When all is at rest
//! and everybody is connected, nothing waits any more; where there was room for everything, nothing
//! was dropped for lack of it; and the broker has accepted what the Clients were told it has.

use dunlin_core::{Counters, DropReason, Shard};
use dunlin_packet::QoS;

use super::End;
use crate::history::{Outcome, Publication};

/// What does not add up.
pub fn check(end: &End<'_>) -> Vec<String> {
    let sum = end.counters();
    let mut found = Vec::new();
    waiting(end, &sum, &mut found);
    dropped(end, &sum, &mut found);
    accepted(end, &sum, &mut found);
    found
}

fn waiting(end: &End<'_>, sum: &Counters, found: &mut Vec<String>) {
    // With tiny limits a Client may be kept out, and its Session keeps what waits for it.
    let away = |shard: &&Shard| shard.gauges().sessions_connected < shard.gauges().sessions;
    if end.shards.iter().any(away) {
        return;
    }
    let ended = sum.delivered + sum.expired + sum.dropped.iter().sum::<u64>();
    if sum.due != ended {
        found.push(format!(
            "{} deliveries due, {ended} ended: {sum:?}",
            sum.due
        ));
    }
    for shard in &end.shards {
        let gauges = shard.gauges();
        let bytes = gauges.waiting_bytes + gauges.group_waiting_bytes;
        if bytes != 0 || gauges.group_waiting != 0 {
            found.push(format!(
                "shard {}: something waits at rest: {gauges:?}",
                shard.id()
            ));
        }
    }
}

fn dropped(end: &End<'_>, sum: &Counters, found: &mut Vec<String>) {
    let full = [
        DropReason::QueueFull,
        DropReason::MemoryFull,
        DropReason::PacketTooLarge,
    ];
    let unreadable = sum.dropped_for(DropReason::Unreadable);
    if unreadable > 0 {
        found.push(format!("{unreadable} were in the log no more"));
    }
    let unlogged = sum.dropped_for(DropReason::LogFull);
    if unlogged > 0 && !end.history.log_was_full {
        found.push(format!("{unlogged} dropped for a log that never was full"));
    }
    for reason in full {
        let count = sum.dropped_for(reason);
        if !end.plan.tiny && count > 0 {
            found.push(format!(
                "{count} dropped for {}, with generous limits",
                reason.name()
            ));
        }
    }
}

/// What a Client was told is accepted has been; and no more was than Clients have sent.
fn accepted(end: &End<'_>, sum: &Counters, found: &mut Vec<String>) {
    let (mut least, mut most) = (0, 0);
    for publication in &end.history.publications {
        let Publication {
            qos,
            transmissions,
            outcome,
            ..
        } = publication;
        // Before a crash it was accepted, if at all, by another process; after it perhaps once more.
        let is_now = publication.era == end.history.era;
        least += u64::from(is_now && matches!(outcome, Outcome::Accepted(_)));
        most += match qos {
            // One of a Session that has outlived a crash is published later.
            _ if publication.will => 1,
            _ if !is_now && *transmissions <= 1 => 0,
            // A message of QoS 2 counts once, however often it was sent.
            QoS::ExactlyOnce => 1,
            _ => u64::from(*transmissions),
        };
    }
    // In a calm world nothing is lost on its way either.
    let is_calm = end.plan.faults.breaks + end.plan.faults.takeovers + end.plan.faults.silences
        == 0
        && end.plan.clients.iter().all(|client| client.keep_alive == 0)
        && !end.plan.tiny
        && end.history.era == 0
        && end.plan.faults.delay == 3;
    if is_calm {
        least = most;
    }
    // Each that somebody had subscribed to was due, at least once.
    if sum.accepted > sum.no_subscriber + sum.due {
        found.push(format!(
            "{} accepted, some in no account: {sum:?}",
            sum.accepted
        ));
    }
    if sum.accepted < least || (sum.accepted > most && !end.plan.tiny) {
        found.push(format!(
            "accepted {}, by the Clients {least} to {most}",
            sum.accepted
        ));
    }
}
