//! Authentication and authorisation: who a Client is, and what it may do.
//!
//! Nothing here reads a clock, a file or a socket while it decides; what does is in modules of its
//! own, and runs on threads of its own.
//!
//! | module | what it owns |
//! |---|---|
//! | [`password`] | users and the hashes of their passwords |
//! | [`acl`] | rules: Mosquitto's `acl_file`, roles in TOML; compiled, they are core's `Access` |
//! | [`Secret`] | what must not be printed |

pub mod acl;
pub mod password;
mod secret;

pub use secret::Secret;
