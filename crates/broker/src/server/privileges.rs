//! Becoming another user, once everything is open that needs a privilege.

use anyhow::{Context, bail};
use nix::unistd::{User, geteuid, initgroups, setgid, setuid};

/// Becomes this user, with its groups. Without a name, or where the process is not root's, nothing
/// changes; whoever runs as root is warned.
///
/// Must be called before threads are started that open files.
///
/// # Errors
/// There is no such user, or the system does not allow it.
pub(super) fn drop_to(user: Option<&str>) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let Some(name) = user else {
        tracing::warn!("running as root: `user` names another user to become");
        return Ok(());
    };
    if name == "root" {
        return Ok(());
    }
    let Some(user) = User::from_name(name).context("cannot look up users")? else {
        bail!("there is no user {name}");
    };
    let cannot = || format!("cannot become user {name}");
    let c_name = std::ffi::CString::new(name).with_context(cannot)?;
    initgroups(&c_name, user.gid).with_context(cannot)?;
    setgid(user.gid).with_context(cannot)?;
    setuid(user.uid).with_context(cannot)?;
    // What was given up must not come back.
    if setuid(nix::unistd::Uid::from_raw(0)).is_ok() {
        bail!("the privileges of root could be taken again");
    }
    tracing::info!("running as user {name}");
    Ok(())
}
