use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dunlin_core::{Access, Action, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{self, KeyPair};
use ring::{hmac, rsa};
use serde_json::json;

use super::*;
use crate::acl::Roles;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a secret of no importance";

/// A token with this header and these claims, signed by `sign`.
fn token(
    header: &serde_json::Value,
    claims: &serde_json::Value,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> String {
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn by_secret(claims: &serde_json::Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    token(&json!({"alg": "HS256"}), claims, |bytes| {
        hmac::sign(&key, bytes).as_ref().to_vec()
    })
}

fn jwt(config: JwtConfig) -> Jwt {
    Jwt::new(config, KeySet::one(Key::Secret(Secret::new(SECRET))))
}

fn alice() -> serde_json::Value {
    json!({"sub": "alice", "exp": NOW + 60})
}

/// The public key as PEM, with the head that its kind has in SPKI.
fn pem(head: &str, key: &[u8]) -> String {
    let mut bytes = STANDARD.decode(head).unwrap();
    bytes.extend_from_slice(key);
    let body = STANDARD.encode(bytes);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn a_token_says_who_and_until_when_and_what() {
    let jwt = jwt(JwtConfig::default());
    let claims = json!({
        "sub": "alice", "exp": NOW + 60, "roles": ["reader"], "acl": {"publish": ["a/%u"]},
    });
    let identity = jwt.identify(&by_secret(&claims), NOW).unwrap();
    assert_eq!(identity.user_name.as_deref(), Some("alice"));
    assert_eq!(
        identity.expires_at,
        Timestamp::from_millis((NOW + 90) * 1000)
    );
    assert_eq!(identity.further.roles, ["reader".into()]);
    let roles = Roles::default();
    let permissions = roles.permissions(identity.user_name, "c", &identity.further);
    assert!(permissions.allows(Action::Publish, "a/alice"));
    assert!(!permissions.allows(Action::Publish, "a/bob"));
}

#[test]
fn a_token_is_for_a_time() {
    let jwt = jwt(JwtConfig::default());
    let error = |claims| jwt.identify(&by_secret(&claims), NOW).err();
    assert_eq!(
        error(json!({"sub": "a", "exp": NOW - 29})),
        None,
        "clocks differ"
    );
    assert_eq!(
        error(json!({"sub": "a", "exp": NOW - 30})),
        Some(TokenError::Expired)
    );
    assert_eq!(error(json!({"sub": "a"})), Some(TokenError::NoExpiry));
    assert_eq!(
        error(json!({"sub": "a", "exp": "soon"})),
        Some(TokenError::Form)
    );
    let early = json!({"sub": "a", "exp": NOW + 99, "nbf": NOW + 31});
    assert_eq!(error(early), Some(TokenError::Early));
    let unlimited = JwtConfig {
        require_expiry: false,
        ..JwtConfig::default()
    };
    let identity = self::jwt(unlimited).identify(&by_secret(&json!({"sub": "a"})), NOW);
    assert_eq!(identity.unwrap().expires_at, Timestamp::NEVER);
}

#[test]
fn a_token_is_for_somebody() {
    let jwt = jwt(JwtConfig {
        issuer: Some("us".to_owned()),
        audience: Some("mqtt".to_owned()),
        ..JwtConfig::default()
    });
    let judge = |issuer: &str, audience: serde_json::Value| {
        let claims = json!({"sub": "a", "exp": NOW + 1, "iss": issuer, "aud": audience});
        jwt.identify(&by_secret(&claims), NOW).err()
    };
    assert_eq!(judge("us", json!("mqtt")), None);
    assert_eq!(judge("us", json!(["web", "mqtt"])), None);
    assert_eq!(judge("them", json!("mqtt")), Some(TokenError::Issuer));
    assert_eq!(judge("us", json!("web")), Some(TokenError::Audience));
    let nobody = json!({"exp": NOW + 1, "iss": "us", "aud": "mqtt"});
    let error = jwt.identify(&by_secret(&nobody), NOW).unwrap_err();
    assert_eq!(error, TokenError::NoUser);
}

#[test]
fn what_is_not_signed_counts_for_nothing() {
    let jwt = jwt(JwtConfig::default());
    let error = |token: &str| jwt.identify(token, NOW).err();
    let good = by_secret(&alice());
    assert_eq!(error(&good), None);
    let mallory = by_secret(&json!({"sub": "mallory", "exp": NOW + 60}));
    let mixed = format!(
        "{}.{}",
        mallory.rsplit_once('.').unwrap().0,
        good.rsplit_once('.').unwrap().1
    );
    assert_eq!(error(&mixed), Some(TokenError::Signature));
    let none = token(&json!({"alg": "none"}), &alice(), |_| Vec::new());
    assert_eq!(error(&none), Some(TokenError::Signature));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"another");
    let other = token(&json!({"alg": "HS256"}), &alice(), |bytes| {
        hmac::sign(&key, bytes).as_ref().to_vec()
    });
    assert_eq!(error(&other), Some(TokenError::Signature));
    for text in ["", "a", "a.b", "a.b.c", "..", "eyJ.eyJ.eyJ", &good[1..]] {
        assert_eq!(error(text), Some(TokenError::Form), "{text}");
    }
    let critical = json!({"alg": "HS256", "crit": ["x"]});
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let critical = token(&critical, &alice(), |bytes| {
        hmac::sign(&key, bytes).as_ref().to_vec()
    });
    assert_eq!(error(&critical), Some(TokenError::Form));
}

#[test]
fn ed25519_by_pem_and_by_key_set() {
    let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = signature::Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let public = pair.public_key().as_ref();
    let signed = |kid: &str| {
        let header = json!({"alg": "EdDSA", "kid": kid});
        token(&header, &alice(), |bytes| {
            pair.sign(bytes).as_ref().to_vec()
        })
    };
    let key = Key::from_pem(&pem("MCowBQYDK2VwAyEA", public)).unwrap();
    let by_pem = Jwt::new(JwtConfig::default(), KeySet::one(key));
    assert!(by_pem.identify(&signed("x"), NOW).is_ok());
    let set = json!({"keys": [
        {"kty": "unknown"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": URL_SAFE_NO_PAD.encode(public)},
    ]});
    let set = KeySet::parse(set.to_string().as_bytes()).unwrap();
    let by_set = Jwt::new(JwtConfig::default(), set);
    assert!(by_set.identify(&signed("k1"), NOW).is_ok());
    let error = by_set.identify(&signed("k2"), NOW).unwrap_err();
    assert_eq!(error, TokenError::UnknownKey, "a key of another name");
    // A public key is not a secret, however one asks.
    let forged = hmac::Key::new(hmac::HMAC_SHA256, public);
    let forged = token(&json!({"alg": "HS256"}), &alice(), |bytes| {
        hmac::sign(&forged, bytes).as_ref().to_vec()
    });
    assert_eq!(
        by_pem.identify(&forged, NOW).unwrap_err(),
        TokenError::Signature
    );
}

#[test]
fn es256_and_es384() {
    let cases = [
        (
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            "ES256",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=",
            ("P-256", 32),
        ),
        (
            &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            "ES384",
            "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgA=",
            ("P-384", 48),
        ),
    ];
    let random = SystemRandom::new();
    for (algorithm, name, head, (curve, length)) in cases {
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let public = pair.public_key().as_ref();
        let signed = |name: &str| {
            token(&json!({"alg": name}), &alice(), |bytes| {
                pair.sign(&random, bytes).unwrap().as_ref().to_vec()
            })
        };
        let (x, y) = public[1..].split_at(length);
        let part = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        let set = json!({"keys": [{"kty": "EC", "crv": curve, "x": part(x), "y": part(y)}]});
        let set = KeySet::parse(set.to_string().as_bytes()).unwrap();
        for keys in [KeySet::one(Key::from_pem(&pem(head, public)).unwrap()), set] {
            let jwt = Jwt::new(JwtConfig::default(), keys);
            assert!(jwt.identify(&signed(name), NOW).is_ok(), "{name}");
            assert!(jwt.identify(&signed("RS256"), NOW).is_err(), "{name}");
        }
    }
}

#[test]
fn rs256_and_ps512() {
    let der = include_bytes!("../../tests/data/rsa.pk8");
    let pair = rsa::KeyPair::from_pkcs8(der).unwrap();
    let key = Key::from_pem(include_str!("../../tests/data/rsa.pub.pem")).unwrap();
    let jwt = Jwt::new(JwtConfig::default(), KeySet::one(key));
    let cases: [(&str, &'static dyn signature::RsaEncoding); 2] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    for (name, encoding) in cases {
        let signed = token(&json!({"alg": name}), &alice(), |bytes| {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), bytes, &mut signature)
                .unwrap();
            signature
        });
        assert!(jwt.identify(&signed, NOW).is_ok(), "{name}");
    }
}

#[test]
fn what_is_no_key_is_named() {
    assert_eq!(Key::from_pem("").unwrap_err(), KeyError::Pem);
    assert_eq!(Key::from_pem(&pem("AAAA", b"")).unwrap_err(), KeyError::Pem);
    assert!(KeySet::parse(b"{}").is_err());
    assert!(KeySet::parse(br#"{"keys": []}"#).is_err());
    assert!(
        KeySet::parse(br#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}"#)
            .is_err()
    );
}
