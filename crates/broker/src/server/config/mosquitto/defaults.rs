//! What holds in Mosquitto 2.1 without any option, as far as it can be seen from outside.

use crate::server::config::settings::Settings;
use crate::server::config::{LogConfig, LogTimestamp};

/// A packet as large as the protocol allows.
pub(super) const LARGEST_PACKET: u32 = 268_435_460;

/// The settings of a Mosquitto without configuration.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings {
        log: LogConfig {
            timestamp: LogTimestamp::Seconds,
            connections: true,
            ..LogConfig::default()
        },
        ..Settings::default()
    };
    let limits = &mut settings.limits;
    limits.in_flight = 20;
    limits.receive_maximum = 20;
    limits.packet_size = 2_000_000;
    limits.topic_aliases_in = 10;
    limits.topic_aliases_out = 10;
    limits.queued_messages = 1_000;
    // Bytes have no bound of their own; what waits in all Sessions together has.
    limits.queued_bytes = limits.waiting_bytes;
    limits.session_expiry = u32::MAX;
    limits.topic_levels = 200;
    settings
}
