//! Every reader of this crate, for tests that give them any bytes.

use std::sync::Arc;

use dunlin_core::{Access, Action};

use crate::acl::AclFile;
use crate::certificate::{self, NameFrom};
use crate::http;
use crate::jwt::{Jwt, JwtConfig, Key, KeySet};
use crate::password::PasswordFile;
use crate::scram::Exchange;
use crate::secret::Secret;

/// Has all readers read these bytes.
///
/// # Panics
/// When a promise is broken: that whatever is allowed has a rule that says so, and the other way.
pub fn check(bytes: &[u8]) {
    for from in [
        NameFrom::CommonName,
        NameFrom::Subject,
        NameFrom::SubjectAlternativeName,
    ] {
        let _ = certificate::user_name(bytes, from);
    }
    let _ = http::judge(200, bytes, Some("user"));
    let _ = KeySet::parse(bytes);
    let users = PasswordFile::default();
    if let Ok((exchange, _)) = Exchange::begin(bytes, &users) {
        let _ = exchange.finish(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = PasswordFile::parse(text);
    let _ = Key::from_pem(text);
    let keys = KeySet::one(Key::Secret(Secret::new("key")));
    let _ = Jwt::new(JwtConfig::default(), keys).identify(text, 1);
    check_rules(text);
}

/// The quick answer about a topic and the one with a reason are the same.
fn check_rules(text: &str) {
    let Ok(file) = AclFile::parse("acl", text) else {
        return;
    };
    let topics = text
        .split_ascii_whitespace()
        .chain(["a/b", "$SYS/x", "u/c/d"]);
    for user in [None, Some("u"), Some("a/b"), Some("+")] {
        let permissions = file.permissions(user.map(Arc::from), "c");
        for topic in topics.clone().take(16) {
            for action in [Action::Publish, Action::Receive, Action::Subscribe] {
                let verdict = permissions.explain(action, topic);
                assert_eq!(permissions.allows(action, topic), verdict.is_allowed());
            }
        }
    }
}
