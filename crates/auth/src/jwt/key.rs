//! Keys that sign tokens.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde::Deserialize;
use thiserror::Error;

use crate::der::{self, Der};
use crate::secret::Secret;

/// Keys in one set; more than anybody has.
const MAXIMUM_KEYS: usize = 1000;

/// A key, and the signatures that it may check.
#[derive(Clone)]
pub enum Key {
    /// A secret: HS256, HS384, HS512.
    Secret(Secret),
    /// Modulus and exponent: RS256, RS384, RS512, PS256, PS384, PS512.
    Rsa {
        /// The modulus, highest byte first.
        n: Vec<u8>,
        /// The exponent, highest byte first.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed: ES256.
    P256(Vec<u8>),
    /// A point on P-384, uncompressed: ES384.
    P384(Vec<u8>),
    /// Ed25519: EdDSA.
    Ed25519(Vec<u8>),
}

/// Keys with their names.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<(Option<String>, Key)>);

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not PEM with a public key in it.
    #[error("is not a public key in PEM")]
    Pem,
    /// A kind of key that no signature is known for.
    #[error("is a key of a kind that is not known (RSA, P-256, P-384 and Ed25519 are)")]
    Kind,
    /// Not JSON with a key set in it.
    #[error("is not a key set: {0}")]
    KeySet(String),
}

impl Key {
    /// Reads a public key in PEM (SPKI).
    ///
    /// # Errors
    /// [`KeyError::Pem`], [`KeyError::Kind`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let body = text
            .split_once("-----BEGIN PUBLIC KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
            .ok_or(KeyError::Pem)?
            .0;
        let body: String = body.split_whitespace().collect();
        let bytes = STANDARD.decode(body).map_err(|_| KeyError::Pem)?;
        let (algorithm, key) = split_spki(&bytes).ok_or(KeyError::Pem)?;
        Self::from_spki(algorithm, key).ok_or(KeyError::Kind)
    }

    fn from_spki(mut algorithm: Der<'_>, key: &[u8]) -> Option<Self> {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
        const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
        match algorithm.take(der::OID)? {
            RSA => {
                let mut numbers = Der::new(key).enter(der::SEQUENCE)?;
                let mut number = || {
                    let bytes = numbers.take(der::INTEGER)?;
                    Some(without_zeros(bytes))
                };
                let (n, e) = (number()?, number()?);
                Some(Key::Rsa { n, e })
            }
            EC => match algorithm.take(der::OID)? {
                P256 => Some(Key::P256(key.to_vec())),
                P384 => Some(Key::P384(key.to_vec())),
                _ => None,
            },
            ED25519 => Some(Key::Ed25519(key.to_vec())),
            _ => None,
        }
    }

    /// Whether `signature` by this algorithm is this key's for `message`.
    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        use ring::signature as s;
        let by = |algorithm: &'static dyn s::VerificationAlgorithm, key: &[u8]| {
            let key = s::UnparsedPublicKey::new(algorithm, key);
            key.verify(message, signature).is_ok()
        };
        match self {
            Key::Secret(secret) => {
                let algorithm = match algorithm {
                    "HS256" => hmac::HMAC_SHA256,
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => return false,
                };
                let key = hmac::Key::new(algorithm, secret.reveal().as_bytes());
                hmac::verify(&key, message, signature).is_ok()
            }
            Key::Rsa { n, e } => {
                let parameters = match algorithm {
                    "RS256" => &s::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &s::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &s::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &s::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &s::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &s::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                let key = s::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            Key::P256(key) => algorithm == "ES256" && by(&s::ECDSA_P256_SHA256_FIXED, key),
            Key::P384(key) => algorithm == "ES384" && by(&s::ECDSA_P384_SHA384_FIXED, key),
            Key::Ed25519(key) => algorithm == "EdDSA" && by(&s::ED25519, key),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Key::Secret(_) => "Secret(***)",
            Key::Rsa { .. } => "Rsa",
            Key::P256(_) => "P256",
            Key::P384(_) => "P384",
            Key::Ed25519(_) => "Ed25519",
        })
    }
}

/// One key of a key set, as written.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// One key, for every token.
    pub fn one(key: Key) -> Self {
        KeySet(vec![(None, key)])
    }

    /// Reads a key set (JWKS). Keys of kinds that are not known are left out, as sets are made for
    /// many readers.
    ///
    /// # Errors
    /// [`KeyError::KeySet`]: it is none, or no key in it can be used.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let error = |what: &dyn std::fmt::Display| KeyError::KeySet(what.to_string());
        let set: Jwks = serde_json::from_slice(json).map_err(|e| error(&e))?;
        let keys = set.keys.into_iter().take(MAXIMUM_KEYS);
        let known = keys.filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            Some((jwk.kid.clone(), jwk.key()?))
        });
        let known: Vec<_> = known.collect();
        match known.is_empty() {
            true => Err(error(&"it has no key of a kind that is known")),
            false => Ok(KeySet(known)),
        }
    }

    /// Adds the keys of another set.
    pub fn extend(&mut self, other: KeySet) {
        self.0.extend(other.0);
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key has this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, _)| known.as_deref() == Some(name))
    }

    /// The keys that may have signed: those of this name and those without one; all, if the token
    /// names none.
    pub(super) fn candidates<'a>(&'a self, name: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let fits = move |known: &Option<String>| match (known, name) {
            (Some(known), Some(name)) => known == name,
            _ => true,
        };
        let keys = self.0.iter();
        keys.filter(move |(known, _)| fits(known))
            .map(|(_, key)| key)
    }
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Key::Rsa {
                n: without_zeros(&bytes(&self.n)?),
                e: without_zeros(&bytes(&self.e)?),
            }),
            ("EC", Some(curve)) => {
                let point = [vec![4], bytes(&self.x)?, bytes(&self.y)?].concat();
                match (curve, point.len()) {
                    ("P-256", 65) => Some(Key::P256(point)),
                    ("P-384", 97) => Some(Key::P384(point)),
                    _ => None,
                }
            }
            ("OKP", Some("Ed25519")) => Some(Key::Ed25519(bytes(&self.x)?)),
            ("oct", _) => {
                let secret = String::from_utf8(bytes(&self.k)?).ok()?;
                (!secret.is_empty()).then(|| Key::Secret(Secret::new(secret)))
            }
            _ => None,
        }
    }
}

/// Algorithm and key of a SubjectPublicKeyInfo.
fn split_spki(bytes: &[u8]) -> Option<(Der<'_>, &[u8])> {
    let mut info = Der::new(bytes).enter(der::SEQUENCE)?;
    let algorithm = info.enter(der::SEQUENCE)?;
    // The first byte says how many bits at the end do not count: none.
    let (&0, key) = info.take(der::BIT_STRING)?.split_first()? else {
        return None;
    };
    Some((algorithm, key))
}

fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}
