//! Where things are.

use std::path::PathBuf;

/// The root of the repository. Cargo says at run time where this crate is: what was known when it
/// was built may be another checkout with the same output folder.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = here.ancestors().nth(2);
    root.expect("this crate is two folders below the root")
        .to_path_buf()
}

/// Cargo's output folder: `CARGO_TARGET_DIR`, or `target` in the repository.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Where the interop suites keep what they install and log.
pub(crate) fn interop_target() -> PathBuf {
    target().join("interop")
}

/// The server of the release build.
pub(crate) fn server() -> PathBuf {
    target().join("release/dunlin")
}
