//! In the place of `acme`, where that is not built.

use std::path::{Path, PathBuf};

use anyhow::bail;
use dunlin_net::TlsServer;

use super::config::AcmeConfig;

/// As there is none, nothing is done with it.
pub(super) struct Managed {
    pub(super) config: AcmeConfig,
    pub(super) file: PathBuf,
    pub(super) servers: Vec<TlsServer>,
}

#[derive(Default)]
pub(super) struct Acme {}

impl Acme {
    pub(super) fn manage(&mut self, _: Vec<Managed>) -> anyhow::Result<()> {
        Ok(())
    }
}

pub(super) fn file(_: &Path, _: &AcmeConfig) -> anyhow::Result<PathBuf> {
    bail!("this program was built without ACME")
}
