//! What a token says, and what follows from it.

use dunlin_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::JwtConfig;
use super::token::TokenError;
use crate::acl::TokenRules;
use crate::identity::{Further, Identity, Method};

/// What the claims are called that are not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// The User Name.
    pub user_name: String,
    /// Roles: a list of names.
    pub roles: String,
    /// Rules: an object with lists of Topic Filters, `publish`, `subscribe` and `deny`.
    pub acl: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        ClaimNames {
            user_name: "sub".to_owned(),
            roles: "roles".to_owned(),
            acl: "acl".to_owned(),
        }
    }
}

type Claims = Map<String, Value>;

/// Whether a token is for us and for now.
pub(super) fn check(config: &JwtConfig, claims: &Claims, now: u64) -> Result<(), TokenError> {
    match seconds(claims, "exp")? {
        Some(end) if end.saturating_add(config.leeway) <= now => return Err(TokenError::Expired),
        None if config.require_expiry => return Err(TokenError::NoExpiry),
        _ => {}
    }
    if seconds(claims, "nbf")?.is_some_and(|begin| begin > now.saturating_add(config.leeway)) {
        return Err(TokenError::Early);
    }
    let text = |name| claims.get(name).and_then(Value::as_str);
    if config.issuer.is_some() && config.issuer.as_deref() != text("iss") {
        return Err(TokenError::Issuer);
    }
    match &config.audience {
        Some(audience) if !has_audience(claims, audience) => Err(TokenError::Audience),
        _ => Ok(()),
    }
}

/// A time in seconds since 1970, which may have a fraction.
fn seconds(claims: &Claims, name: &str) -> Result<Option<u64>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let number = value.as_f64().filter(|number| *number >= 0.0);
    number
        .map(|number| Some(number as u64))
        .ok_or(TokenError::Form)
}

fn has_audience(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Who has a token with these claims.
pub(super) fn identity(config: &JwtConfig, claims: &Claims) -> Result<Identity, TokenError> {
    let names = &config.claims;
    let user_name = claims.get(&names.user_name).and_then(Value::as_str);
    let user_name = user_name.filter(|name| !name.is_empty() && !name.contains('\0'));
    let user_name = user_name.ok_or(TokenError::NoUser)?;
    let rules = claims.get(&names.acl).map(TokenRules::from_json);
    let expires_at = match seconds(claims, "exp")? {
        Some(end) => Timestamp::from_millis(end.saturating_add(config.leeway).saturating_mul(1000)),
        None => Timestamp::NEVER,
    };
    Ok(Identity {
        expires_at,
        further: Further {
            roles: roles(claims.get(&names.roles)),
            rules: rules.transpose().map_err(|_| TokenError::Rules)?,
        },
        ..Identity::new(Some(user_name.into()), Method::Token)
    })
}

/// Names of roles, in a list or one alone.
pub(crate) fn roles(value: Option<&Value>) -> Vec<Box<str>> {
    match value {
        Some(Value::String(one)) => vec![one.as_str().into()],
        Some(Value::Array(many)) => {
            let names = many.iter().filter_map(Value::as_str);
            names.map(Into::into).collect()
        }
        _ => Vec::new(),
    }
}
