//! Passwords that were right once: asked again, they need not be hashed again.
//!
//! The hash of a password is slow by design, and ten thousand Clients may come back at the same
//! moment. So a keyed hash, by a key that lives and dies with the process, stands for a password
//! that was right for the hash in the file.

use std::collections::HashMap;
use std::sync::RwLock;

use ring::hmac;
use ring::rand::SystemRandom;

use super::hash::{NoRandomness, PasswordHash};

/// How many are remembered; then all are forgotten.
const MAXIMUM: usize = 1_000_000;

/// What is remembered, by user.
pub struct Verified {
    key: hmac::Key,
    known: RwLock<HashMap<Box<str>, [u8; 32]>>,
}

impl Verified {
    /// Nothing is known yet.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn new() -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Verified {
            key: key.map_err(|_| NoRandomness)?,
            known: RwLock::default(),
        })
    }

    /// Whether this password was right before for this hash.
    pub fn knows(&self, user: &str, hash: &PasswordHash, password: &[u8]) -> bool {
        let Ok(known) = self.known.read() else {
            return false;
        };
        let tag = |tag: &[u8; 32]| {
            let message = message(user, hash, password);
            hmac::verify(&self.key, &message, tag).is_ok()
        };
        known.get(user).is_some_and(tag)
    }

    /// Remembers that a password was right.
    pub fn remember(&self, user: &str, hash: &PasswordHash, password: &[u8]) {
        let tag = hmac::sign(&self.key, &message(user, hash, password));
        let (Ok(mut known), Ok(tag)) = (self.known.write(), tag.as_ref().try_into()) else {
            return;
        };
        if known.len() >= MAXIMUM {
            known.clear();
        }
        known.insert(user.into(), tag);
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified")
    }
}

/// All that must be the same. Neither a user's name nor a hash has a zero byte in it.
fn message(user: &str, hash: &PasswordHash, password: &[u8]) -> Vec<u8> {
    let hash = hash.to_string();
    [user.as_bytes(), hash.as_bytes(), password].join(&0)
}

#[cfg(test)]
mod tests {
    use super::super::HashKind;
    use super::*;

    #[test]
    fn only_the_same_password_for_the_same_hash_is_known() {
        let verified = Verified::new().unwrap();
        let hash = PasswordHash::of(b"a", HashKind::Sha512).unwrap();
        assert!(!verified.knows("alice", &hash, b"a"));
        verified.remember("alice", &hash, b"a");
        assert!(verified.knows("alice", &hash, b"a"));
        assert!(!verified.knows("alice", &hash, b"b"));
        assert!(!verified.knows("bob", &hash, b"a"));
        let changed = PasswordHash::of(b"a", HashKind::Sha512).unwrap();
        assert!(!verified.knows("alice", &changed, b"a"));
    }
}
