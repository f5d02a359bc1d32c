//! The rules that one Client is under.

use std::sync::Arc;

use dunlin_core::{Access, Action};

use super::rule::{Rights, Rule};
use super::tree::{Names, RuleTree};
use crate::identity::Further;

/// One Client's rules, in stages. The first stage that says yes or no to an action decides; what
/// none decides is not allowed. Within a stage a denial wins.
#[derive(Clone, Debug)]
pub struct Permissions {
    pub(super) stages: Vec<Stage>,
    pub(super) user_name: Option<Arc<str>>,
    pub(super) client_id: Box<str>,
    /// Whether any filter may be subscribed to, as deliveries are judged one by one.
    pub(super) any_subscription: bool,
    /// What came with its token.
    pub(crate) further: Further,
}

/// Trees of rules that are asked together.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) trees: Vec<Arc<RuleTree>>,
    /// Whether a name with a wildcard in it, which could reach into other Clients' topics, is
    /// refused everything from here on.
    pub(super) plain_names_only: bool,
}

/// How an action is judged, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This rule allows it.
    Allowed(Rule),
    /// This rule denies it.
    Denied(Rule),
    /// No rule says anything about it, so it is not allowed.
    NoRule,
    /// Any filter may be subscribed to; what is delivered is judged message by message.
    AnySubscription,
    /// The User Name or Client Identifier has `+` or `#` in it, and there are patterns.
    WildcardInName,
}

impl Verdict {
    /// Whether the action is allowed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Verdict::Allowed(_) | Verdict::AnySubscription)
    }
}

impl Permissions {
    /// The permissions that core was given as its `Access`.
    pub fn of(access: &dyn Access) -> Option<&Permissions> {
        (access as &dyn std::any::Any).downcast_ref()
    }

    /// Names of roles that came with a token or an answer over HTTP.
    pub fn further_roles(&self) -> &[Box<str>] {
        &self.further.roles
    }

    fn names(&self) -> Names<'_> {
        Names {
            user: self.user_name.as_deref(),
            client: &self.client_id,
        }
    }

    fn has_wildcard_in_name(&self) -> bool {
        let wildcard = |name: &str| name.contains(['+', '#']);
        self.user_name.as_deref().is_some_and(wildcard) || wildcard(&self.client_id)
    }

    /// As [`allows`](Access::allows), with the reason.
    pub fn explain(&self, action: Action, topic: &str) -> Verdict {
        if action == Action::Subscribe && self.any_subscription {
            return Verdict::AnySubscription;
        }
        let right = Rights::to(action);
        for stage in &self.stages {
            if stage.plain_names_only && self.has_wildcard_in_name() {
                return Verdict::WildcardInName;
            }
            let rules = || {
                let trees = stage.trees.iter();
                trees.flat_map(|tree| tree.find_rules(topic, self.names()))
            };
            if let Some(rule) = rules().find(|rule| rule.denies.contains(right)) {
                return Verdict::Denied(rule.clone());
            }
            if let Some(rule) = rules().find(|rule| rule.allows.contains(right)) {
                return Verdict::Allowed(rule.clone());
            }
        }
        Verdict::NoRule
    }

    /// These rules, and those of `other` for what these do not decide.
    #[must_use]
    pub fn or_else(mut self, other: Permissions) -> Permissions {
        self.stages.extend(other.stages);
        self.any_subscription |= other.any_subscription;
        self.further = other.further;
        self
    }
}

impl Access for Permissions {
    fn allows(&self, action: Action, topic: &str) -> bool {
        if action == Action::Subscribe && self.any_subscription {
            return true;
        }
        let right = Rights::to(action);
        for stage in &self.stages {
            if stage.plain_names_only && self.has_wildcard_in_name() {
                return false;
            }
            let mut allowed = false;
            for tree in &stage.trees {
                let found = tree.find(topic, self.names());
                if found.denies.contains(right) {
                    return false;
                }
                allowed |= found.allows.contains(right);
            }
            if allowed {
                return true;
            }
        }
        false
    }
}
