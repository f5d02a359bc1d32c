//! A key set at an address, which changes while tokens are judged by it.
//!
//! It is asked for again when a token comes and the set is old, or the token names a key that is not in
//! it. Somebody else than the shard waits for that: [`Check::Token`](crate::Check). If the server does
//! not answer, the old keys hold.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::http::Fetch;

use super::key::KeySet;

/// Seconds after which it is tried again at the earliest, whatever has come of it: a token with the
/// name of a key is made in no time.
const PAUSE: u64 = 30;

/// Keys that come from a server.
pub struct KeySource {
    url: String,
    fetch: Fetch,
    /// Seconds after which a set is old.
    life: u64,
    state: Mutex<State>,
    /// Held while the server is asked.
    asking: Mutex<()>,
}

struct State {
    keys: Arc<KeySet>,
    /// How often the server was asked.
    asked: u64,
    /// When the set is old, or the next attempt comes, in seconds since 1970.
    next: u64,
    /// When an unknown key is reason enough again.
    next_for_unknown: u64,
}

/// That the server is to be asked, unless somebody has done that meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    asked: u64,
}

/// What a token has shown about the keys that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kid {
    /// It names one of them, or none.
    Known,
    Unknown,
}

impl KeySource {
    /// With the set that the server has given at the time `now`, in seconds since 1970. A set is old
    /// after `life` seconds.
    pub fn new(url: String, fetch: Fetch, keys: KeySet, life: u64, now: u64) -> Self {
        let state = State {
            keys: Arc::new(keys),
            asked: 0,
            next: now.saturating_add(life),
            next_for_unknown: 0,
        };
        KeySource {
            url,
            fetch,
            life,
            state: Mutex::new(state),
            asking: Mutex::default(),
        }
    }

    pub(crate) fn keys(&self) -> Arc<KeySet> {
        self.state().keys.clone()
    }

    /// Whether to ask for the set again before a token is judged.
    pub(crate) fn refresh(&self, kid: Kid, now: u64) -> Option<Refresh> {
        let is_being_asked = self.asking.try_lock().is_err();
        let mut state = self.state();
        let is_unknown = kid == Kid::Unknown;
        let is_old = now >= state.next;
        if is_old || is_unknown && now >= state.next_for_unknown {
            state.next = now.saturating_add(self.life.min(PAUSE));
            if is_unknown {
                state.next_for_unknown = now.saturating_add(PAUSE);
            }
        } else if !(is_unknown && is_being_asked) {
            return None;
        }
        let asked = state.asked;
        Some(Refresh { asked })
    }

    /// Asks for the set, and waits for the answer.
    pub(crate) fn ask(&self, refresh: Refresh, now: u64) {
        let _asking = lock(&self.asking);
        if self.state().asked != refresh.asked {
            return;
        }
        let answer = self.fetch.get(&self.url);
        let keys = answer.ok().flatten().map(|text| KeySet::parse(&text));
        let mut state = self.state();
        state.asked += 1;
        if let Some(Ok(keys)) = keys {
            state.keys = Arc::new(keys);
            state.next = now.saturating_add(self.life);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySource({})", self.url)
    }
}

/// What is locked here is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|error| error.into_inner())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A source without keys, last asked at 1000; they are to be asked for again after 600 seconds.
    fn source() -> KeySource {
        let fetch = Fetch::new(Duration::from_secs(1), None).unwrap();
        KeySource::new(
            "http://[::1]:1/".into(),
            fetch,
            KeySet::default(),
            600,
            1000,
        )
    }

    #[test]
    fn an_unknown_key_is_asked_for_now_and_then_and_an_old_set_in_time() {
        let source = source();
        assert_eq!(source.refresh(Kid::Known, 1599), None);
        assert!(source.refresh(Kid::Unknown, 1001).is_some());
        assert_eq!(source.refresh(Kid::Unknown, 1030), None);
        assert!(source.refresh(Kid::Unknown, 1031).is_some());
        // Nobody has been asked, or the server has not answered: the next attempt comes soon.
        assert!(source.refresh(Kid::Known, 1061).is_some());
        assert_eq!(source.refresh(Kid::Known, 1090), None);
        assert!(source.refresh(Kid::Known, 1091).is_some());
    }

    #[test]
    fn whoever_comes_while_it_is_asked_asks_no_second_time() {
        let source = source();
        let first = source.refresh(Kid::Unknown, 1001).unwrap();
        let asking = source.asking.lock().unwrap();
        assert_eq!(source.refresh(Kid::Unknown, 1002), Some(first));
        drop(asking);
        source.ask(first, 1002);
        assert_eq!(source.state().asked, 1);
        source.ask(first, 1002);
        assert_eq!(source.state().asked, 1);
    }
}
