//! Becoming another user, once everything is bound and read that only root may.

use std::os::unix::fs::chown;
use std::path::Path;

use anyhow::{Context, bail};
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

/// Makes the process that of `user` for good, with its groups; `data_dir` becomes that user's if it
/// is new. A process that is not root's stays what it is.
///
/// # Errors
/// When there is no such user, or the system refuses.
pub(super) fn drop_to(user: Option<&str>, data_dir: Option<&Path>) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let Some(name) = user else {
        tracing::warn!("running as root: `user` names somebody else to become");
        return Ok(());
    };
    let user = User::from_name(name).with_context(|| format!("cannot look up user {name}"))?;
    let user = user.with_context(|| format!("there is no user {name}, whom `user` names"))?;
    if user.uid.is_root() {
        return Ok(());
    }
    if let Some(data_dir) = data_dir.filter(|data_dir| !data_dir.exists()) {
        let owned = std::fs::create_dir_all(data_dir)
            .and_then(|()| chown(data_dir, Some(user.uid.as_raw()), Some(user.gid.as_raw())));
        owned.with_context(|| format!("cannot make {}", data_dir.display()))?;
    }
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
