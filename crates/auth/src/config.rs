//! The `[auth]` section of `dunlin.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::acl::{GroupConfig, RoleConfig, UserConfig};
use crate::http::HttpConfig;
use crate::jwt::JwtConfig;

/// Everything about authentication and authorisation that is not said of a single listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Roles by name.
    pub roles: BTreeMap<String, RoleConfig>,
    /// Groups by name.
    pub groups: BTreeMap<String, GroupConfig>,
    /// Users by name.
    pub users: BTreeMap<String, UserConfig>,
    /// Roles that every Client has.
    pub everybody: Vec<String>,
    /// Tokens.
    pub jwt: Option<JwtConfig>,
    /// A server that is asked.
    pub http: Option<HttpConfig>,
}

impl AuthConfig {
    /// Whether it can tell who a Client is.
    pub fn knows_users(&self) -> bool {
        let passwords = self.users.values().any(|user| user.password.is_some());
        passwords || self.jwt.is_some() || self.http.is_some()
    }
}
