//! Tokens (JWT): signed claims about who a Client is, what it may do, and until when.
//!
//! A Client shows its token as the Password of CONNECT. The signature decides, and the kind of key
//! decides which signatures it may have: a token cannot choose.
//!
//! | file | owns |
//! |---|---|
//! | `key` | public keys and secrets, from PEM, from a key set; checking a signature |
//! | `source` | key sets at an address, and when to ask for them again |
//! | `token` | the three parts of a token; which key, which time |
//! | `claims` | from claims to an [`Identity`] |

mod claims;
mod key;
mod source;
mod token;

use std::path::PathBuf;

use serde::Deserialize;

pub use claims::ClaimNames;
pub(crate) use claims::roles;
pub use key::{Key, KeyError, KeySet};
use source::Kid;
pub use source::{KeySource, Refresh};
pub use token::{TokenError, looks_like_token};

use crate::identity::Identity;
use crate::secret::Secret;

/// `[auth.jwt]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JwtConfig {
    /// The secret of HS256, HS384 and HS512.
    pub secret: Option<Secret>,
    /// A public key in PEM: of RSA for RS and PS, of P-256 and P-384 for ES, of Ed25519 for EdDSA.
    pub public_key_file: Option<PathBuf>,
    /// A key set (JWKS): a path, or a URL that begins with `http`. Read when the broker starts and
    /// when it is reloaded; from a URL also when it is old, or a token names a key that is not in it.
    pub key_set: Option<String>,
    /// After how many seconds a set from a URL is old.
    pub key_set_refresh: u64,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be, or have in it.
    pub audience: Option<String>,
    /// How far clocks may differ, in seconds.
    pub leeway: u64,
    /// Whether a token that never expires is refused.
    pub require_expiry: bool,
    /// What the claims are called.
    pub claims: ClaimNames,
}

impl Default for JwtConfig {
    fn default() -> Self {
        JwtConfig {
            secret: None,
            public_key_file: None,
            key_set: None,
            key_set_refresh: 3600,
            issuer: None,
            audience: None,
            leeway: 30,
            require_expiry: true,
            claims: ClaimNames::default(),
        }
    }
}

/// Judges tokens.
#[derive(Debug)]
pub struct Jwt {
    config: JwtConfig,
    keys: KeySet,
    source: Option<KeySource>,
}

impl Jwt {
    /// With these keys, which have been read already.
    pub fn new(config: JwtConfig, keys: KeySet) -> Self {
        let source = None;
        Jwt {
            config,
            keys,
            source,
        }
    }

    /// With those of a server, too.
    pub fn with_source(self, source: KeySource) -> Self {
        let source = Some(source);
        Jwt { source, ..self }
    }

    /// Who shows this token, at a time in seconds since 1970.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn identify(&self, token: &str, now: u64) -> Result<Identity, TokenError> {
        let fetched = self
            .source
            .as_ref()
            .map(KeySource::keys)
            .unwrap_or_default();
        let claims = token::verify(token, &[&self.keys, &fetched])?;
        claims::check(&self.config, &claims, now)?;
        claims::identity(&self.config, &claims)
    }

    /// Whether the server is to be asked for its keys before it is said what has come of a token.
    pub(crate) fn refresh(
        &self,
        outcome: &Result<Identity, TokenError>,
        now: u64,
    ) -> Option<Refresh> {
        let kid = match outcome {
            Err(TokenError::UnknownKey) => Kid::Unknown,
            _ => Kid::Known,
        };
        self.source.as_ref()?.refresh(kid, now)
    }

    /// As [`identify`](Self::identify), once the server has been asked. That may take its time.
    pub(crate) fn identify_anew(
        &self,
        token: &str,
        refresh: Refresh,
        now: u64,
    ) -> Result<Identity, TokenError> {
        if let Some(source) = &self.source {
            source.ask(refresh, now);
        }
        self.identify(token, now)
    }
}

#[cfg(test)]
mod tests;
