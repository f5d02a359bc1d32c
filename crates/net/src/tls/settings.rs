//! Which files, versions and suites.

use std::path::PathBuf;

use rustls::ProtocolVersion as Protocol;
use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::ALL_CIPHER_SUITES;

use super::TlsError;

/// What a listener's TLS is made of. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The chain of certificates, the server's own first.
    pub certificate: PathBuf,
    /// The private key: PKCS #8, PKCS #1 or SEC 1, without passphrase.
    pub key: PathBuf,
    /// Certificates of authorities that Clients' certificates must come from.
    pub authorities: Option<PathBuf>,
    /// A folder with more of these.
    pub authorities_folder: Option<PathBuf>,
    /// Revocation lists of these authorities.
    pub revocations: Option<PathBuf>,
    /// Whether Clients are asked for a certificate.
    pub client_certificates: ClientCertificates,
    /// The lowest version.
    pub minimum_version: TlsVersion,
    /// Names of cipher suites of TLS 1.2, as IANA or OpenSSL writes them, by preference. None: all
    /// that are good.
    pub ciphers: Vec<String>,
    /// The same for TLS 1.3.
    pub ciphers_tls13: Vec<String>,
    /// Where to write the secrets of each connection. For debugging only.
    pub key_log: Option<PathBuf>,
}

/// Whether Clients are asked for a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No.
    #[default]
    NotAsked,
    /// Yes, and one that is shown must be valid; but a Client may have none.
    Optional,
    /// Without a valid one there is no connection.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Whether a cipher suite of that name can be used, in the spelling of IANA or of OpenSSL.
pub fn is_cipher_known(name: &str) -> bool {
    suite(name).is_some()
}

static TLS_1_3_ONLY: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl TlsSettings {
    /// The cryptography with the suites that are wanted.
    pub(super) fn provider(&self) -> Result<CryptoProvider, TlsError> {
        let mut provider = rustls::crypto::ring::default_provider();
        let mut suites = chosen(&self.ciphers_tls13, Protocol::TLSv1_3)?;
        suites.extend(chosen(&self.ciphers, Protocol::TLSv1_2)?);
        provider.cipher_suites = suites;
        Ok(provider)
    }

    /// The versions that are wanted.
    pub(super) fn versions(&self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self.minimum_version {
            TlsVersion::V1_2 => rustls::ALL_VERSIONS,
            TlsVersion::V1_3 => TLS_1_3_ONLY,
        }
    }
}

/// The names of all suites, as OpenSSL writes those of TLS 1.2; those of TLS 1.3 have one name.
const NAMES: [(&str, &str); 9] = [
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS13_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

/// The suites of a version that are named, or all.
fn chosen(names: &[String], version: Protocol) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let fits = |suite: &SupportedCipherSuite| suite.version().version == version;
    if names.is_empty() {
        return Ok(ALL_CIPHER_SUITES.iter().copied().filter(fits).collect());
    }
    let named = |name: &String| suite(name).filter(fits);
    let unknown = |name: &String| TlsError::UnknownCipher { name: name.clone() };
    let named = names
        .iter()
        .map(|name| named(name).ok_or_else(|| unknown(name)));
    named.collect()
}

fn suite(name: &str) -> Option<SupportedCipherSuite> {
    let known = |own: &str| {
        let mut names = NAMES.iter();
        names.any(|&(other, suite)| suite == own && (name == other || name == own))
    };
    ALL_CIPHER_SUITES
        .iter()
        .copied()
        .find(|suite| known(&format!("{:?}", suite.suite())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_a_name() {
        assert_eq!(ALL_CIPHER_SUITES.len(), NAMES.len());
        assert!(NAMES.iter().all(|(name, _)| is_cipher_known(name)));
        assert!(!is_cipher_known("RC4-MD5"));
    }
}
