//! Who may do what: rules, compiled into trees, and the answer for one Client.
//!
//! ```text
//!   Mosquitto's acl_file ─┐                       ┌─ AclFile::permissions(who) ─┐
//!                         ├─▶ Rule ─▶ RuleTree ──▶│                             ├─▶ Permissions
//!   roles in dunlin.toml ─┘                       └─ Roles::permissions(who) ───┘   (core's Access)
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `rule` | [`Rule`], [`Rights`], where a rule was written |
//! | `tree` | many rules, asked with one walk down the levels of a topic |
//! | `permissions` | the stages of rules that one Client is under, and their [`Verdict`] |
//! | `mosquitto` | Mosquitto's `acl_file` |
//! | `roles` | users, groups and roles as TOML |

mod mosquitto;
mod permissions;
mod roles;
mod rule;
mod tree;

pub use mosquitto::{AclError, AclFile};
pub use permissions::{Permissions, Verdict};
pub use roles::{GroupConfig, RoleConfig, Roles, RolesError, TokenRules, UserConfig};
pub use rule::{Rights, Rule};
