//! An authority of a test's own, with certificates in files, and the client's side of TLS.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use dunlin_net::{ClientCertificates, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData, RevokedCertParams, SanType, SerialNumber, SigningKey,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An authority, and a folder for its files.
pub(crate) struct Authority {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = format!("dunlin-net-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let name = format!("authority {number}");
        fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &*name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            name,
            issuer,
            folder,
        };
        authority.write("ca.pem", &pem("CERTIFICATE", authority.issuer.der()));
        authority
    }

    /// A certificate for `localhost`, with this serial number.
    pub(crate) fn server(&self, serial: u64) -> Identity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.serial_number = Some(serial.into());
        self.issue(params)
    }

    pub(crate) fn client(&self, name: &str, serial: u64) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let subject = &mut params.distinguished_name;
        subject.push(DnType::OrganizationName, "Works");
        subject.push(DnType::CommonName, name);
        let mail = format!("{name}@example.org").try_into().unwrap();
        params.subject_alt_names = vec![SanType::Rfc822Name(mail)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(serial.into());
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            key,
        }
    }

    /// A certificate of X.509 version 1, which says nothing but whose it is: as `openssl x509 -req`
    /// makes it. It is valid until the end of `year`.
    pub(crate) fn client_version_1(&self, name: &str, year: u16) -> Identity {
        let key = KeyPair::generate().unwrap();
        // ecdsa-with-SHA256
        let algorithm = sequence(&[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let common_name = |name: &str| {
            let value = element(0x0c, &[name.as_bytes()]);
            let attribute = sequence(&[&[0x06, 3, 0x55, 0x04, 0x03], &value]);
            sequence(&[&element(0x31, &[&attribute])])
        };
        let from = element(0x18, &[b"20200101000000Z"]);
        let to = element(0x18, &[format!("{year}1231235959Z").as_bytes()]);
        let tbs = sequence(&[
            &[0x02, 1, 42],
            &algorithm,
            &common_name(&self.name),
            &sequence(&[&from, &to]),
            &common_name(name),
            &key.subject_public_key_info(),
        ]);
        let signature = self.issuer.key().sign(&tbs).unwrap();
        let signature = element(0x03, &[&[0], &signature]);
        let certificate = sequence(&[&tbs, &algorithm, &signature]).into();
        Identity { certificate, key }
    }

    /// Writes the files of a listener that shows `identity`.
    pub(crate) fn settings(&self, identity: &Identity, clients: ClientCertificates) -> TlsSettings {
        TlsSettings {
            certificate: self.write("server.pem", &pem("CERTIFICATE", &identity.certificate)),
            key: self.write(
                "server.key",
                &pem("PRIVATE KEY", &identity.key.serialize_der()),
            ),
            authorities: Some(self.folder.join("ca.pem")),
            client_certificates: clients,
            ..TlsSettings::default()
        }
    }

    /// Writes a revocation list with this serial number on it.
    pub(crate) fn revoke(&self, serial: u64) -> PathBuf {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2096, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        self.write("revoked.pem", &pem("X509 CRL", list.der()))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A client that trusts this authority, and shows `identity` if it is asked.
    pub(crate) fn trusting(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            // The library does not want to show a certificate of version 1, but it can.
            Some(identity) => {
                let key = rustls::crypto::ring::sign::any_supported_type(&identity.key()).unwrap();
                let shown = CertifiedKey::new(vec![identity.der()], key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
        })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Identity {
    /// Somebody who has the certificate, but not its key.
    pub(crate) fn with_key_of_another(self) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { key, ..self }
    }

    /// The same certificate with another name of the same length, and the old signature.
    pub(crate) fn with_name(self, name: &str) -> Self {
        let mut der = self.certificate.to_vec();
        let is_name = |window: &[u8]| window[..name.len() - 1] == name.as_bytes()[..name.len() - 1];
        let at = der.windows(name.len()).position(is_name).unwrap();
        der[at..at + name.len()].copy_from_slice(name.as_bytes());
        Self {
            certificate: der.into(),
            ..self
        }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// An element of DER.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match u16::try_from(content.len()).unwrap().to_be_bytes() {
        [0, short @ 0..=0x7f] => vec![short],
        [0, long] => vec![0x81, long],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], &length[..], &content].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

/// `der` in base64, between two lines that name it.
fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A blocking TLS stream on `socket`; nothing has been sent on it.
pub(crate) fn stream(
    socket: TcpStream,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(client, socket)
}
