//! The files of all listeners' TLS while the broker runs: read again when they change, and watched for
//! their end.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use dunlin_net::{TlsServer, Validities, Validity};

/// How often the files are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// How long before its end something is warned about at the earliest, and how often.
const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 86_400);
const LIST_WARNING: Duration = Duration::from_secs(86_400);
const WARNING_INTERVAL: Duration = Duration::from_secs(86_400);

/// The files of all listeners' TLS. Clones are the same.
#[derive(Clone, Default)]
pub(in crate::server) struct Certificates(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    all: Vec<OfListener>,
    /// A thread looks after them.
    has_thread: bool,
}

/// The files of one listener's TLS.
#[derive(Clone)]
pub(super) struct OfListener {
    pub(super) listener: String,
    pub(super) tls: TlsServer,
}

/// What of a listener ends at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Kind {
    /// Its own certificate.
    Certificate,
    /// An authority from which Clients' certificates come.
    Authorities,
    /// A revocation list.
    Revocations,
}

impl Kind {
    /// Its name in topics.
    pub(in crate::server) fn name(self) -> &'static str {
        match self {
            Kind::Certificate => "certificate",
            Kind::Authorities => "authorities",
            Kind::Revocations => "revocations",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Kind::Certificate => "the certificate",
            Kind::Authorities => "an authority of Clients' certificates",
            Kind::Revocations => "the revocation list",
        }
    }
}

/// When something of a listener ends.
pub(in crate::server) struct Expiry {
    pub(in crate::server) listener: String,
    pub(in crate::server) kind: Kind,
    from: SystemTime,
    pub(in crate::server) end: SystemTime,
    /// How long before that there is a warning.
    warning: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    None,
    Soon,
    NotYet,
    Over,
}

impl Certificates {
    /// From now on, these are all.
    pub(super) fn set(&self, all: Vec<OfListener>) {
        self.lock().all = all;
    }

    /// Reads all files again, and logs what comes of it. What is broken stays as it was.
    pub(in crate::server) fn reload(&self) {
        self.all().iter().for_each(OfListener::reload);
    }

    /// Watches the files from a thread of its own, as long as the process runs, if there are any.
    pub(in crate::server) fn watch(&self) -> anyhow::Result<()> {
        let mut watched = self.lock();
        if watched.all.is_empty() || watched.has_thread {
            return Ok(());
        }
        let certificates = self.clone();
        std::thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || certificates.watch_for_ever())
            .context("cannot start a thread")?;
        watched.has_thread = true;
        Ok(())
    }

    /// What ends, and when.
    pub(in crate::server) fn expiries(&self) -> Vec<Expiry> {
        self.all().iter().flat_map(OfListener::expiries).collect()
    }

    fn watch_for_ever(&self) {
        let mut told: (Vec<Urgency>, Option<SystemTime>) = Default::default();
        loop {
            let now = SystemTime::now();
            let expiries = self.expiries();
            let urgencies: Vec<_> = expiries.iter().map(|it| it.urgency(now)).collect();
            let since = |then| now.duration_since(then).unwrap_or_default();
            if urgencies != told.0 || told.1.is_none_or(|then| since(then) >= WARNING_INTERVAL) {
                expiries.iter().for_each(|expiry| expiry.warn(now));
                told = (urgencies, Some(now));
            }
            std::thread::sleep(WATCH);
            let all = self.all();
            let changed = all.iter().filter(|one| one.tls.files_have_changed());
            changed.for_each(OfListener::reload);
        }
    }

    fn all(&self) -> Vec<OfListener> {
        self.lock().all.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

impl OfListener {
    fn reload(&self) {
        let listener = &self.listener;
        match self.tls.reload() {
            Ok(()) => tracing::info!(listener, "certificates read again"),
            Err(error) => {
                tracing::error!(listener, "certificates stay as they were: {error}");
            }
        }
    }

    fn expiries(&self) -> Vec<Expiry> {
        let Validities {
            certificate,
            authorities,
            revocations,
        } = self.tls.validities();
        let expiry = |kind, from, end: Option<SystemTime>, warning| {
            let listener = self.listener.clone();
            end.map(|end| Expiry {
                listener,
                kind,
                from,
                end,
                warning,
            })
        };
        let (from, end) = (certificate.not_before, Some(certificate.not_after));
        let long_ago = SystemTime::UNIX_EPOCH;
        let found = [
            expiry(Kind::Certificate, from, end, warning_time(certificate)),
            expiry(Kind::Authorities, long_ago, authorities, EXPIRY_WARNING),
            expiry(Kind::Revocations, long_ago, revocations, LIST_WARNING),
        ];
        found.into_iter().flatten().collect()
    }
}

impl Expiry {
    /// How long is left; nothing, if it is over.
    pub(in crate::server) fn left(&self, now: SystemTime) -> Duration {
        self.end.duration_since(now).unwrap_or_default()
    }

    fn urgency(&self, now: SystemTime) -> Urgency {
        match self.left(now) {
            Duration::ZERO => Urgency::Over,
            _ if now < self.from => Urgency::NotYet,
            left if left < self.warning => Urgency::Soon,
            _ => Urgency::None,
        }
    }

    fn warn(&self, now: SystemTime) {
        let (listener, what) = (&self.listener, self.kind.describe());
        match self.urgency(now) {
            Urgency::None => {}
            Urgency::Soon => {
                let days = self.left(now).as_secs() / 86_400;
                tracing::warn!(listener, days, "{what} expires soon");
            }
            Urgency::NotYet => tracing::error!(listener, "{what} is not valid yet"),
            Urgency::Over => tracing::error!(listener, "{what} has expired"),
        }
    }
}

/// How long before its end a certificate is warned about: 30 days, but a quarter of its life where
/// that is less, so that those that are short-lived by intent are let be.
fn warning_time(validity: Validity) -> Duration {
    let life = validity.not_after.duration_since(validity.not_before);
    EXPIRY_WARNING.min(life.unwrap_or_default() / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lives_are_warned_about_later() {
        const DAY: Duration = Duration::from_secs(86_400);
        let living = |days| {
            let not_before = SystemTime::UNIX_EPOCH;
            warning_time(Validity {
                not_before,
                not_after: not_before + DAY * days,
            })
        };
        assert_eq!(living(825), DAY * 30);
        assert_eq!(living(8), DAY * 2);
    }
}
