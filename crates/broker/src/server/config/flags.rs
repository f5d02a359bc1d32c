//! The keys of the configuration as flags of the command line.

use super::keys;
use super::value::Kind;

/// A flag that sets a key.
pub(crate) struct KeyFlag {
    /// The path of the key.
    pub(crate) path: &'static str,
    /// Without hyphens.
    pub(crate) name: String,
    pub(crate) help: &'static str,
    /// True or false, and true if nothing is said.
    pub(crate) is_switch: bool,
}

/// The flags of all keys that do not stand in a list of tables.
pub(crate) fn all() -> impl Iterator<Item = KeyFlag> {
    let process = keys::PROCESS
        .iter()
        .map(|key| (key.path, keys::flag(key.path), key.doc, key.kind));
    let listener = keys::inherited().map(|key| (key.path, keys::flag(key.path), key.doc, key.kind));
    process
        .chain(listener)
        .map(|(path, name, help, kind)| KeyFlag {
            path,
            name,
            help,
            is_switch: kind == Kind::Flag,
        })
}
