//! Good answers, for as long as they hold. Passwords are in it only as a keyed hash.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::SystemRandom;

use super::HttpRequest;
use crate::identity::Identity;

/// Answers that are kept; at the bound, those that are over go, or else all.
const MAXIMUM: usize = 100_000;

pub(super) struct Cache {
    /// `None`: without random numbers nothing is kept.
    key: Option<hmac::Key>,
    answers: HashMap<[u8; 32], (Instant, Identity)>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Cache {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok(),
            answers: HashMap::new(),
        }
    }

    fn name(&self, request: &HttpRequest) -> Option<[u8; 32]> {
        let bytes = serde_json::to_vec(request).ok()?;
        let tag = hmac::sign(self.key.as_ref()?, &bytes);
        tag.as_ref().try_into().ok()
    }

    pub(super) fn get(&mut self, request: &HttpRequest, now: Instant) -> Option<Identity> {
        if self.answers.is_empty() {
            return None;
        }
        let name = self.name(request)?;
        let (until, identity) = self.answers.get(&name)?;
        if *until <= now {
            self.answers.remove(&name);
            return None;
        }
        Some(identity.clone())
    }

    pub(super) fn put(
        &mut self,
        request: &HttpRequest,
        identity: &Identity,
        holds: Duration,
        now: Instant,
    ) {
        let (false, Some(name)) = (holds.is_zero(), self.name(request)) else {
            return;
        };
        let Some(until) = now.checked_add(holds) else {
            return;
        };
        if self.answers.len() >= MAXIMUM {
            self.answers.retain(|_, (until, _)| *until > now);
        }
        if self.answers.len() >= MAXIMUM {
            self.answers.clear();
        }
        self.answers.insert(name, (until, identity.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Method;

    #[test]
    fn an_answer_is_for_the_same_question_and_for_a_time() {
        let request = |password: &str| HttpRequest {
            client_id: "c".to_owned(),
            user_name: None,
            password: Some(password.to_owned()),
            address: String::new(),
        };
        let (mut cache, now) = (Cache::new(), Instant::now());
        let identity = Identity::new(None, Method::Http);
        cache.put(&request("a"), &identity, Duration::from_secs(1), now);
        cache.put(&request("b"), &identity, Duration::ZERO, now);
        assert!(cache.get(&request("a"), now).is_some());
        assert!(cache.get(&request("b"), now).is_none());
        let later = now + Duration::from_secs(1);
        assert!(cache.get(&request("a"), later).is_none());
    }
}
