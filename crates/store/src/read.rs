//! Reading entries back by their keys.

use std::sync::Arc;

use crate::key::Key;

/// Where entries with some keys may lie. It holds the files open: they may be removed from the
/// directory meanwhile.
pub struct Reading<File> {
    files: Vec<Arc<File>>,
}

/// Entries that were read back.
#[derive(Clone, Debug, Default)]
pub struct Found {
    bytes: Vec<u8>,
    entries: Vec<(Key, Option<std::ops::Range<usize>>)>,
}

impl Found {
    /// Every key that was asked for, in that order, with the content of its entry; `None` if there
    /// is none with this key, or it is damaged.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|(key, range)| (*key, range.clone().map(|range| &self.bytes[range])))
    }
}
