//! The file with the number of the process.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file that is there as long as the process runs.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the number of this process.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(path: &Path) -> anyhow::Result<Self> {
        std::fs::write(path, format!("{}\n", std::process::id())).with_context(|| {
            format!(
                "cannot write the number of the process to {}",
                path.display()
            )
        })?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
