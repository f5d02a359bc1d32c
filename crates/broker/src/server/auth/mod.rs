//! Authentication and authorisation in the process: what is shared by all shards, and by whom.
//!
//! ```text
//!   shard ── connect ──▶ ShardPolicy ──▶ Realm of the listener ─▶ accept, refuse
//!     ▲                      │ slow: Pending
//!     │ Mail::Decided        ▼
//!     └──────────────── Workers (threads, a bounded queue) ─▶ Failures: not too fast
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `load` | from the configuration and its files to [`Realms`] |
//! | `policy` | [`ShardPolicy`]: core's door |
//! | `exchange` | AUTH packets of one connection |
//! | `workers` | the threads that hash passwords and ask servers |
//! | `queue` | what waits for them |
//! | `failures` | addresses from which wrong credentials have come |

mod exchange;
mod failures;
mod load;
mod policy;
mod queue;
mod workers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context;
use dunlin_auth::password::Verified;
use dunlin_auth::{Anonymous, Realm};

use super::config::Config;
use super::mail::{Mail, Post};
pub(super) use policy::ShardPolicy;
use workers::Workers;

/// The realms of all listeners, by number. Replaced as a whole when something has changed.
pub(super) type Realms = Vec<Arc<Realm>>;

/// What all shards share.
pub(super) struct Authentication {
    realms: RwLock<Arc<Realms>>,
    /// How often they have been replaced.
    changes: AtomicU64,
    verified: Arc<Verified>,
    workers: Workers,
}

/// What the configuration and its files say.
pub(super) struct Rules {
    pub(super) realms: Realms,
    verified: Arc<Verified>,
    /// The longest that a refusal of wrong credentials is held back.
    login_delay: Duration,
}

impl Rules {
    /// Reads all of it.
    pub(super) fn read(config: &Config) -> anyhow::Result<Self> {
        let verified = Arc::new(Verified::new()?);
        let realms = load::realms(config, &verified)?;
        Ok(Rules {
            realms,
            verified,
            login_delay: config.login_delay,
        })
    }
}

impl Authentication {
    /// Starts the threads.
    pub(super) fn start(rules: Rules, posts: Vec<Post>) -> anyhow::Result<Arc<Self>> {
        let Rules {
            realms,
            verified,
            login_delay,
        } = rules;
        Ok(Arc::new(Authentication {
            realms: RwLock::new(Arc::new(realms)),
            workers: Workers::start(posts, login_delay).context("cannot start a thread")?,
            changes: AtomicU64::default(),
            verified,
        }))
    }

    /// Reads everything again, for the same listeners. Nothing changes if anything is wrong.
    pub(super) fn reload(&self, config: &Config, posts: &[Post]) -> anyhow::Result<()> {
        let realms = load::realms(config, &self.verified)?;
        *self.realms.write().expect("nobody panics while holding it") = Arc::new(realms);
        self.workers.set_login_delay(config.login_delay);
        self.changes.fetch_add(1, Ordering::SeqCst);
        for post in posts {
            let _ = post.send(&mut vec![Mail::PolicyChanged]);
        }
        Ok(())
    }

    /// Warns of listeners where nothing says who may come in.
    pub(super) fn warn_of_trust(config: &Config) {
        for listener in &config.listeners {
            if listener.access.anonymous == Anonymous::ThisMachine {
                tracing::warn!(
                    listener = listener.name,
                    "nothing says who may come in: only Clients on this machine are let in, and those of a reverse proxy on it all are; set password_file, [auth] or allow_anonymous"
                );
            }
        }
    }

    /// How often the rules have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// The realms as they are now.
    pub(super) fn realms(&self) -> Arc<Realms> {
        let realms = self.realms.read();
        realms.expect("nobody panics while holding it").clone()
    }
}
