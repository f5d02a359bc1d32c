//! TLS to another broker: which authorities are believed, and what certificate is shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, SupportedProtocolVersion,
};

/// Where systems keep the authorities that they trust, one of them.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Files in PEM, and how strict to be.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificates of authorities.
    pub authorities: Option<PathBuf>,
    /// A folder with more of these.
    pub authorities_folder: Option<PathBuf>,
    /// Whether the authorities that the system trusts count as well.
    pub system_authorities: bool,
    /// The certificate to show, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the certificate has to be for the name that was connected to.
    pub host_name: HostName,
    /// What to ask for by ALPN.
    pub alpn: Option<String>,
    /// TLS 1.3 alone, without 1.2.
    pub only_tls13: bool,
}

/// Whether the name in a server's certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostName {
    /// It does.
    Checked,
    /// Any certificate of the authorities is good.
    Any,
}

/// What handshakes with another broker need.
#[derive(Debug)]
pub struct BridgeTls(Arc<ClientConfig>);

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum BridgeTlsError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no authority to check the other broker's certificate by.
    #[error("no certificate of an authority is given")]
    NoAuthorities,
    /// Certificate and key, or versions, do not fit.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

impl BridgeTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`BridgeTlsError`], which names the file.
    pub fn load(files: &TlsFiles) -> Result<Self, BridgeTlsError> {
        const NEW: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(authorities(files)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|_| BridgeTlsError::NoAuthorities)?;
        let verifier: Arc<dyn ServerCertVerifier> = match files.host_name {
            HostName::Checked => verifier,
            HostName::Any => Arc::new(AnyName(verifier)),
        };
        let versions = if files.only_tls13 {
            NEW
        } else {
            rustls::ALL_VERSIONS
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let bytes = read(key)?;
                let unfit = |error| unfit(key, format!("no private key in PEM ({error})"));
                let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(unfit)?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = files.alpn.iter().map(|it| it.clone().into()).collect();
        Ok(Self(Arc::new(config)))
    }

    /// A connection to `host`, which has not said anything yet.
    pub(crate) fn connect(&self, host: &str) -> Result<ClientConnection, rustls::Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| rustls::Error::General(format!("{host} is no name of a server")))?;
        ClientConnection::new(Arc::clone(&self.0), name)
    }
}

fn authorities(files: &TlsFiles) -> Result<RootCertStore, BridgeTlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &files.authorities {
        let (added, _) = roots.add_parsable_certificates(certificates(file)?);
        if added == 0 {
            return Err(unfit(file, "no certificate in it can be used"));
        }
    }
    if let Some(folder) = &files.authorities_folder {
        let entries = std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
        for entry in entries {
            let path = entry.map_err(|source| unreadable(folder, source))?.path();
            // There may be other things in it.
            if let Ok(found) = certificates(&path) {
                roots.add_parsable_certificates(found);
            }
        }
    }
    if files.system_authorities {
        let mut places = SYSTEM_AUTHORITIES.iter().map(Path::new);
        if let Some(file) = places.find(|path| path.is_file()) {
            roots.add_parsable_certificates(certificates(file)?);
        }
    }
    if roots.is_empty() {
        return Err(BridgeTlsError::NoAuthorities);
    }
    Ok(roots)
}

/// One certificate or more.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BridgeTlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unfit(path, "no certificate in PEM")),
        Err(error) => Err(unfit(path, error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BridgeTlsError> {
    std::fs::read(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: std::io::Error) -> BridgeTlsError {
    let path = path.to_owned();
    BridgeTlsError::Unreadable { path, source }
}

fn unfit(path: &Path, reason: impl ToString) -> BridgeTlsError {
    BridgeTlsError::Unfit {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Believes the authorities, whatever name a certificate is for.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(rustls::Error::InvalidCertificate(
                NotValidForName | NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
