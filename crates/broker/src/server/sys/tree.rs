//! The topics of the tree, and what they hold.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use dunlin_core::PacketCounts;
use dunlin_packet::PacketType;

use super::load::{Loads, NAMES, SPANS};
use crate::server::listeners::Certificates;
use crate::server::report::ShardReport;

/// What every topic begins with.
const ROOT: &str = "$SYS/broker";

/// Control Packets, as the topics under `mqtt` call them.
const PACKETS: [(&str, PacketType); 15] = [
    ("connect", PacketType::Connect),
    ("connack", PacketType::ConnAck),
    ("publish", PacketType::Publish),
    ("puback", PacketType::PubAck),
    ("pubrec", PacketType::PubRec),
    ("pubrel", PacketType::PubRel),
    ("pubcomp", PacketType::PubComp),
    ("subscribe", PacketType::Subscribe),
    ("suback", PacketType::SubAck),
    ("unsubscribe", PacketType::Unsubscribe),
    ("unsuback", PacketType::UnsubAck),
    ("pingreq", PacketType::PingReq),
    ("pingresp", PacketType::PingResp),
    ("disconnect", PacketType::Disconnect),
    ("auth", PacketType::Auth),
];

/// What has been published.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// What an acknowledgement promises: `fsync`, `os` or `none`.
    durability: &'static str,
    values: HashMap<String, String>,
    /// The most connected Clients and the most memory that were seen.
    most_clients: usize,
    most_memory: u64,
}

impl Tree {
    /// A tree of which nothing has been published.
    pub(super) fn new(durability: &'static str) -> Self {
        Tree {
            durability,
            ..Tree::default()
        }
    }

    /// The topics whose value has changed since the last time, with their values.
    pub(super) fn update(
        &mut self,
        all: &ShardReport,
        loads: &Loads,
        uptime: Duration,
    ) -> Vec<(String, String)> {
        self.most_clients = self.most_clients.max(all.gauges.sessions_connected);
        let memory = resident_memory();
        self.most_memory = self.most_memory.max(memory.unwrap_or(0));
        let mut topics = self.numbers(all);
        topics.push((
            "version",
            format!("dunlin version {}", env!("CARGO_PKG_VERSION")),
        ));
        topics.push(("store/durability", self.durability.to_owned()));
        topics.push(("uptime", format!("{} seconds", uptime.as_secs())));
        if let Some(memory) = memory {
            topics.push(("heap/current", memory.to_string()));
            topics.push(("heap/maximum", self.most_memory.to_string()));
        }
        let mut changed = Vec::new();
        for (topic, value) in topics {
            self.enter(&mut changed, format!("{ROOT}/{topic}"), value);
        }
        for (name, packet_type) in PACKETS {
            let of = |counts: &PacketCounts| counts.of(packet_type).to_string();
            let (received, sent) = (&all.counters.packets_received, &all.counters.packets_sent);
            let topic = |way| format!("{ROOT}/mqtt/{name}/{way}");
            self.enter(&mut changed, topic("received"), of(received));
            self.enter(&mut changed, topic("sent"), of(sent));
        }
        for (n, name) in NAMES.iter().enumerate() {
            for (average, (_, span)) in loads.averages(n).into_iter().zip(SPANS) {
                let topic = format!("{ROOT}/load/{name}/{span}");
                self.enter(&mut changed, topic, format!("{average:.2}"));
            }
        }
        changed
    }

    /// The topics that say when certificates end, whose value has changed since the last time.
    pub(super) fn expire(
        &mut self,
        certificates: &Certificates,
        now: SystemTime,
    ) -> Vec<(String, String)> {
        let mut changed = Vec::new();
        for expiry in certificates.expiries() {
            let listener = expiry.listener.replace(['/', '+', '#'], "_");
            let of = format!("{ROOT}/listeners/{listener}/{}", expiry.kind.name());
            let end = jiff::Timestamp::try_from(expiry.end);
            let end = end.map_or_else(|_| "never".to_owned(), |end| format!("{end:.0}"));
            self.enter(&mut changed, format!("{of}/expires"), end);
            let days = expiry.left(now).as_secs() / 86_400;
            self.enter(&mut changed, format!("{of}/days"), days.to_string());
        }
        changed
    }

    /// The topics that hold a count.
    fn numbers(&self, all: &ShardReport) -> Vec<(&'static str, String)> {
        let (counters, gauges) = (&all.counters, &all.gauges);
        let connected = gauges.sessions_connected;
        let disconnected = gauges.sessions.saturating_sub(connected);
        let stored = counters.waiting() as usize + gauges.retained;
        let stored_bytes =
            gauges.waiting_bytes + gauges.group_waiting_bytes + gauges.retained_bytes;
        let own_subscriptions = gauges.subscriptions - gauges.shared_subscriptions;
        let numbers: [(&'static str, u64); 24] = [
            ("clients/total", gauges.sessions as u64),
            ("clients/connected", connected as u64),
            ("clients/disconnected", disconnected as u64),
            // Older names of the last two.
            ("clients/active", connected as u64),
            ("clients/inactive", disconnected as u64),
            ("clients/maximum", self.most_clients as u64),
            ("clients/expired", counters.sessions_expired),
            ("connections/socket/count", all.reactor.open as u64),
            ("messages/received", counters.packets_received.total()),
            ("messages/sent", counters.packets_sent.total()),
            ("packet/out/bytes", gauges.output_bytes as u64),
            ("messages/stored", stored as u64),
            ("store/messages/count", stored as u64),
            ("store/messages/bytes", stored_bytes as u64),
            ("publish/messages/received", counters.publishes_received),
            ("publish/messages/sent", counters.publishes_sent),
            ("publish/messages/dropped", all.dropped()),
            ("publish/bytes/received", counters.payload_bytes_received),
            ("publish/bytes/sent", counters.payload_bytes_sent),
            ("bytes/received", counters.bytes_received),
            ("bytes/sent", counters.bytes_sent),
            ("subscriptions/count", own_subscriptions as u64),
            (
                "shared_subscriptions/count",
                gauges.shared_subscriptions as u64,
            ),
            ("retained messages/count", gauges.retained as u64),
        ];
        let shown = numbers.into_iter().map(|(topic, n)| (topic, n.to_string()));
        shown.collect()
    }

    fn enter(&mut self, changed: &mut Vec<(String, String)>, topic: String, value: String) {
        if self.values.get(&topic) != Some(&value) {
            self.values.insert(topic.clone(), value.clone());
            changed.push((topic, value));
        }
    }
}

/// Bytes of memory that the process holds now, where the system tells.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_published_again() {
        let mut tree = Tree::default();
        let loads = Loads::default();
        let mut all = ShardReport::default();
        let first = tree.update(&all, &loads, Duration::from_secs(1));
        let topics: Vec<_> = first.iter().map(|(topic, _)| topic.as_str()).collect();
        for topic in [
            "version",
            "store/durability",
            "uptime",
            "clients/connected",
            "retained messages/count",
            "load/bytes/sent/15min",
        ] {
            assert!(
                topics.contains(&format!("{ROOT}/{topic}").as_str()),
                "{topic}"
            );
        }
        all.gauges.sessions = 3;
        all.gauges.sessions_connected = 2;
        let second = tree.update(&all, &loads, Duration::from_secs(1));
        let value_of = |name: &str| {
            let topic = format!("{ROOT}/{name}");
            let found = second.iter().find(|(it, _)| *it == topic);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value_of("clients/disconnected"), Some("1"));
        assert_eq!(value_of("clients/maximum"), Some("2"));
        assert_eq!(value_of("bytes/sent"), None);
        assert_eq!(value_of("version"), None);
    }
}
