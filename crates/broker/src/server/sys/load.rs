//! Moving averages of what happens in a minute, over the last 1, 5 and 15.

use std::time::Duration;

use crate::server::report::ShardReport;

/// What is averaged, in the order of [`NAMES`].
const COUNT: usize = 9;

/// The topics under `$SYS/broker/load`.
pub(super) const NAMES: [&str; COUNT] = [
    "messages/received",
    "messages/sent",
    "publish/dropped",
    "publish/received",
    "publish/sent",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];

/// The spans of the averages, in minutes, and their topics.
pub(super) const SPANS: [(f64, &str); 3] = [(1.0, "1min"), (5.0, "5min"), (15.0, "15min")];

/// All averages.
#[derive(Debug, Default)]
pub(super) struct Loads {
    last: [u64; COUNT],
    averages: [[f64; SPANS.len()]; COUNT],
}

impl Loads {
    /// Takes in what was counted in the time since it was last told.
    pub(super) fn count(&mut self, all: &ShardReport, elapsed: Duration) {
        let counters = &all.counters;
        let counts = [
            counters.packets_received.total(),
            counters.packets_sent.total(),
            all.dropped(),
            counters.publishes_received,
            counters.publishes_sent,
            counters.bytes_received,
            counters.bytes_sent,
            counters.connections_opened,
            counters.connects_accepted,
        ];
        let minutes = elapsed.as_secs_f64() / 60.0;
        if minutes > 0.0 {
            for (n, count) in counts.into_iter().enumerate() {
                let per_minute = count.saturating_sub(self.last[n]) as f64 / minutes;
                for (average, (span, _)) in self.averages[n].iter_mut().zip(SPANS) {
                    let weight = (-minutes / span).exp();
                    *average = per_minute + weight * (*average - per_minute);
                }
            }
        }
        self.last = counts;
    }

    /// The averages of one of [`NAMES`], per minute, for each of [`SPANS`].
    pub(super) fn averages(&self, name: usize) -> [f64; SPANS.len()] {
        self.averages[name]
    }
}

#[cfg(test)]
mod tests {
    use dunlin_packet::PacketType;

    use super::*;

    #[test]
    fn a_steady_load_is_its_own_average_in_the_end() {
        let mut loads = Loads::default();
        let mut all = ShardReport::default();
        loads.count(&all, Duration::ZERO);
        for _ in 0..600 {
            for _ in 0..10 {
                all.counters.packets_received.count(PacketType::PingReq);
            }
            loads.count(&all, Duration::from_secs(10));
        }
        for average in loads.averages(0) {
            assert!((average - 60.0).abs() < 1.0, "{average}");
        }
        assert_eq!(loads.averages(1), [0.0; 3]);
    }
}
