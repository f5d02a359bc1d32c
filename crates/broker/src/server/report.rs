//! The counters of all shards, for people.

use std::fmt;

use dunlin_core::{Counters, DropReason, Gauges};
use dunlin_net::{Admission, ReactorCounters};

/// What one shard has to report.
#[derive(Clone, Copy, Default)]
pub(super) struct ShardReport {
    pub(super) counters: Counters,
    pub(super) gauges: Gauges,
    pub(super) reactor: ReactorCounters,
}

impl ShardReport {
    /// The numbers of all shards together, as far as `$SYS` shows them.
    pub(super) fn sum(shards: &[ShardReport]) -> ShardReport {
        let mut all = ShardReport::default();
        for shard in shards {
            all.counters.add(&shard.counters);
            all.gauges.sessions += shard.gauges.sessions;
            all.gauges.sessions_connected += shard.gauges.sessions_connected;
            all.gauges.subscriptions += shard.gauges.subscriptions;
            all.gauges.shared_subscriptions += shard.gauges.shared_subscriptions;
            all.gauges.waiting_bytes += shard.gauges.waiting_bytes;
            all.gauges.group_waiting_bytes += shard.gauges.group_waiting_bytes;
            all.gauges.output_bytes += shard.gauges.output_bytes;
            all.gauges.retained += shard.gauges.retained;
            all.gauges.retained_bytes += shard.gauges.retained_bytes;
            all.reactor.open += shard.reactor.open;
        }
        all
    }

    /// Deliveries that were given up for lack of room.
    pub(super) fn dropped(&self) -> u64 {
        let reasons = [DropReason::QueueFull, DropReason::MemoryFull];
        reasons
            .map(|reason| self.counters.dropped_for(reason))
            .iter()
            .sum()
    }
}

/// What each shard has reported last.
pub(super) struct Report {
    shards: Vec<ShardReport>,
    admission: Admission,
    /// How many have reported since somebody asked.
    answered: usize,
}

impl Report {
    pub(super) fn new(shards: usize, admission: Admission) -> Self {
        Report {
            shards: vec![ShardReport::default(); shards],
            admission,
            answered: 0,
        }
    }

    /// Enters what a shard reports. True: all have, since they were asked.
    pub(super) fn enter(&mut self, shard: usize, report: ShardReport) -> bool {
        self.shards[shard] = report;
        self.answered += 1;
        if self.answered == self.shards.len() {
            self.answered = 0;
            return true;
        }
        false
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Counters::default();
        let (mut sessions, mut connected, mut subscriptions) = (0, 0, 0);
        let (mut refused, mut open) = (0, 0);
        for shard in &self.shards {
            all.add(&shard.counters);
            sessions += shard.gauges.sessions;
            connected += shard.gauges.sessions_connected;
            subscriptions += shard.gauges.subscriptions;
            refused += shard.reactor.refused;
            open += shard.reactor.open;
        }
        writeln!(
            f,
            "  connections: {open} open, {} opened, {refused} turned away",
            all.connections_opened
        )?;
        let denials = self.admission.denials();
        writeln!(
            f,
            "  not let in: {} for the number of all, {} for that of an address, {} too fast from an address, {} banned",
            denials.full, denials.address_full, denials.address_too_fast, denials.banned
        )?;
        writeln!(
            f,
            "  CONNECT: {} accepted, {} refused; {} connections closed for a fault",
            all.connects_accepted, all.connects_refused, all.violations
        )?;
        writeln!(
            f,
            "  bans: {} CONNECT refused for one, {} Clients banned as they came too often",
            all.connects_banned, all.clients_banned
        )?;
        writeln!(
            f,
            "  too fast: {} Clients slowed down, {} disconnected",
            all.clients_slowed, all.clients_too_fast
        )?;
        writeln!(
            f,
            "  sessions: {sessions}, {connected} connected; {subscriptions} subscriptions"
        )?;
        writeln!(
            f,
            "  bytes: {} received, {} sent",
            all.bytes_received, all.bytes_sent
        )?;
        writeln!(
            f,
            "  messages: {} accepted, {} refused, {} without subscriber; {} retained, {} not retained for lack of room",
            all.accepted, all.refused, all.no_subscriber, all.retained, all.retained_refused
        )?;
        write!(
            f,
            "  deliveries: {} due, {} delivered, {} waiting, {} expired",
            all.due,
            all.delivered,
            all.waiting(),
            all.expired
        )?;
        for reason in DropReason::ALL {
            let dropped = all.dropped_for(reason);
            if dropped > 0 {
                write!(f, ", {dropped} dropped ({})", reason.name())?;
            }
        }
        Ok(())
    }
}
