//! What must outlive the process: from the records of shards to the log on disk, and back.
//!
//! ```text
//!   Shard ── records ──▶ Journal ── frames ──▶ the log's threads (dunlin_store::Service)
//!     ▲                                            │ committed · found · checkpoint
//!     └────────── Input ◀── Driver ◀── Mail::Log ◀─┘
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `mod` | opening the log, and restoring all shards from it |
//! | `directory` | where the log is |
//! | `journal` | one shard's side of it: records to frames, news to inputs |
//! | `take_over` | what a Mosquitto has saved, into a log that is empty |

mod directory;
mod journal;
mod take_over;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use dunlin_auth::Realm;
use dunlin_core::{Input, MessageId, PeerMessage, Record, Shard, ShardId};
use dunlin_store::{
    Client, Commit, Damage, Directory, Log, News, Options, Recovery, Replayed, Retention, Service,
    ServiceOptions, Statistics,
};

pub(super) use journal::{Journal, messages, replayed};
use take_over::take_over;

use super::clock::Clock;
use super::config::{Config, Durability};
use super::mail::{Mail, Post};

/// The log of the process, with its threads.
pub(super) struct Durable {
    service: Service,
    directory: PathBuf,
    commit: Commit,
    taken_over: Option<String>,
}

impl Durable {
    /// Where the log is kept and what else must outlive the process, if there is any of it. To be asked before the process becomes another
    /// user, as it depends on who that is.
    pub(super) fn chosen_directory(config: &Config) -> anyhow::Result<Option<PathBuf>> {
        match config.durability {
            Durability::None if !config.has_issued_certificates() => Ok(None),
            _ => directory::choose(config.data_dir.as_deref()).map(Some),
        }
    }

    /// Opens the log, if there is to be one, and restores all shards from it; if it is empty, with what
    /// a Mosquitto has saved, if that is to be taken over. `realms` are those of the listeners. Gives the journals of
    /// the shards and the clock, which goes on from the latest time in the log.
    pub(super) fn open(
        config: &Config,
        shards: &mut [Shard],
        posts: &[Post],
        realms: &[Arc<Realm>],
    ) -> anyhow::Result<(Option<Self>, Vec<Option<Journal>>, Clock)> {
        let commit = match config.durability {
            Durability::Fsync => Commit::Fsync,
            Durability::Os => Commit::Os,
            Durability::None => {
                let journals = shards.iter().map(|_| None).collect();
                return Ok((None, journals, Clock::start(0)));
            }
        };
        let directory = directory::choose(config.data_dir.as_deref())?;
        let (mut log, recovery) = restore(&directory, options(config), shards).with_context(|| {
            format!(
                "cannot keep data in {} (choose another directory with --data-dir, or keep data \
                 in memory with --durability none)",
                directory.display()
            )
        })?;
        report(&recovery, &directory);
        let clock = Clock::start(recovery.time);
        let database = config.mosquitto_db.as_deref().filter(|file| file.exists());
        let taken_over = match database.filter(|_| is_empty(&recovery)) {
            Some(file) => {
                let taken = take_over(file, &mut log, clock.now(), config, realms)?;
                let shown = format!("{}: {taken}", file.display());
                taken
                    .records
                    .into_iter()
                    .for_each(|record| give(shards, &record));
                Some(shown)
            }
            None => None,
        };
        let clients = posts.iter().cloned().map(Courier).collect();
        let options = ServiceOptions {
            commit,
            ..ServiceOptions::default()
        };
        let (service, handles) =
            Service::start(log, clients, options).context("cannot start a thread")?;
        let mut journals: Vec<Journal> = handles.into_iter().map(Journal::new).collect();
        settle(shards, &mut journals, clock);
        let durable = Durable {
            service,
            directory,
            commit,
            taken_over,
        };
        Ok((
            Some(durable),
            journals.into_iter().map(Some).collect(),
            clock,
        ))
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What an acknowledgement waits for, in a word of the configuration.
    pub(super) fn promise(&self) -> &'static str {
        match self.commit {
            Commit::Fsync => "fsync",
            Commit::Os => "os",
        }
    }

    /// The file of a Mosquitto that was taken over at this start, and what was in it.
    pub(super) fn taken_over(&self) -> Option<&str> {
        self.taken_over.as_deref()
    }

    /// What the log holds.
    pub(super) fn statistics(&self) -> Statistics {
        self.service.statistics()
    }

    /// Makes everything stable. All shards have ended.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.service.stop().context("the log cannot be completed")
    }
}

/// Takes over the file of a Mosquitto into the data directory of a broker that does not run; gives what
/// there was in it, in words.
///
/// # Errors
/// There is something in the directory; and as when a broker does it at its start.
pub(super) fn import(
    database: &Path,
    config: &Config,
    realms: &[Arc<Realm>],
) -> anyhow::Result<String> {
    let directory = directory::choose(config.data_dir.as_deref())?;
    let shown = directory.display();
    let files = Directory::open(&directory).with_context(|| format!("cannot open {shown}"))?;
    let opened = Log::open(files, options(config), |_| {});
    let (mut log, recovery) = opened.with_context(|| format!("cannot use {shown}"))?;
    ensure!(is_empty(&recovery), "there is something in {shown} already");
    let now = Clock::start(0).now();
    let taken = take_over(database, &mut log, now, config, realms)?;
    log.close(now.as_millis())?;
    Ok(format!("into {shown}: {taken}"))
}

/// How the log is to be kept.
fn options(config: &Config) -> Options {
    let retention = &config.retention;
    let is_wanted = !retention.filters.is_empty();
    Options {
        limit: config.data_limit.map_or(u64::MAX, |bytes| bytes as u64),
        retention: is_wanted.then(|| Retention {
            age: u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX),
            size: retention.size as u64,
        }),
        ..Options::default()
    }
}

/// Reads the log, and gives every record to every shard.
fn restore(
    directory: &Path,
    options: Options,
    shards: &mut [Shard],
) -> anyhow::Result<(Log<Directory>, Recovery)> {
    let mut wrong = 0u64;
    let mut take = |entry: Replayed<'_>| {
        let key = entry.key.map(|key| MessageId::from_u64(key.get()));
        match Record::decode(key, entry.content) {
            Ok(record) => give(shards, &record),
            Err(_) => wrong += 1,
        }
    };
    let files = Directory::open(directory)?;
    let opened = Log::open(files, options, &mut take)?;
    if wrong > 0 {
        tracing::error!("{wrong} records in the log are of a kind that this version does not know");
    }
    Ok(opened)
}

/// Gives a record to every shard: each takes what is at home in it.
fn give(shards: &mut [Shard], record: &Record) {
    for shard in shards {
        shard.restore(record.clone());
    }
}

/// Whether nothing has ever been in the log.
fn is_empty(recovery: &Recovery) -> bool {
    recovery.entries == 0 && recovery.damage.is_empty()
}

/// Ends the restoration: the shards talk until they are silent.
fn settle(shards: &mut [Shard], journals: &mut [Journal], clock: Clock) {
    let now = clock.now();
    shards.iter_mut().for_each(|shard| shard.restored(now));
    let mut is_silent = false;
    while !is_silent {
        is_silent = true;
        for number in 0..shards.len() {
            let from = ShardId::new(number);
            journals[number].append(&mut shards[number]);
            for to in (0..shards.len()).filter(|to| *to != number) {
                let mut messages: Vec<PeerMessage> = Vec::new();
                shards[number].take_peer_messages(ShardId::new(to), &mut messages);
                if !messages.is_empty() {
                    is_silent = false;
                    let messages = &mut messages;
                    shards[to].handle(now, Input::Peer { from, messages });
                }
            }
        }
    }
}

/// Says what was found.
fn report(recovery: &Recovery, directory: &Path) {
    let Recovery {
        entries,
        damage,
        mended,
        ..
    } = recovery;
    tracing::info!("{entries} records read from {}", directory.display());
    for place in mended {
        tracing::warn!(
            "a bit is wrong in {}, in the frame at {place}; nothing is lost, but the disk may fail",
            directory.display(),
        );
    }
    for Damage { from, to, cause } in damage {
        tracing::error!(
            "data is lost in {}, from {from} to {to} ({cause}); a copy is in quarantine",
            directory.display(),
        );
    }
}

/// Brings a shard the news of the log.
struct Courier(Post);

impl Client for Courier {
    fn tell(&self, news: News) {
        match news {
            News::Failed(error) => fail(&error),
            // A shard that has ended needs no news.
            news => {
                let _ = self.0.send(&mut vec![Mail::Log(news)]);
            }
        }
    }
}

/// Nothing that is acknowledged from now on would be durable: the process ends, and what is on disk
/// decides at the next start.
fn fail(error: &dunlin_store::Error) -> ! {
    tracing::error!("the log has failed, so nothing can be acknowledged any more: {error}");
    eprintln!("Error: the log has failed: {error}");
    std::process::exit(1)
}
