//! What an answer means.
//!
//! ```json
//! {"result": "allow", "user_name": "alice", "roles": ["reader"], "acl": {"publish": ["a/#"]},
//!  "expires_at": 1800000000, "cache": 60}
//! ```
//!
//! All but `result` may be left out: the User Name is the one of CONNECT then, there is no end, and
//! `cache` (seconds) is as configured. `is_superuser` gives every right.

use std::time::Duration;

use dunlin_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::acl::TokenRules;
use crate::identity::{Further, Identity, Method};
use crate::jwt::roles;
use crate::realm::Cause;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    result: Option<Verdict>,
    user_name: Option<String>,
    roles: Option<Value>,
    acl: Option<Value>,
    is_superuser: bool,
    expires_at: Option<u64>,
    cache: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Ignore,
}

/// An identity, and how long the answer holds, if it says so.
type Judged = (Identity, Option<Duration>);

/// What an answer says of the Client with this User Name. `None`: nothing.
pub(crate) fn judge(
    status: u16,
    body: &[u8],
    user_name: Option<&str>,
) -> Result<Option<Judged>, Cause> {
    match status {
        200..=299 => {}
        401 | 403 | 404 => return Err(Cause::Http),
        _ => return Err(Cause::Unavailable),
    }
    let answer: Answer = match body.trim_ascii() {
        b"" => Answer::default(),
        json => serde_json::from_slice(json).map_err(|_| Cause::Unavailable)?,
    };
    match answer.result.unwrap_or(Verdict::Allow) {
        Verdict::Allow => {}
        Verdict::Deny => return Err(Cause::Http),
        Verdict::Ignore => return Ok(None),
    }
    let all = json!({"all": ["#", "$SYS/#"]});
    let acl = if answer.is_superuser {
        Some(all)
    } else {
        answer.acl
    };
    let rules = acl.map(|acl| TokenRules::from_json(&acl)).transpose();
    let user_name = answer.user_name.as_deref().or(user_name);
    let further = Further {
        roles: roles(answer.roles.as_ref()),
        rules: rules.map_err(|_| Cause::Unavailable)?,
    };
    let end = answer.expires_at.map(|end| end.saturating_mul(1000));
    let identity = Identity {
        expires_at: end.map_or(Timestamp::NEVER, Timestamp::from_millis),
        further,
        ..Identity::new(user_name.map(Into::into), Method::Http)
    };
    Ok(Some((identity, answer.cache.map(Duration::from_secs))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(status: u16, body: &str) -> Result<Option<String>, Cause> {
        let judged = judge(status, body.as_bytes(), Some("alice"))?;
        Ok(judged.map(|(identity, _)| identity.user_name.unwrap().to_string()))
    }

    #[test]
    fn answers_mean_what_they_say() {
        let alice = || Ok(Some("alice".to_owned()));
        assert_eq!(name(200, ""), alice());
        assert_eq!(name(204, ""), alice());
        assert_eq!(name(200, r#"{"result": "allow"}"#), alice());
        assert_eq!(
            name(200, r#"{"user_name": "bob"}"#),
            Ok(Some("bob".to_owned()))
        );
        assert_eq!(name(200, r#"{"result": "ignore"}"#), Ok(None));
        assert_eq!(name(200, r#"{"result": "deny"}"#), Err(Cause::Http));
        assert_eq!(name(403, ""), Err(Cause::Http));
        for (status, body) in [(500, ""), (302, ""), (200, "ok"), (200, r#"{"acl": 7}"#)] {
            assert_eq!(
                name(status, body),
                Err(Cause::Unavailable),
                "{status} {body}"
            );
        }
    }
}
