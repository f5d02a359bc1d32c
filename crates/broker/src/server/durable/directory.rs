//! Where the log is kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

/// The directory that is configured; or else that of the service, of the system or of the user.
pub(super) fn choose(configured: Option<&Path>) -> anyhow::Result<PathBuf> {
    let is_root = rustix::process::geteuid().is_root();
    let chosen = configured.map(Path::to_owned);
    chosen.or_else(|| standard(is_root, |name| std::env::var_os(name))).ok_or_else(|| {
        anyhow!(
            "there is no home directory to keep data in: choose one with --data-dir, or keep data \
             in memory only with --durability none"
        )
    })
}

/// `STATE_DIRECTORY`, which the system's service manager sets; `/var/lib/dunlin` for root; else a
/// directory among the user's state.
fn standard(is_root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| {
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    if let Some(state) = absolute("STATE_DIRECTORY") {
        return Some(state);
    }
    if is_root {
        return Some(PathBuf::from("/var/lib/dunlin"));
    }
    let of_user = || absolute("HOME").map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME")
        .or_else(of_user)
        .map(|state| state.join("dunlin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_root: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        standard(is_root, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_service_uses_the_directory_that_it_is_given() {
        let variables = [("STATE_DIRECTORY", "/var/lib/other"), ("HOME", "/home/me")];
        assert_eq!(with(false, &variables), Some("/var/lib/other".into()));
        assert_eq!(with(true, &variables[1..]), Some("/var/lib/dunlin".into()));
    }

    #[test]
    fn a_user_has_it_among_other_state() {
        let variables = [("XDG_STATE_HOME", "/state"), ("HOME", "/home/me")];
        assert_eq!(with(false, &variables), Some("/state/dunlin".into()));
        let home = Some("/home/me/.local/state/dunlin".into());
        assert_eq!(with(false, &variables[1..]), home);
        assert_eq!(with(false, &[("HOME", "relative")]), None);
    }
}
