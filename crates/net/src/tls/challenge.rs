//! TLS-ALPN-01 (RFC 8737): how an authority finds out that a name is ours. It connects, names the
//! protocol `acme-tls/1`, and is shown a certificate that holds its question's answer. No MQTT
//! follows.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{Acceptor, ClientHello};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::TlsError;

const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is to be answered.
#[derive(Debug)]
pub(crate) struct Challenge {
    name: String,
    config: Arc<ServerConfig>,
}

impl Challenge {
    /// The answer for `name`: a certificate and its key (PKCS #8), DER.
    pub(super) fn new(name: &str, certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let unfit = |error: rustls::Error| TlsError::Challenge(error.to_string());
        let chain = vec![CertificateDer::from(certificate.to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(key).map_err(unfit)?;
        // Not checked against each other: the library does not know the extension with the answer.
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self {
            name: name.to_owned(),
            config: Arc::new(config),
        })
    }

    /// What the handshake uses that this is the answer to.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether a connection that begins with `bytes` asks for it; `None` if more of it has to come.
    pub(crate) fn is_asked_by(&self, mut bytes: &[u8]) -> Option<bool> {
        let mut acceptor = Acceptor::default();
        while !bytes.is_empty() {
            if acceptor.read_tls(&mut bytes).is_err() {
                return Some(false);
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Some(self.fits(&accepted.client_hello())),
                Err(_) => return Some(false),
            }
        }
        None
    }

    fn fits(&self, hello: &ClientHello<'_>) -> bool {
        let is_named = |name: &str| name.eq_ignore_ascii_case(&self.name);
        let mut protocols = hello.alpn().into_iter().flatten();
        hello.server_name().is_some_and(is_named) && protocols.any(|it| it == PROTOCOL)
    }
}
