//! A server that is asked over HTTP who a Client is and what it may do.
//!
//! The question is a POST with
//! `{"client_id": …, "user_name": …, "password": …, "address": …}`; the password as text, if it is
//! UTF-8. The answer:
//!
//! | status | body | meaning |
//! |---|---|---|
//! | 2xx | none, or `{"result": "allow", …}` | let in; see `Answer` for what else may be said |
//! | 2xx | `{"result": "deny"}` | refused |
//! | 2xx | `{"result": "ignore"}` | not known there: the rest of the chain decides |
//! | 401, 403, 404 | | refused |
//! | anything else, or nothing in time | | refused with Server unavailable (0x88); counts as a failure |
//!
//! After five failures in a row the server is not asked for ten seconds, and everybody is refused
//! at once; then one question finds out whether it is back.
//!
//! | file | owns |
//! |---|---|
//! | `answer` | what an answer means |
//! | `breaker` | not to ask a server that does not answer |
//! | `cache` | answers that are still good |
//! | `fetch` | the request itself |

mod answer;
mod breaker;
mod cache;
mod fetch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(crate) use answer::judge;
pub use fetch::{Fetch, FetchError};

use crate::identity::Identity;
use crate::realm::{Cause, Check, Credentials, Outcome};
use crate::secret::Secret;
use breaker::Breaker;
use cache::Cache;

/// `[auth.http]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to ask.
    pub url: String,
    /// Headers to send along, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How long to wait for an answer, in seconds.
    #[serde(default = "five")]
    pub timeout: u64,
    /// How long a good answer holds, in seconds, unless it says so itself. 0: it is asked every time.
    #[serde(default)]
    pub cache: u64,
    /// Authorities from which the server's certificate may come, PEM. Without it: those of the
    /// system.
    #[serde(default)]
    pub cafile: Option<PathBuf>,
}

fn five() -> u64 {
    5
}

/// A question.
#[derive(Clone, Serialize)]
pub struct HttpRequest {
    client_id: String,
    /// The User Name of CONNECT.
    pub user_name: Option<String>,
    password: Option<String>,
    address: String,
}

/// The server, and what is known of it.
pub struct Http {
    config: HttpConfig,
    fetch: Fetch,
    cache: Mutex<Cache>,
    breaker: Mutex<Breaker>,
}

impl Http {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// When the authorities cannot be read.
    pub fn new(config: HttpConfig) -> Result<Self, FetchError> {
        let timeout = Duration::from_secs(config.timeout.max(1));
        Ok(Http {
            fetch: Fetch::new(timeout, config.cafile.as_deref())?,
            cache: Mutex::new(Cache::new()),
            breaker: Mutex::default(),
            config,
        })
    }

    /// Judges a Client by what is known already, or leaves it to [`ask`](Self::ask).
    pub(crate) fn outcome(
        self: &std::sync::Arc<Self>,
        credentials: &Credentials<'_>,
        otherwise: Result<Identity, Cause>,
    ) -> Outcome {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let request = HttpRequest {
            client_id: credentials.client_id.to_owned(),
            user_name: credentials.user_name.map(str::to_owned),
            password: credentials.password.and_then(text),
            address: credentials
                .address
                .map_or_else(String::new, |it| it.to_string()),
        };
        let now = Instant::now();
        let cached = self.cache.lock().ok();
        match cached.and_then(|mut cache| cache.get(&request, now)) {
            Some(identity) => Outcome::Accepted(identity),
            None => Outcome::Slow(Box::new(Check::Http {
                http: self.clone(),
                request,
                otherwise,
            })),
        }
    }

    /// Asks the server, and waits for its answer. `None`: it does not know.
    ///
    /// # Errors
    /// [`Cause::Http`]: it says no. [`Cause::Unavailable`]: it does not answer, or has not for some
    /// time.
    pub fn ask(&self, request: &HttpRequest) -> Result<Option<Identity>, Cause> {
        let broken = |_| Cause::Unavailable;
        if !self
            .breaker
            .lock()
            .map_err(|_| Cause::Unavailable)?
            .may_ask(Instant::now())
        {
            return Err(Cause::Unavailable);
        }
        let body = serde_json::to_vec(request).map_err(|_| Cause::Unavailable)?;
        let answer = self
            .fetch
            .post(&self.config.url, &self.config.headers, &body);
        let judged = answer.map_err(broken).and_then(|answer| {
            let user_name = request.user_name.as_deref();
            judge(answer.status, &answer.body, user_name)
        });
        if let Ok(mut breaker) = self.breaker.lock() {
            breaker.answered(
                judged.as_ref().err() != Some(&Cause::Unavailable),
                Instant::now(),
            );
        }
        let judged = judged?;
        if let Some((identity, holds)) = &judged {
            let holds = holds.unwrap_or(Duration::from_secs(self.config.cache));
            if let Ok(mut cache) = self.cache.lock() {
                cache.put(request, identity, holds, Instant::now());
            }
        }
        Ok(judged.map(|(identity, _)| identity))
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Http({})", self.config.url)
    }
}
