//! Certificates of Clients as their User Names.

use std::net::TcpStream;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dunlin_packet::ReasonCode;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

/// An authority.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
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

    fn issue(&self, common_name: &str, alternative: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([alternative.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Ponds");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A broker that takes User Names from this part of certificates.
    fn server(&self, part: &str) -> Server {
        let folder = Folder::new();
        let (certificate, key) = self.issue("broker", "localhost");
        let certfile = folder.write("cert.pem", &pem("CERTIFICATE", certificate.der()));
        let keyfile = folder.write("key.pem", &pem("PRIVATE KEY", &key.serialize_der()));
        let cafile = folder.write("ca.pem", &pem("CERTIFICATE", self.certificate.der()));
        let acl = folder.write("acl", "pattern write %u/#\n");
        let config = format!(
            "acl_file = '{acl}'\n[tls]\ncertfile = '{certfile}'\nkeyfile = '{keyfile}'\ncafile = '{cafile}'\nrequire_certificate = true\nuser_name = '{part}'\n"
        );
        Server::start(folder, &config)
    }

    /// A TLS connection of a Client with this certificate.
    fn connect(&self, server: &Server, shown: (rcgen::Certificate, KeyPair)) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(shown.1.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![shown.0.der().clone()], key)
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::over(StreamOwned::new(tls, socket), V5)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn each_part_of_a_certificate_can_be_the_user_name() {
    let authority = Authority::new();
    let cases = [
        ("common_name", "press-7"),
        ("subject", "CN=press-7,O=Ponds"),
        ("subject_alternative_name", "press-7.example"),
    ];
    for (part, user_name) in cases {
        let server = authority.server(part);
        let shown = authority.issue("press-7", "press-7.example");
        let mut client = authority.connect(&server, shown);
        // What CONNECT says does not count.
        client.send_connect(Who::user("admin", "x"));
        assert_eq!(client.connack(), ReasonCode::Success);
        server.wait_for(&["connected", &format!("user_name=\"{user_name}\"")]);
        assert_eq!(
            client.publish(&format!("{user_name}/a")),
            ReasonCode::NoMatchingSubscribers
        );
        assert_eq!(client.publish("admin/a"), ReasonCode::NotAuthorized);
    }
}

#[test]
fn without_a_certificate_nobody_comes_in() {
    let authority = Authority::new();
    let server = authority.server("common_name");
    // Over the same port, but without TLS.
    let mut plain = Client::open(server.address, V5);
    plain.send_connect(Who::user("press-7", "x"));
    assert!(matches!(
        plain.try_connack(),
        None | Some(ReasonCode::NotAuthorized)
    ));
    // From another authority.
    let stranger = Authority::new().issue("press-7", "press-7.example");
    let mut client = authority.connect(&server, stranger);
    assert!(client.try_send_connect(Who::client("c")).is_err() || client.try_connack().is_none());
}
