//! TLS for listeners: from files to what handshakes need, and again when the files change.
//!
//! | file | what it owns |
//! |---|---|
//! | `settings` | which files, versions and suites |
//! | `load` | reading them |
//! | `challenge` | what an authority is shown that is to issue a certificate |
//! | `validity` | how long all that is valid |
//! | `version_1` | certificates of Clients that the library does not read |
//! | `der` | reading DER |
//! | `key_log` | secrets of connections, for whoever decrypts recordings |

mod challenge;
mod der;
mod key_log;
mod load;
mod settings;
mod validity;
mod version_1;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::ServerConfig;

pub(crate) use challenge::Challenge;
pub use settings::{ClientCertificates, TlsSettings, TlsVersion, is_cipher_known};
pub use validity::{Validities, Validity};

/// What a listener's handshakes use: certificate, key, authorities, revocations. Clones are the
/// same. A reload takes effect for handshakes that begin afterwards; connections stay.
#[derive(Debug, Clone)]
pub struct TlsServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: Mutex<Current>,
    challenge: Mutex<Option<Arc<Challenge>>>,
}

#[derive(Debug, Clone)]
struct Current {
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    validities: Validities,
    stamp: load::Stamp,
}

impl TlsServer {
    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let current = Current::load(settings)?;
        let current = Mutex::new(current);
        Ok(Self {
            shared: Arc::new(Shared {
                current,
                challenge: Mutex::default(),
            }),
        })
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// [`TlsError`]; then everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let settings = self.current().settings.clone();
        self.replace(settings)
    }

    /// Reads the files of other settings, for the same listener.
    ///
    /// # Errors
    /// [`TlsError`]; then everything stays as it was.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), TlsError> {
        let fresh = Current::load(settings)?;
        *self.current() = fresh;
        Ok(())
    }

    /// Takes over what another one has read: for whoever must know first that everything can be read.
    pub fn adopt(&self, other: &Self) {
        let fresh = other.current().clone();
        *self.current() = fresh;
    }

    /// The file of the server's own certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.current().settings.certificate.clone()
    }

    /// Whether a file is not what was read, by its size and the time of its last change.
    pub fn files_have_changed(&self) -> bool {
        let current = self.current();
        load::Stamp::of(&current.settings) != current.stamp
    }

    /// How long that which was read is valid.
    pub fn validities(&self) -> Validities {
        self.current().validities
    }

    /// From now on, shows whoever asks by TLS-ALPN-01 for `name` this certificate; its key is in
    /// PKCS #8, both are DER. All others are served as ever.
    ///
    /// # Errors
    /// [`TlsError::Challenge`].
    pub fn answer_challenge(
        &self,
        name: &str,
        certificate: &[u8],
        key: &[u8],
    ) -> Result<(), TlsError> {
        let challenge = Challenge::new(name, certificate, key)?;
        *self.open_challenge() = Some(Arc::new(challenge));
        Ok(())
    }

    /// The authority has seen the answer, or will not come any more.
    pub fn end_challenge(&self) {
        *self.open_challenge() = None;
    }

    /// What a handshake may turn out to ask for that begins now.
    pub(crate) fn challenge(&self) -> Option<Arc<Challenge>> {
        self.open_challenge().clone()
    }

    fn open_challenge(&self) -> MutexGuard<'_, Option<Arc<Challenge>>> {
        let challenge = self.shared.challenge.lock();
        challenge.expect("no holder of the challenge panics")
    }

    /// What a handshake that begins now uses.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current().config)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.shared
            .current
            .lock()
            .expect("no holder of the current configuration panics")
    }
}

impl Current {
    fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        // Taken first: what changes while it is read is read again.
        let stamp = load::Stamp::of(&settings);
        let (config, validities) = load::server_config(&settings)?;
        Ok(Self {
            settings,
            config: Arc::new(config),
            validities,
            stamp,
        })
    }
}

/// What is wrong with the files of a [`TlsServer`].
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not PEM, or has not what it should have.
    #[error("{} has no {what} in PEM", path.display())]
    NotThere {
        /// The file.
        path: PathBuf,
        /// `certificate`, `private key`, …
        what: &'static str,
    },
    /// The PEM is broken.
    #[error("{} is no valid PEM: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// The key needs a passphrase.
    #[error("the private key in {} is encrypted; remove its passphrase with `openssl pkey`", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a kind that cannot be used.
    #[error("the private key in {} cannot be used: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// Certificate and key do not belong together.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The server's certificate cannot be understood.
    #[error("the first certificate in {} is not X.509", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// An authority's certificate or a revocation list cannot be used.
    #[error("client certificates cannot be checked with {}: {reason}", path.display())]
    Authorities {
        /// The file or folder.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// Client certificates are wanted, but there is no authority to check them by.
    #[error("client certificates are asked for, but no authority is given to check them by")]
    NoAuthorities,
    /// A cipher suite has a name that is not known, or is of no use.
    #[error("{name:?} is no cipher suite that can be used")]
    UnknownCipher {
        /// As it was written.
        name: String,
    },
    /// What an authority is to be shown cannot be.
    #[error("the authority's question cannot be answered: {0}")]
    Challenge(String),
    /// Versions and suites do not fit together.
    #[error("no cipher suite is left for the versions of TLS: {0}")]
    NothingInCommon(String),
}

/// What is known of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// The version agreed on.
    pub version: TlsVersion,
    /// The certificate (DER) that the Client has shown, checked against the authorities.
    pub certificate: Option<Arc<[u8]>>,
}
