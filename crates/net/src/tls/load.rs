//! Reading certificates, keys and revocation lists.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

use super::key_log::KeyLogFile;
use super::version_1::Version1Verifier;
use super::{ClientCertificates, TlsError, TlsSettings, Validities, Validity, validity};

/// What handshakes need, and how long it is valid.
pub(super) fn server_config(
    settings: &TlsSettings,
) -> Result<(ServerConfig, Validities), TlsError> {
    let provider = Arc::new(settings.provider()?);
    let chain = certificates(&settings.certificate)?;
    let certificate = Validity::of(&chain[0]).ok_or_else(|| TlsError::Certificate {
        path: settings.certificate.clone(),
    })?;
    let key = provider
        .key_provider
        .load_private_key(private_key(&settings.key)?)
        .map_err(|error| TlsError::Key {
            path: settings.key.clone(),
            reason: error.to_string(),
        })?;
    let certified = CertifiedKey::new(chain, key);
    // A certificate that the library does not read (one of version 1) may be a good one for Clients.
    if let Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) =
        certified.keys_match()
    {
        return Err(TlsError::Mismatch {
            certificate: settings.certificate.clone(),
            key: settings.key.clone(),
        });
    }
    let judge = judge(settings, Arc::clone(&provider))?;
    let unfit = |error: rustls::Error| TlsError::NothingInCommon(error.to_string());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.versions())
        .map_err(unfit)?
        .with_client_cert_verifier(judge.verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // New tickets for new files: nobody resumes what a revocation has ended.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(unfit)?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    if let Some(path) = &settings.key_log {
        config.key_log = Arc::new(KeyLogFile::append_to(path)?);
    }
    let validities = Validities {
        certificate,
        authorities: judge.authorities,
        revocations: judge.revocations,
    };
    Ok((config, validities))
}

/// Whoever judges Clients' certificates, and until when what is judged by is valid.
struct Judge {
    verifier: Arc<dyn ClientCertVerifier>,
    authorities: Option<SystemTime>,
    revocations: Option<SystemTime>,
}

fn judge(
    settings: &TlsSettings,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Judge, TlsError> {
    let mut judge = Judge {
        verifier: Arc::new(NoClientAuth),
        authorities: None,
        revocations: None,
    };
    if settings.client_certificates == ClientCertificates::NotAsked {
        return Ok(judge);
    }
    let files = authority_files(settings)?;
    let mut roots = RootCertStore::empty();
    for file in &files {
        for certificate in certificates(file)? {
            let end = Validity::of(&certificate).map(|validity| validity.not_after);
            judge.authorities = validity::earliest(judge.authorities, end);
            roots
                .add(certificate)
                .map_err(|error| TlsError::Authorities {
                    path: file.clone(),
                    reason: error.to_string(),
                })?;
        }
    }
    let (authorities, algorithms) = (
        roots.roots.clone(),
        provider.signature_verification_algorithms,
    );
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(path) = &settings.revocations {
        let lists = revocations(path)?;
        let ends = lists.iter().map(|list| validity::next_update(list));
        judge.revocations = ends.fold(None, validity::earliest);
        builder = builder
            .with_crls(lists)
            .only_check_end_entity_revocation()
            .enforce_revocation_expiration();
    }
    if settings.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    let built = builder.build().map_err(|error| match files.first() {
        None => TlsError::NoAuthorities,
        Some(file) => TlsError::Authorities {
            path: settings.revocations.clone().unwrap_or(file.clone()),
            reason: error.to_string(),
        },
    })?;
    // Those of version 1 are not looked up in a revocation list, so with one they are refused.
    judge.verifier = match settings.revocations {
        Some(_) => built,
        None => Arc::new(Version1Verifier {
            others: built,
            authorities,
            algorithms,
        }),
    };
    Ok(judge)
}

/// The files with authorities' certificates. In a folder, those are named `.pem`, `.crt`, or by a
/// hash and a number, as OpenSSL does.
fn authority_files(settings: &TlsSettings) -> Result<Vec<PathBuf>, TlsError> {
    let mut files: Vec<PathBuf> = settings.authorities.iter().cloned().collect();
    if let Some(folder) = &settings.authorities_folder {
        let unreadable = |source| TlsError::Unreadable {
            path: folder.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let extension = path.extension().and_then(|e| e.to_str());
            if extension.is_some_and(|e| e == "pem" || e == "crt" || e.parse::<u8>().is_ok()) {
                found.push(path);
            }
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// One certificate or more.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(not_there(path, "certificate"));
    }
    Ok(certificates)
}

fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let lists = CertificateRevocationListDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if lists.is_empty() {
        return Err(not_there(path, "revocation list"));
    }
    Ok(lists)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(_) if contains(&text, b"ENCRYPTED") => Err(TlsError::EncryptedKey {
            path: path.to_owned(),
        }),
        Err(pem::Error::NoItemsFound) => Err(not_there(path, "private key")),
        Err(error) => Err(not_pem(path, &error)),
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn not_there(path: &Path, what: &'static str) -> TlsError {
    TlsError::NotThere {
        path: path.to_owned(),
        what,
    }
}

/// Size and time of last change of each file, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(u64, SystemTime)>>);

impl Stamp {
    pub(super) fn of(settings: &TlsSettings) -> Self {
        let mut files = vec![settings.certificate.clone(), settings.key.clone()];
        files.extend(settings.revocations.clone());
        if settings.client_certificates != ClientCertificates::NotAsked {
            files.extend(authority_files(settings).unwrap_or_default());
        }
        let seen = |path: &PathBuf| {
            let found = fs::metadata(path).ok()?;
            Some((found.len(), found.modified().ok()?))
        };
        Self(files.iter().map(seen).collect())
    }
}
