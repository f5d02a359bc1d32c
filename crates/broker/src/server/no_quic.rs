//! In the place of `quic`, where that is not built.

use anyhow::bail;
use dunlin_net::{Admission, ListenerOptions, Place};

use super::mail::Post;

/// There is none.
pub(super) enum QuicDoor {}

impl QuicDoor {
    pub(super) fn bind(_: &Place, _: &ListenerOptions) -> anyhow::Result<Self> {
        bail!("this program was built without QUIC")
    }

    pub(super) fn serve(self, _: &[Post], _: &Admission) -> anyhow::Result<()> {
        match self {}
    }
}
