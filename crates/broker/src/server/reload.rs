//! SIGHUP: reading the configuration again while the broker runs.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use dunlin_net::Admission;

use super::acme::Acme;
use super::auth::Authentication;
use super::config::Loaded;
use super::control::Live;
use super::listeners::Listeners;
use super::log::Log;
use super::mail::{Mail, Post};
use super::options::ServerOptions;
use super::sys::SysThread;

/// How long shards may take to hear of a reload.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs, and all parts of it that a reload can change.
pub(super) struct Running {
    pub(super) options: ServerOptions,
    pub(super) loaded: Loaded,
    pub(super) log: Log,
    pub(super) listeners: Listeners,
    pub(super) acme: Acme,
    pub(super) sys: SysThread,
    pub(super) authentication: Arc<Authentication>,
    pub(super) admission: Admission,
    pub(super) live: Arc<Live>,
    pub(super) posts: Vec<Post>,
}

impl Running {
    /// Opens log files anew, reads certificates again, and then the configuration: it changes what can
    /// be changed, and the log says what was and what needs a restart. If anything is wrong with it,
    /// everything stays as it is.
    pub(super) fn reload(&mut self) {
        self.log.reopen();
        self.listeners.certificates().reload();
        let anew = match Loaded::read(&self.options) {
            Ok(anew) => anew,
            Err(error) => {
                return tracing::error!("the configuration stays as it is: {error}");
            }
        };
        let differences = self.loaded.differences(&anew);
        let mut loaded = self.loaded.clone();
        if let Err(error) = loaded.take_over(&anew) {
            return tracing::error!("the configuration stays as it is: {error}");
        }
        let prepared = match self.listeners.prepare(&loaded.config) {
            Ok(prepared) => prepared,
            Err(error) => {
                return tracing::error!("the configuration stays as it is: {error:#}");
            }
        };
        // Its files may be others although their names are the same.
        if let Err(error) = self.authentication.reload(&loaded.config, &self.posts) {
            return tracing::error!("the configuration stays as it is: {error:#}");
        }
        self.loaded = loaded;
        let config = &self.loaded.config;
        self.listeners.take_over(prepared, &self.posts);
        if let Err(error) = self.listeners.certificates().watch() {
            tracing::error!("certificates are not watched: {error:#}");
        }
        if let Err(error) = self.acme.manage(self.listeners.managed()) {
            tracing::error!("certificates are not renewed: {error:#}");
        }
        self.sys.set_interval(config.sys_interval);
        self.admission.set_rules(config.admission.clone());
        self.live.take_over(config);
        let limits = Arc::new(config.limits.clone());
        for post in &self.posts {
            let bans = Mail::Ban(Arc::clone(&config.bans));
            let _ = post.send(&mut vec![Mail::Limit(Arc::clone(&limits)), bans]);
        }
        self.wait_for_shards();
        tracing::info!("reloaded: users and rules");
        if differences.is_empty() {
            tracing::info!("reloaded: nothing has changed");
        }
        for difference in &differences {
            match difference.is_immediate() {
                true => tracing::info!("reloaded: {difference}"),
                false => tracing::warn!("not reloaded: {difference}"),
            }
        }
        self.log.set(&config.log);
    }

    /// Waits until all shards have read their letters: what the log says of a reload holds then.
    fn wait_for_shards(&self) {
        let (answers, heard) = mpsc::channel();
        for post in &self.posts {
            let _ = post.send(&mut vec![Mail::Confirm(answers.clone())]);
        }
        drop(answers);
        let deadline = Instant::now() + PATIENCE;
        for _ in &self.posts {
            let left = deadline.saturating_duration_since(Instant::now());
            if heard.recv_timeout(left).is_err() {
                return tracing::warn!("some shards are busy: they will reload when they are not");
            }
        }
    }
}
