//! Users with the hashes of their passwords.

mod file;
mod hash;

pub use file::{EditError, PasswordFile, Skipped};
pub use hash::{HashError, HashKind, PasswordHash};
