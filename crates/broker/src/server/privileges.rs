//! Becoming another user, once everything is bound and read that only root may.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

/// Makes `directory`, if it is not there, for whoever the process will be.
///
/// # Errors
/// When there is no such user, or the system refuses.
pub(super) fn make(directory: &Path, user: Option<&str>) -> anyhow::Result<()> {
    if directory.exists() {
        return Ok(());
    }
    let cannot = || format!("cannot make {}", directory.display());
    std::fs::create_dir_all(directory).with_context(cannot)?;
    match successor(user)? {
        Some(user) => give(directory, &user),
        None => Ok(()),
    }
}

/// Makes the process that of `user` for good, with its groups; `files` become that user's. A process
/// that is not root's stays what it is.
///
/// # Errors
/// When there is no such user, or the system refuses.
pub(super) fn drop_to(user: Option<&str>, files: &[PathBuf]) -> anyhow::Result<()> {
    let Some(user) = successor(user)? else {
        if geteuid().is_root() && user.is_none() {
            tracing::warn!("running as root: `user` names somebody else to become");
        }
        return Ok(());
    };
    for file in files {
        give(file, &user)?;
    }
    let name = &*user.name;
    let c_name = std::ffi::CString::new(name).context("a user's name has no zero byte")?;
    // The user last: nobody else may do the rest.
    initgroups(&c_name, user.gid).context("cannot take on the groups of the user")?;
    setgid(user.gid).context("cannot take on the group of the user")?;
    setuid(user.uid).context("cannot become the user")?;
    if setuid(nix::unistd::Uid::from_raw(0)).is_ok() {
        bail!("could become root again");
    }
    tracing::info!(user = name, "gave up being root");
    Ok(())
}

/// Whom a process of root's is to become.
fn successor(user: Option<&str>) -> anyhow::Result<Option<User>> {
    let Some(name) = user.filter(|_| geteuid().is_root()) else {
        return Ok(None);
    };
    let user = User::from_name(name).with_context(|| format!("cannot look up user {name}"))?;
    let user = user.with_context(|| format!("there is no user {name}, whom `user` names"))?;
    Ok(Some(user).filter(|user| !user.uid.is_root()))
}

fn give(file: &Path, user: &User) -> anyhow::Result<()> {
    let given = chown(file, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    given.with_context(|| format!("cannot give {} away", file.display()))
}
