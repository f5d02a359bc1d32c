//! What fuzzing calls: parsers of files that people or other programs wrote. Each panics when a promise
//! is broken.

use crate::mosquitto_db::Database;
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

/// Reads the bytes as a `mosquitto.db`.
pub fn mosquitto_db(bytes: &[u8]) {
    if let Ok(database) = Database::read(bytes) {
        assert_eq!(
            database.to_string().lines().count(),
            database.clients.len()
                + database.subscriptions.len()
                + database.queued.len()
                + database.retained.len(),
            "a line for each thing"
        );
    }
}
