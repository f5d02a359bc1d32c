//! Users with the hashes of their passwords.

mod file;
mod hash;
mod verified;

pub use file::{EditError, PasswordFile, Skipped};
pub use hash::{HashError, HashKind, HashMemory, NoRandomness, PasswordHash};
pub(crate) use hash::{ScramKeys, same};
pub use verified::Verified;
