//! Users, groups and roles, as they are written in `dunlin.toml`.
//!
//! ```toml
//! [auth.roles.sensor]
//! publish = ["plant/%u/#"]                # %u: the User Name, %c: the Client Identifier
//! receive = ["command/%u/+"]
//! subscribe = ["command/#"]               # if no role of a Client says this, any filter will do
//! deny = ["plant/+/secret"]               # neither publish nor receive, whatever else is allowed
//!
//! [auth.users.press-7]
//! password = "$argon2id$…"                # as `dunlin passwd` writes it
//! roles = ["sensor"]
//!
//! [auth.groups.presses]
//! users = ["press-7", "press-8"]
//! roles = ["sensor"]
//!
//! [auth]
//! everybody = ["reader"]                  # roles of all Clients, those without User Name, too
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use dunlin_packet::{InvalidTopicFilter, TopicFilter};
use serde::Deserialize;
use thiserror::Error;

use super::permissions::{Permissions, Stage};
use super::rule::{Place, Rights, Rule};
use super::tree::{RuleTree, Substitute};
use crate::config::AuthConfig;
use crate::identity::Further;
use crate::secret::Secret;

/// What a role allows, as Topic Filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleConfig {
    /// Where its users may publish.
    pub publish: Vec<String>,
    /// What they may receive.
    pub receive: Vec<String>,
    /// What they may subscribe to: these filters, and all that match no more.
    pub subscribe: Vec<String>,
    /// What they may neither publish nor receive, nor subscribe to by itself.
    pub deny: Vec<String>,
    /// What they may not publish.
    pub deny_publish: Vec<String>,
    /// What they may not receive.
    pub deny_receive: Vec<String>,
}

/// Users who have roles together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupConfig {
    /// Their names.
    pub users: Vec<String>,
    /// Their roles.
    pub roles: Vec<String>,
}

/// One user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// The hash of the password, as in a password file. Without one, the user comes in by other
    /// means: a certificate, a token.
    pub password: Option<Secret>,
    /// Roles by name.
    pub roles: Vec<String>,
}

/// What is wrong with users, groups and roles.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RolesError {
    /// A role that is not there.
    #[error("{owner} has the role {role}, which does not exist")]
    UnknownRole {
        /// Who has it.
        owner: String,
        /// The role.
        role: String,
    },
    /// A filter that is not one.
    #[error("the filter {filter} of the role {role} {error}")]
    Filter {
        /// The role.
        role: String,
        /// The filter.
        filter: String,
        /// What is wrong with it.
        error: InvalidTopicFilter,
    },
    /// Rules in a token that are not understood.
    #[error("the rules of the token are not understood: {0}")]
    Token(String),
}

/// Roles, compiled, and who has them.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    trees: BTreeMap<Box<str>, Arc<RuleTree>>,
    everybody: Vec<Box<str>>,
    users: BTreeMap<Box<str>, Vec<Box<str>>>,
}

impl Roles {
    /// Compiles what was written.
    ///
    /// # Errors
    /// The first filter that is none, or role that does not exist.
    pub fn new(config: &AuthConfig) -> Result<Self, RolesError> {
        let mut roles = Roles::default();
        for (name, role) in &config.roles {
            let tree = compile(name, role)?;
            roles.trees.insert(name.as_str().into(), Arc::new(tree));
        }
        roles.everybody = roles.known("everybody", &config.everybody)?;
        for (name, user) in &config.users {
            let owner = format!("the user {name}");
            let theirs = roles.known(&owner, &user.roles)?;
            roles
                .users
                .entry(name.as_str().into())
                .or_default()
                .extend(theirs);
        }
        for (name, group) in &config.groups {
            let owner = format!("the group {name}");
            let theirs = roles.known(&owner, &group.roles)?;
            for user in &group.users {
                let user = roles.users.entry(user.as_str().into()).or_default();
                user.extend(theirs.iter().cloned());
            }
        }
        Ok(roles)
    }

    fn known(&self, owner: &str, names: &[String]) -> Result<Vec<Box<str>>, RolesError> {
        let unknown = |name: &&String| !self.trees.contains_key(name.as_str());
        match names.iter().find(unknown) {
            Some(role) => Err(RolesError::UnknownRole {
                owner: owner.to_owned(),
                role: role.clone(),
            }),
            None => Ok(names.iter().map(|name| name.as_str().into()).collect()),
        }
    }

    /// Whether there are no roles: then they forbid nothing.
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// The rules that a Client is under. `further` comes with a token, or an answer over HTTP; roles
    /// that are not known give nothing.
    pub fn permissions(
        &self,
        user_name: Option<Arc<str>>,
        client_id: &str,
        further: &Further,
    ) -> Permissions {
        let own = user_name.as_deref().and_then(|user| self.users.get(user));
        let names = self.everybody.iter().chain(own.into_iter().flatten());
        let trees = names.chain(&further.roles);
        let trees = trees.filter_map(|name| self.trees.get(name).cloned());
        let further_rules = further.rules.iter().map(|rules| rules.0.clone());
        let trees: Vec<_> = trees.chain(further_rules).collect();
        let says = |rule: &Rule| rule.allows.contains(Rights::SUBSCRIBE);
        let any_subscription = !trees.iter().any(|tree| tree.rules().iter().any(says));
        Permissions {
            stages: vec![Stage {
                trees,
                plain_names_only: true,
            }],
            user_name,
            client_id: client_id.into(),
            any_subscription,
            further: further.clone(),
        }
    }
}

/// Rules that come with a token, or an answer over HTTP.
#[derive(Clone, Debug)]
pub struct TokenRules(Arc<RuleTree>);

/// Rules as a token has them. Other brokers' names for the lists are understood as well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct TokenRulesJson {
    #[serde(alias = "pub")]
    publish: Vec<String>,
    receive: Vec<String>,
    #[serde(alias = "sub")]
    subscribe: Vec<String>,
    all: Vec<String>,
    deny: Vec<String>,
}

impl TokenRules {
    /// The most rules of one token.
    const MAXIMUM: usize = 1000;

    /// From an object with the lists `publish` (or `pub`), `subscribe` (or `sub`: to subscribe and
    /// to receive), `receive`, `all` and `deny`.
    ///
    /// # Errors
    /// When it is something else, has a filter that is none, or more than 1,000.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, RolesError> {
        let json = TokenRulesJson::deserialize(value);
        let mut lists = json.map_err(|error| RolesError::Token(error.to_string()))?;
        let all = [
            &lists.publish,
            &lists.receive,
            &lists.subscribe,
            &lists.all,
            &lists.deny,
        ];
        if all.iter().map(|list| list.len()).sum::<usize>() > Self::MAXIMUM {
            return Err(RolesError::Token("there are too many".to_owned()));
        }
        lists.publish.extend_from_slice(&lists.all);
        lists.subscribe.append(&mut lists.all);
        lists.receive.extend_from_slice(&lists.subscribe);
        let role = RoleConfig {
            publish: lists.publish,
            receive: lists.receive,
            subscribe: lists.subscribe,
            deny: lists.deny,
            ..RoleConfig::default()
        };
        Ok(TokenRules(Arc::new(compile("of the token", &role)?)))
    }
}

/// Makes a role's lists into a tree.
fn compile(name: &str, role: &RoleConfig) -> Result<RuleTree, RolesError> {
    let mut tree = RuleTree::default();
    let place = Place::Role(name.into());
    let both = Rights::PUBLISH.union(Rights::RECEIVE);
    let lists = [
        (&role.publish, Rights::PUBLISH, Rights::NONE),
        (&role.receive, Rights::RECEIVE, Rights::NONE),
        (&role.subscribe, Rights::SUBSCRIBE, Rights::NONE),
        (&role.deny, Rights::NONE, both.union(Rights::SUBSCRIBE)),
        (&role.deny_publish, Rights::NONE, Rights::PUBLISH),
        (&role.deny_receive, Rights::NONE, Rights::RECEIVE),
    ];
    for (filters, allows, denies) in lists {
        for filter in filters {
            TopicFilter::parse(filter).map_err(|error| RolesError::Filter {
                role: name.to_owned(),
                filter: filter.clone(),
                error,
            })?;
            let rule = Rule {
                filter: filter.as_str().into(),
                allows,
                denies,
                place: place.clone(),
            };
            tree.insert(rule, Substitute::Names);
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use dunlin_core::{Access, Action};

    use super::*;

    const TEXT: &str = r##"
everybody = ["reader"]
[roles.reader]
receive = ["news/#"]
[roles.sensor]
publish = ["plant/%u/#"]
deny_publish = ["plant/+/secret"]
[roles.operator]
publish = ["#"]
receive = ["#"]
subscribe = ["plant/#"]
deny = ["news/internal"]
[users.press-7]
password = "$6$AAAA$AAAA"
roles = ["sensor"]
[groups.operators]
users = ["olga"]
roles = ["operator"]
"##;

    fn roles() -> Roles {
        Roles::new(&toml::from_str(TEXT).unwrap()).unwrap()
    }

    fn may(user: Option<&str>, action: Action, topic: &str) -> bool {
        let permissions = roles().permissions(user.map(Arc::from), "c", &Further::default());
        permissions.allows(action, topic)
    }

    #[test]
    fn roles_come_from_everybody_user_and_group() {
        use Action::{Publish, Receive, Subscribe};
        assert!(may(None, Receive, "news/a"));
        assert!(!may(None, Publish, "news/a"));
        assert!(may(Some("press-7"), Publish, "plant/press-7/state"));
        assert!(!may(Some("press-7"), Publish, "plant/press-7/secret"));
        assert!(!may(Some("press-7"), Publish, "plant/press-8/state"));
        assert!(may(Some("press-7"), Subscribe, "#"), "judged at delivery");
        assert!(may(Some("olga"), Publish, "plant/press-7/secret"));
        assert!(
            !may(Some("olga"), Receive, "news/internal"),
            "a denial wins"
        );
        assert!(may(Some("olga"), Subscribe, "plant/+/state"));
        assert!(!may(Some("olga"), Subscribe, "#"));
        assert!(!may(Some("olga"), Receive, "$SYS/broker/uptime"));
    }

    #[test]
    fn further_roles_count_where_they_are_known() {
        let further = Further {
            roles: vec!["sensor".into(), "unknown".into()],
            rules: None,
        };
        let permissions = roles().permissions(Some("x".into()), "c", &further);
        assert!(permissions.allows(Action::Publish, "plant/x/a"));
    }

    #[test]
    fn a_tokens_rules_are_rules() {
        let json = serde_json::json!({"pub": ["a/%c"], "sub": ["b/#"], "deny": ["b/x"]});
        let further = Further {
            roles: Vec::new(),
            rules: Some(TokenRules::from_json(&json).unwrap()),
        };
        let permissions = roles().permissions(Some("x".into()), "c", &further);
        use Action::{Publish, Receive, Subscribe};
        assert!(permissions.allows(Publish, "a/c") && !permissions.allows(Publish, "b/c"));
        assert!(permissions.allows(Subscribe, "b/+") && !permissions.allows(Subscribe, "#"));
        assert!(permissions.allows(Receive, "b/y") && !permissions.allows(Receive, "b/x"));
        for bad in [r#"{"pub": ["a#"]}"#, r#"{"pub": "a"}"#, r#"{"x": []}"#, "7"] {
            let bad = serde_json::from_str(bad).unwrap();
            assert!(TokenRules::from_json(&bad).is_err());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| Roles::new(&toml::from_str(text).unwrap()).unwrap_err();
        let text = "[users.a]\nroles = ['x']";
        assert_eq!(
            error(text).to_string(),
            "the user a has the role x, which does not exist"
        );
        let text = "[roles.r]\npublish = ['a#']";
        assert!(
            error(text)
                .to_string()
                .starts_with("the filter a# of the role r has a #")
        );
        let unknown: Result<AuthConfig, _> = toml::from_str("[roles.r]\npublsh = []");
        assert!(unknown.is_err());
    }
}
