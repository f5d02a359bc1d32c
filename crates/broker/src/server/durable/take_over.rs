//! From the file of a Mosquitto to a log of our own, which is empty until then.
//!
//! All records are one frame of the log: they are in it together or not at all, and a process that ends
//! before that does it again at its next start. The file is only read.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use dunlin_auth::Realm;
use dunlin_core::Timestamp;
use dunlin_store::{Directory, Log};

use super::journal::frame;
use crate::mosquitto_db::{Database, StoredClient, TakenOver};
use crate::server::config::{Config, ListenAddress, ListenerConfig};

/// Puts what is in the file `database` into an empty log. `realms` are those of the listeners.
///
/// # Errors
/// The file cannot be read, or is damaged; the log cannot be written. Nothing is in it then.
pub(super) fn take_over(
    database: &Path,
    log: &mut Log<Directory>,
    now: Timestamp,
    config: &Config,
    realms: &[Arc<Realm>],
) -> anyhow::Result<TakenOver> {
    let taken = read(database, now, config, realms)
        .with_context(|| format!("cannot take over {}", database.display()))?;
    if !taken.records.is_empty() {
        let mut frames = VecDeque::from([frame(&taken.records)]);
        log.append(&mut frames, now.as_millis())?;
        log.sync()?;
    }
    tracing::info!("taken over from {}: {taken}", database.display());
    Ok(taken)
}

fn read(
    database: &Path,
    now: Timestamp,
    config: &Config,
    realms: &[Arc<Realm>],
) -> anyhow::Result<TakenOver> {
    let database = Database::read(&std::fs::read(database)?)?;
    let source = |client: &StoredClient| {
        let is_its = |listener: &ListenerConfig| port(&listener.address) == client.listener_port;
        let listener = config.listeners.iter().position(is_its).unwrap_or(0);
        let user_name = Some(client.user_name.as_str()).filter(|name| !name.is_empty());
        let realm = realms.get(listener);
        realm.map_or(0, |realm| realm.source_of(user_name))
    };
    Ok(database.take_over(now, source)?)
}

/// The TCP port of a listener; 0 if it has none.
fn port(address: &ListenAddress) -> u16 {
    match address {
        ListenAddress::Ip(address) => address.port(),
        ListenAddress::Host(_, port) | ListenAddress::Everywhere(port, _) => *port,
        ListenAddress::Unix(_) => 0,
    }
}
