//! What fuzzing calls: parsers of files that people or other programs wrote. Each panics when a promise
//! is broken.

use dunlin_core::{AllowAll, Durability, Gauges, Record, Shard, ShardConfig, ShardId, Timestamp};

use crate::mosquitto_db::{Database, TakenOver};
use crate::server::config::fuzzing;

/// Reads the bytes as a `mosquitto.conf`. What is accepted can be written as `dunlin.toml`, and means
/// the same when that is read.
pub fn mosquitto_conf(bytes: &[u8]) {
    fuzzing::mosquitto_conf(&String::from_utf8_lossy(bytes));
}

/// Reads the bytes as a `dunlin.toml`. What is accepted can be written, and read again as the same.
pub fn dunlin_toml(bytes: &[u8]) {
    fuzzing::dunlin_toml(&String::from_utf8_lossy(bytes));
}

/// Reads the bytes as a `mosquitto.db`. What can be taken over comes back from the log as it was, and
/// makes a shard.
pub fn mosquitto_db(bytes: &[u8]) {
    let Ok(database) = Database::read(bytes) else {
        return;
    };
    assert_eq!(
        database.to_string().lines().count(),
        database.clients.len()
            + database.subscriptions.len()
            + database.queued.len()
            + database.retained.len(),
        "a line for each thing"
    );
    let now = Timestamp::from_millis(1_795_479_000_000);
    if let Ok(taken) = database.take_over(now, |_| 0) {
        restored(taken, now);
    }
}

/// What a fresh shard makes of a database.
pub(crate) fn restored(taken: TakenOver, now: Timestamp) -> Gauges {
    let config = ShardConfig {
        durability: Durability::Log,
        ..ShardConfig::new(ShardId::new(0), 1, 7)
    };
    let mut shard = Shard::new(config, Box::new(AllowAll));
    for record in taken.records {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let record = Record::decode(record.key(), &bytes);
        shard.restore(record.expect("a record can be read as it was written"));
    }
    shard.restored(now);
    shard.gauges()
}
