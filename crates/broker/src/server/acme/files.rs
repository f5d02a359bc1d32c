//! What is kept in the data directory, readable by the broker alone:
//!
//! ```text
//!   acme/HOST/account.json   the account with the authority whose directory is at HOST
//!   acme/HOST/NAME.pem       the key and the chain of certificates for the server NAME
//! ```
//!
//! Key and chain are in one file, so that they change together.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{CertificateParams, KeyPair};

use crate::server::config::AcmeConfig;
use crate::tls::{pem, write_whole};

/// What a file begins with whose certificate nobody has issued.
const PLACEHOLDER: &str = "Signed by nobody, until the authority has issued a certificate.\n";

/// How long such a certificate is valid: it is replaced long before.
const PLACEHOLDER_LIFE: Duration = Duration::from_secs(3650 * 86_400);

const PRIVATE: u32 = 0o600;

/// The file with certificate and key, made if it is not there.
///
/// # Errors
/// It cannot be made.
pub(in crate::server) fn file(data_dir: &Path, config: &AcmeConfig) -> anyhow::Result<PathBuf> {
    let host = config.directory.trim_start_matches("https://");
    let host: String = host.chars().take_while(|&it| it != '/').collect();
    let folder = data_dir.join("acme").join(host.replace(':', "_"));
    let file = folder.join(format!("{}.pem", config.domain));
    if !file.exists() {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        write(&file, &placeholder(&config.domain)?)?;
    }
    Ok(file)
}

/// A certificate with which a listener can begin, so that the authority can ask it.
fn placeholder(domain: &str) -> anyhow::Result<String> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([domain.to_owned()])?;
    let now = SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + PLACEHOLDER_LIFE).into();
    let certificate = pem("CERTIFICATE", params.self_signed(&key)?.der());
    Ok(format!("{PLACEHOLDER}{}{certificate}", key_text(&key)))
}

/// A private key in PEM.
pub(super) fn key_text(key: &KeyPair) -> String {
    pem("PRIVATE KEY", key.serialized_der())
}

/// Whether nobody has issued the certificate in `file`.
pub(super) fn is_placeholder(file: &Path) -> bool {
    fs::read(file).map_or(true, |text| text.starts_with(PLACEHOLDER.as_bytes()))
}

/// Writes a file of ours, whole or not at all.
pub(super) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    write_whole(file, text, PRIVATE)
}
