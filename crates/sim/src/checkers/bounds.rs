//! Bounds: no shard holds or sends more than its `Limits` allow.

use dunlin_core::{ConnectionId, Shard};

use crate::history::History;
use crate::plan::Plan;

/// Watches all shards after each of their turns.
#[derive(Debug, Default)]
pub struct Bounds;

impl Bounds {
    /// Looks at a shard.
    pub fn check(
        &self,
        shard: &Shard,
        connections: impl Iterator<Item = ConnectionId>,
        plan: &Plan,
        history: &mut History,
    ) {
        let (gauges, limits) = (shard.gauges(), &plan.limits);
        // Whatever members of a group give back was let in before, and finds its place again.
        let handed_out = plan.clients.len() * usize::from(limits.in_flight);
        let groups = gauges.groups * (limits.group_messages + handed_out);
        // A message of the log is read back for its Session in any case.
        let read_back = gauges.sessions_connected * 4096;
        let bounds = [
            ("sessions", gauges.sessions, limits.sessions),
            (
                "waiting_bytes",
                gauges.waiting_bytes,
                limits.waiting_bytes + read_back,
            ),
            ("retained", gauges.retained, limits.retained_messages),
            ("group_waiting", gauges.group_waiting, groups),
            (
                "group_waiting_bytes",
                gauges.group_waiting_bytes,
                limits.waiting_bytes + gauges.groups * handed_out * 8192 + read_back,
            ),
            (
                "subscriptions",
                gauges.subscriptions,
                gauges.sessions * limits.subscriptions,
            ),
        ];
        for (name, value, bound) in bounds {
            // What several shards had in the log may be at home in one after a crash.
            let bound = bound.saturating_mul(if history.era > 0 { 4 } else { 1 });
            if value > bound {
                let id = shard.id();
                history.violation(
                    "bounds",
                    format!("shard {id}: {name} is {value} of {bound}"),
                );
            }
        }
        // One packet may go beyond the hard limit, and what was in flight is sent again at once.
        let resent = usize::from(limits.in_flight) * 4096;
        let bound = limits.output_bytes_hard + limits.output_bytes + 8192 + resent;
        for connection in connections {
            let waiting = shard
                .output(connection)
                .map_or(0, |output| output.pending());
            if waiting > bound {
                let what = format!("{waiting} of {bound} bytes wait for connection {connection}");
                history.violation("bounds", what);
            }
        }
    }
}
