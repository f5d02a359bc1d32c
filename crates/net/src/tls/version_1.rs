//! Client certificates of X.509 version 1, which the library refuses as a whole.
//!
//! They are what `openssl x509 -req` makes unless it is told otherwise, and so what many
//! installations have given to their Clients. Such a certificate says nothing of what it is for.
//! It is accepted if an authority of ours has signed it directly, and it is valid now.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::der::{INTEGER, Reader, SEQUENCE};

/// Judges certificates of version 1 itself, and leaves all others to the library.
#[derive(Debug)]
pub(super) struct Version1Verifier {
    pub(super) others: Arc<dyn ClientCertVerifier>,
    pub(super) authorities: Vec<TrustAnchor<'static>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate of version 1. All parts are contents of DER elements, but for the first.
struct Certificate<'a> {
    /// What is signed.
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    validity: &'a [u8],
    key: PublicKey<'a>,
}

struct PublicKey<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    fn read(content: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(content);
        Some(Self {
            algorithm: reader.next(SEQUENCE)?,
            bits: reader.bits()?,
        })
    }
}

impl<'a> Certificate<'a> {
    /// `None` if it is of another version, or not well-formed.
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).next(SEQUENCE)?);
        let tbs = outer.whole(SEQUENCE)?;
        let algorithm = outer.next(SEQUENCE)?;
        let signature = outer.bits()?;
        let mut inner = Reader(Reader(tbs).next(SEQUENCE)?);
        // Version 1 is not written down: the serial number comes first.
        inner.next(INTEGER)?;
        let same_algorithm = inner.next(SEQUENCE)?;
        let issuer = inner.next(SEQUENCE)?;
        let validity = inner.next(SEQUENCE)?;
        inner.next(SEQUENCE)?; // subject
        let key = PublicKey::read(inner.next(SEQUENCE)?)?;
        let well_formed = inner.0.is_empty() && outer.0.is_empty() && same_algorithm == algorithm;
        well_formed.then_some(Self {
            tbs,
            algorithm,
            signature,
            issuer,
            validity,
            key,
        })
    }

    fn is_valid_at(&self, now: UnixTime) -> Result<(), CertificateError> {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
        let mut validity = Reader(self.validity);
        match (validity.time(), validity.time()) {
            (Some(from), _) if now < from => Err(CertificateError::NotValidYet),
            (_, Some(to)) if now > to => Err(CertificateError::Expired),
            (Some(_), Some(_)) => Ok(()),
            _ => Err(CertificateError::BadEncoding),
        }
    }
}

impl Version1Verifier {
    fn judge(&self, certificate: &Certificate<'_>, now: UnixTime) -> Result<(), CertificateError> {
        certificate.is_valid_at(now)?;
        let mut issuers = self
            .authorities
            .iter()
            .filter(|authority| authority.subject.as_ref() == certificate.issuer)
            // What an authority may not vouch for is written in names that are not compared here.
            .filter(|authority| authority.name_constraints.is_none())
            .peekable();
        if issuers.peek().is_none() {
            return Err(CertificateError::UnknownIssuer);
        }
        let has_signed = |authority: &TrustAnchor<'_>| {
            PublicKey::read(authority.subject_public_key_info.as_ref())
                .is_some_and(|key| self.is_signed_by(certificate, &key))
        };
        match issuers.any(has_signed) {
            true => Ok(()),
            false => Err(CertificateError::BadSignature),
        }
    }

    fn is_signed_by(&self, certificate: &Certificate<'_>, key: &PublicKey<'_>) -> bool {
        self.algorithms.all.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == certificate.algorithm
                && verifies(*algorithm, key, certificate.tbs, certificate.signature)
        })
    }

    /// Whether the handshake is signed with the key of the certificate. Version 1.3 of TLS ties
    /// each scheme to one kind of key, the first of the list.
    fn handshake(
        &self,
        certificate: &Certificate<'_>,
        message: &[u8],
        signed: &DigitallySignedStruct,
        kinds: usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mut known = self.algorithms.mapping.iter();
        let of_scheme = known.find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms = of_scheme.map_or(&[][..], |(_, algorithms)| algorithms);
        let is_valid = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            verifies(*algorithm, &certificate.key, message, signed.signature())
        };
        match algorithms.iter().take(kinds).any(is_valid) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }
}

fn verifies(
    algorithm: &dyn SignatureVerificationAlgorithm,
    key: &PublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    algorithm.public_key_alg_id().as_ref() == key.algorithm
        && algorithm
            .verify_signature(key.bits, message, signature)
            .is_ok()
}

impl ClientCertVerifier for Version1Verifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match Certificate::read(end_entity) {
            Some(certificate) => {
                self.judge(&certificate, now)?;
                Ok(ClientCertVerified::assertion())
            }
            None => self
                .others
                .verify_client_cert(end_entity, intermediates, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Certificate::read(certificate) {
            Some(certificate) => self.handshake(&certificate, message, signed, usize::MAX),
            None => self
                .others
                .verify_tls12_signature(message, certificate, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        use SignatureScheme as Scheme;
        let certificate = match Certificate::read(certificate) {
            Some(certificate) => certificate,
            None => {
                return self
                    .others
                    .verify_tls13_signature(message, certificate, signed);
            }
        };
        match signed.scheme {
            Scheme::RSA_PKCS1_SHA256 | Scheme::RSA_PKCS1_SHA384 | Scheme::RSA_PKCS1_SHA512 => {
                Err(CertificateError::BadSignature.into())
            }
            _ => self.handshake(&certificate, message, signed, 1),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.others.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.others.root_hint_subjects()
    }

    fn offer_client_auth(&self) -> bool {
        self.others.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.others.client_auth_mandatory()
    }
}
