//! The log: what is written, where to, and what a line begins with.
//!
//! Lines about connections and subscriptions are written with targets of their own, so that they can
//! be turned on and off apart from the level of everything else.

mod destinations;
mod events;
mod timestamp;
mod topic;
mod warnings;

use anyhow::anyhow;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

pub(super) use events::{event, wants_events};
pub(super) use warnings::Warnings;

use super::config::{LogConfig, LogLevel};
use super::mail::Post;
use super::options::Verbosity;
use destinations::Destinations;
use timestamp::Timestamp;

/// The target of lines about connections.
const CONNECTIONS: &str = "connections";
/// The target of lines about subscriptions.
const SUBSCRIPTIONS: &str = "subscriptions";
/// The target of lines about their ends; a part of the one above.
const UNSUBSCRIPTIONS: &str = "subscriptions::ended";

/// The log of this process, while it runs.
pub(super) struct Log {
    filter: reload::Handle<Targets, Registry>,
    destinations: Destinations,
    verbosity: Verbosity,
}

impl Log {
    /// Begins to log; must be called once.
    ///
    /// # Errors
    /// A destination that cannot be opened.
    pub(super) fn start(config: &LogConfig, verbosity: Verbosity) -> anyhow::Result<Self> {
        let destinations = match verbosity {
            Verbosity::Quiet => Destinations::open(&[])?,
            _ => Destinations::open(&config.destinations)?,
        };
        let (filter, handle) = reload::Layer::new(targets(config, verbosity));
        let lines = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(false)
            .with_timer(Timestamp::from(&config.timestamp))
            .with_writer(destinations.clone());
        let subscriber = Registry::default().with(filter).with(lines);
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| anyhow!("the log has been started before"))?;
        Ok(Log {
            filter: handle,
            destinations,
            verbosity,
        })
    }

    /// Takes up the level, and whether connections and subscriptions are logged.
    pub(super) fn set(&self, config: &LogConfig) {
        let set = self.filter.reload(targets(config, self.verbosity));
        if let Err(error) = set {
            tracing::error!("the log keeps its level: {error}");
        }
    }

    /// From now on lines can be published, if they are to be: earlier ones are not.
    pub(super) fn publish_to(&self, post: &Post) {
        self.destinations.publish_to(post);
    }

    /// Opens the files anew, so that they can be rotated.
    pub(super) fn reopen(&self) {
        self.destinations.reopen();
    }
}

/// What is written of all that is said.
fn targets(config: &LogConfig, verbosity: Verbosity) -> Targets {
    let verbose = verbosity == Verbosity::Verbose;
    let level = match config.level {
        _ if verbose => LevelFilter::DEBUG,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let events = |wanted: bool| match wanted || verbose || config.level == LogLevel::Debug {
        true => LevelFilter::INFO,
        false => LevelFilter::OFF,
    };
    Targets::new()
        .with_default(level)
        .with_target(CONNECTIONS, events(config.connections))
        .with_target(SUBSCRIPTIONS, events(config.subscriptions))
}
