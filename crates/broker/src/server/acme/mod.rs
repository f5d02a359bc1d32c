//! Certificates that an authority issues and that are renewed in time, by ACME (RFC 8555). Built with
//! the feature `acme` only.
//!
//! ```text
//!   configuration ─► file: a placeholder, until there is a certificate ─► TlsServer, as of any file
//!   thread ─► order ─► the authority ─► TLS-ALPN-01 to a listener of ours
//!     ▲         │ certificate
//!     │         ▼
//!   when it is due ◄─ file, TlsServer::reload
//! ```
//!
//! | file | what it owns |
//! |---|---|
//! | `files` | what is kept in the data directory |
//! | `order` | what is said to the authority |
//! | `http` | how |

mod files;
mod http;
mod order;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use dunlin_net::{TlsServer, Validity};

use super::config::AcmeConfig;
pub(super) use files::file;

/// How long after a failure the next attempt comes. Each further one takes twice as long, to the
/// longest. Authorities count: Let's Encrypt allows five failures in an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(2 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// One certificate, and who shows it.
pub(super) struct Managed {
    pub(super) config: AcmeConfig,
    /// As [`file`] says.
    pub(super) file: PathBuf,
    /// At least one.
    pub(super) servers: Vec<TlsServer>,
}

/// The thread that gets certificates, if there is one. It ends with the process.
#[derive(Default)]
pub(super) struct Acme {
    thread: Option<Sender<Vec<Managed>>>,
}

impl Acme {
    /// From now on, these are all certificates to look after.
    ///
    /// # Errors
    /// The system gives no further thread.
    pub(super) fn manage(&mut self, all: Vec<Managed>) -> anyhow::Result<()> {
        if self.thread.is_none() && !all.is_empty() {
            let (sender, changes) = channel();
            std::thread::Builder::new()
                .name("acme".to_owned())
                .spawn(move || Keeper::default().run(&changes))
                .context("cannot start a thread")?;
            self.thread = Some(sender);
        }
        if let Some(thread) = &self.thread {
            let _ = thread.send(all);
        }
        Ok(())
    }
}

/// What the thread does.
#[derive(Default)]
struct Keeper {
    all: Vec<Managed>,
    failures: HashMap<AcmeConfig, Failures>,
}

/// What has been tried in vain.
struct Failures {
    pause: Duration,
    again: SystemTime,
}

impl Keeper {
    fn run(mut self, changes: &Receiver<Vec<Managed>>) {
        loop {
            let due = self.all.iter().map(|one| self.due(one)).min();
            let wait = due.map(|due| due.duration_since(SystemTime::now()).unwrap_or_default());
            let change = match wait {
                None => changes.recv().map_err(RecvTimeoutError::from),
                Some(wait) => changes.recv_timeout(wait),
            };
            match change {
                Ok(all) => self.all = all,
                Err(RecvTimeoutError::Timeout) => self.renew_what_is_due(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// When a certificate is to be asked for.
    fn due(&self, one: &Managed) -> SystemTime {
        if let Some(failures) = self.failures.get(&one.config) {
            return failures.again;
        }
        match files::is_placeholder(&one.file) {
            true => SystemTime::UNIX_EPOCH,
            false => renewal(one.servers[0].validities().certificate),
        }
    }

    fn renew_what_is_due(&mut self) {
        let now = SystemTime::now();
        let due: Vec<usize> = (0..self.all.len())
            .filter(|&number| self.due(&self.all[number]) <= now)
            .collect();
        for number in due {
            let one = &self.all[number];
            let domain = &one.config.domain;
            match one.renew() {
                Ok(()) => {
                    let days = one.servers[0].validities().certificate.not_after;
                    let days = days.duration_since(SystemTime::now()).unwrap_or_default();
                    let days = days.as_secs() / 86_400;
                    tracing::info!(domain, days, "a certificate has been issued");
                    self.failures.remove(&one.config);
                }
                Err(error) => {
                    let before = self
                        .failures
                        .get(&one.config)
                        .map(|failures| failures.pause);
                    let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
                    let minutes = pause.as_secs() / 60;
                    tracing::error!(
                        domain,
                        "no certificate; the next attempt comes in {minutes} minutes: {error:#}"
                    );
                    let again = SystemTime::now() + pause;
                    let failures = Failures { pause, again };
                    self.failures.insert(one.config.clone(), failures);
                }
            }
        }
    }
}

impl Managed {
    /// Gets a certificate and has it shown. The old one stays if anything fails.
    fn renew(&self) -> anyhow::Result<()> {
        tracing::info!(domain = self.config.domain, "asking for a certificate");
        let folder = self.file.parent().context("a file is in a folder")?;
        let identity = order::issue(&self.config, folder, &self.servers)?;
        files::write(&self.file, &identity)?;
        for server in &self.servers {
            server.reload()?;
        }
        if renewal(self.servers[0].validities().certificate) <= SystemTime::now() {
            bail!("the one that was issued is to be renewed already: is the clock right?");
        }
        Ok(())
    }
}

/// When two thirds of a certificate's life are over.
fn renewal(validity: Validity) -> SystemTime {
    let life = validity.not_after.duration_since(validity.not_before);
    validity.not_before + life.unwrap_or_default() * 2 / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_life_is_left_to_renew_in() {
        const DAY: Duration = Duration::from_secs(86_400);
        let not_before = SystemTime::UNIX_EPOCH + DAY;
        let not_after = not_before + DAY * 90;
        let validity = Validity {
            not_before,
            not_after,
        };
        assert_eq!(renewal(validity), not_before + DAY * 60);
    }
}
