//! A token: three parts of base64 with dots between, of which the last signs the others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::key::KeySet;

/// Bytes of the longest token that is looked at.
const MAXIMUM_BYTES: usize = 32 * 1024;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not three parts of base64 with JSON in two of them.
    #[error("is not a token")]
    Form,
    /// No key has signed it, by an algorithm that the key is for.
    #[error("has no signature by a key that is known")]
    Signature,
    /// It names a key, and none of that name is known.
    #[error("names a key that is not known")]
    UnknownKey,
    /// It was for a time that is over.
    #[error("has expired")]
    Expired,
    /// It has no end, and must have one.
    #[error("has no expiry")]
    NoExpiry,
    /// It is for a time that has not begun.
    #[error("is not valid yet")]
    Early,
    /// Another issuer.
    #[error("is from another issuer")]
    Issuer,
    /// Another audience.
    #[error("is for another audience")]
    Audience,
    /// It does not say whose it is.
    #[error("names no user")]
    NoUser,
    /// A claim about rights that makes no sense.
    #[error("has rules that are not understood")]
    Rules,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

/// Whether a password is meant as a token: it begins as JSON does in base64, and has two dots.
pub fn looks_like_token(password: &[u8]) -> bool {
    password.starts_with(b"eyJ") && password.iter().filter(|byte| **byte == b'.').count() == 2
}

/// The claims of a token that a key of the sets has signed.
pub(super) fn verify(token: &str, keys: &[&KeySet]) -> Result<Map<String, Value>, TokenError> {
    if token.len() > MAXIMUM_BYTES {
        return Err(TokenError::Form);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
    let header: Header = serde_json::from_slice(&bytes(header)?).map_err(|_| TokenError::Form)?;
    if header.crit.is_some() {
        return Err(TokenError::Form);
    }
    let (claims, signature) = (bytes(claims)?, bytes(signature)?);
    let kid = header.kid.as_deref();
    let mut candidates = keys.iter().flat_map(|set| set.candidates(kid));
    if !candidates.any(|key| key.verifies(&header.alg, signed.as_bytes(), &signature)) {
        let is_unknown = kid.is_some_and(|kid| !keys.iter().any(|set| set.names(kid)));
        return Err(match is_unknown {
            true => TokenError::UnknownKey,
            false => TokenError::Signature,
        });
    }
    serde_json::from_slice(&claims).map_err(|_| TokenError::Form)
}
