//! Where the lines come from: the main file, and those of `include_dir`.

use std::io;
use std::path::{Path, PathBuf};

/// Bytes of one file that are read at most.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What a file can be had from.
pub(crate) trait Files {
    /// The text of a file.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The names of all files in a directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        if std::fs::metadata(path)?.len() > LARGEST {
            return Err(io::Error::other("too large for a configuration"));
        }
        std::fs::read_to_string(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(directory)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

/// The files of an `include_dir` in the order in which they are read: `A.conf` before `a.conf`, and
/// that before `B.conf`.
pub(super) fn included(files: &dyn Files, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = files.list(directory)?;
    paths.retain(|path| path.extension().is_some_and(|it| it == "conf"));
    paths.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let letters = name
            .chars()
            .map(|c| (c.to_lowercase().collect::<String>(), c));
        letters.collect::<Vec<_>>()
    });
    Ok(paths)
}
