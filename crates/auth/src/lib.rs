//! Authentication and authorisation: who a Client is, and what it may do.
//!
//! Nothing here reads a clock, a file or a socket while it decides; what does is in modules of its
//! own, and runs on threads of its own.
//!
//! | module | what it owns |
//! |---|---|
//! | [`password`] | users and the hashes of their passwords |
//! | [`jwt`] | tokens |
//! | [`scram`] | passwords that are proven and not shown, by AUTH packets |
//! | [`http`] | asking a server |
//! | [`Realm`] | what holds for one listener: the chain of all these |
//! | [`certificate`] | the User Name in a certificate |
//! | [`acl`] | rules: Mosquitto's `acl_file`, roles in TOML; compiled, they are core's `Access` |
//! | `identity` | who a Client has turned out to be |
//! | [`AuthConfig`] | the section `[auth]` of the configuration |
//! | [`Secret`] | what must not be printed |

pub mod acl;
pub mod certificate;
mod config;
mod der;
#[doc(hidden)]
pub mod fuzz;
pub mod http;
mod identity;
pub mod jwt;
pub mod password;
mod realm;
pub mod scram;
mod secret;

pub use config::AuthConfig;
pub use identity::{Anonymous, Further, Identity, Method, Source, is_local};
pub use realm::{Cause, Check, Credentials, Outcome, PasswordCheck, Realm};
pub use secret::Secret;
