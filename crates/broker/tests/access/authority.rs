//! An authority, and TLS with the certificates that it gives out.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned};

use crate::client::{Client, V5};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) type Identity = (rcgen::Certificate, KeyPair);

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Authority {
            certificate,
            issuer,
        }
    }

    pub(crate) fn issue(&self, common_name: &str, alternative: &str) -> Identity {
        self.sign(params(common_name, alternative))
    }

    /// A certificate for `localhost` that ends so soon, of which a long time is over.
    pub(crate) fn issue_for(&self, left: Duration) -> Identity {
        let mut params = params("broker", "localhost");
        params.not_after = (SystemTime::now() + left).into();
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Writes `cert.pem` and `key.pem` of a server; gives the lines of `[tls]` that name them.
    pub(crate) fn write_server(&self, folder: &Folder, (certificate, key): &Identity) -> String {
        let certfile = folder.write("cert.pem", &pem("CERTIFICATE", certificate.der()));
        let keyfile = folder.write("key.pem", &pem("PRIVATE KEY", &key.serialize_der()));
        format!("certfile = '{certfile}'\nkeyfile = '{keyfile}'\n")
    }

    /// Writes its own certificate; gives the line of `[tls]` that names it.
    pub(crate) fn write_own(&self, folder: &Folder) -> String {
        let cafile = folder.write("ca.pem", &pem("CERTIFICATE", self.certificate.der()));
        format!("cafile = '{cafile}'\n")
    }

    /// A broker that takes User Names from this part of certificates.
    pub(crate) fn server(&self, part: &str) -> Server {
        let folder = Folder::new();
        let server = self.write_server(&folder, &self.issue("broker", "localhost"));
        let own = self.write_own(&folder);
        let acl = folder.write("acl", "pattern write %u/#\n");
        let config = format!(
            "acl_file = '{acl}'\n[tls]\n{server}{own}require_certificate = true\nuser_name = '{part}'\n"
        );
        Server::start(folder, &config)
    }

    /// A TLS connection of a Client with this certificate.
    pub(crate) fn connect(&self, server: &Server, shown: Identity) -> Client {
        let stream = self.handshake(server.address, Some(shown));
        Client::over(stream, V5)
    }

    /// The end of a TLS connection that trusts this authority, before its handshake.
    pub(crate) fn handshake(
        &self,
        to: SocketAddr,
        shown: Option<Identity>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let config = builder(self.certificate.der().clone());
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
                let chain = vec![certificate.der().clone()];
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        open(to, "localhost", config)
    }

    /// The certificate that the server shows a Client that trusts this authority.
    pub(crate) fn shown_by(&self, server: &Server) -> std::io::Result<CertificateDer<'static>> {
        let mut stream = self.handshake(server.address, None);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let chain = stream.conn.peer_certificates().unwrap();
        Ok(chain[0].clone())
    }
}

/// A TLS connection to the server `name` that trusts `root`, before its handshake.
#[cfg(feature = "acme")]
pub(crate) fn trusting(
    root: CertificateDer<'static>,
    to: SocketAddr,
    name: &'static str,
) -> StreamOwned<ClientConnection, TcpStream> {
    open(to, name, builder(root).with_no_client_auth())
}

fn builder(root: CertificateDer<'static>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

fn open(
    to: SocketAddr,
    name: &'static str,
    config: ClientConfig,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from(name).unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(tls, socket)
}

fn params(common_name: &str, alternative: &str) -> CertificateParams {
    let mut params = CertificateParams::new([alternative.to_owned()]).unwrap();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Ponds");
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
