//! The hash of a password: what is read and written in password files.
//!
//! | written as | what it is |
//! |---|---|
//! | `$6$SALT$HASH` | SHA-512 of password and salt; Mosquitto before 2.0 |
//! | `$7$ROUNDS$SALT$HASH` | PBKDF2 with HMAC-SHA-512; Mosquitto 2.0 |
//! | `SCRAM-SHA-256$ROUNDS:SALT$KEY:SERVERKEY` | keys of SCRAM, for that or for passwords; as PostgreSQL writes them |
//! | `$argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH` | Argon2id; Mosquitto 2.1, and what we write |
//!
//! Salt and hash are base64, of Argon2id without padding.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use thiserror::Error;

/// Bounds of what a hash may cost: a file that asks for more is a mistake, or a trap.
const MAXIMUM_ROUNDS: u32 = 10_000_000;
const MAXIMUM_KIB: u32 = 256 * 1024;
const MAXIMUM_PASSES: u32 = 16;
const MAXIMUM_LANES: u32 = 16;
const MAXIMUM_BYTES: usize = 1024;

/// Rounds of PBKDF2 where nothing else is asked for; as many as Mosquitto takes.
const ROUNDS: u32 = 101;

const SCRAM: &str = "SCRAM-SHA-256$";
const SCRAM_ROUNDS: u32 = 4096;

const SHA512_BYTES: usize = 64;
const PBKDF2: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA512;

/// The salted hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    method: Method,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Method {
    Sha512,
    Pbkdf2 {
        rounds: NonZeroU32,
    },
    Argon2id(Params),
    /// The hash is StoredKey.
    Scram {
        rounds: NonZeroU32,
        server_key: Vec<u8>,
    },
}

/// What Argon2id works in: 19 MiB, as a rule. Whoever verifies many passwords keeps it in between, as an
/// allocator that is given and asked for so much again and again ends up with many times as much.
#[derive(Default)]
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0 = vec![Block::new(); count];
        }
        &mut self.0
    }
}

/// How a new hash is to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashKind {
    /// Argon2id with 19 MiB and two passes: some 20 ms of a processor.
    #[default]
    Argon2id,
    /// PBKDF2 with so many rounds, 101 if 0: for a Mosquitto before 2.1.
    Pbkdf2 {
        /// The number of rounds.
        rounds: u32,
    },
    /// SHA-512, which is too quick to be safe: for a Mosquitto before 2.0.
    Sha512,
    /// Keys of SCRAM-SHA-256, 4,096 rounds.
    Scram,
}

/// Why a text is not the hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashError {
    /// It begins with none of `$6$`, `$7$`, `$argon2id$`.
    #[error("is not a hash of a kind that is known ($6$, $7$, $argon2id$, SCRAM-SHA-256$)")]
    Kind,
    /// A part is missing, or there is one too many.
    #[error("does not have the parts that a hash of its kind has")]
    Parts,
    /// Salt or hash is not base64, or has no bytes or too many.
    #[error("has a salt or a hash that is not base64 of 1 to 1024 bytes")]
    Base64,
    /// Rounds, memory, passes or lanes are not numbers within bounds.
    #[error("has a cost that is not a number within bounds")]
    Cost,
}

impl PasswordHash {
    /// Reads a hash as it is written in password files.
    ///
    /// # Errors
    /// [`HashError`]: the first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if let Some(keys) = text.strip_prefix(SCRAM) {
            return Self::parse_scram(keys);
        }
        let mut parts = text.strip_prefix('$').ok_or(HashError::Kind)?.split('$');
        let mut part = || parts.next().ok_or(HashError::Parts);
        let (method, engine) = match part()? {
            "6" => (Method::Sha512, &STANDARD),
            "7" => {
                let rounds = number(part()?, MAXIMUM_ROUNDS)?;
                let rounds = NonZeroU32::new(rounds).ok_or(HashError::Cost)?;
                (Method::Pbkdf2 { rounds }, &STANDARD)
            }
            "argon2id" => {
                if part()? != "v=19" {
                    return Err(HashError::Kind);
                }
                (Method::Argon2id(argon2_cost(part()?)?), &STANDARD_NO_PAD)
            }
            _ => return Err(HashError::Kind),
        };
        let salt = bytes(engine.decode(part()?))?;
        let hash = bytes(engine.decode(part()?))?;
        if parts.next().is_some() {
            return Err(HashError::Parts);
        }
        Ok(PasswordHash { method, salt, hash })
    }

    /// `ROUNDS:SALT$KEY:SERVERKEY`.
    fn parse_scram(text: &str) -> Result<Self, HashError> {
        let (rounds_and_salt, keys) = text.split_once('$').ok_or(HashError::Parts)?;
        let (rounds, salt) = rounds_and_salt.split_once(':').ok_or(HashError::Parts)?;
        let (key, server_key) = keys.split_once(':').ok_or(HashError::Parts)?;
        let rounds = number(rounds, MAXIMUM_ROUNDS)?;
        let rounds = NonZeroU32::new(rounds).ok_or(HashError::Cost)?;
        let [salt, hash, server_key] = [salt, key, server_key].map(|part| STANDARD.decode(part));
        let server_key = bytes(server_key)?;
        Ok(PasswordHash {
            method: Method::Scram { rounds, server_key },
            salt: bytes(salt)?,
            hash: bytes(hash)?,
        })
    }

    /// The keys of SCRAM, if that is what this is.
    pub(crate) fn scram(&self) -> Option<ScramKeys> {
        let Method::Scram { rounds, server_key } = &self.method else {
            return None;
        };
        Some(ScramKeys {
            rounds: *rounds,
            salt: self.salt.clone(),
            stored_key: self.hash.clone(),
            server_key: server_key.clone(),
        })
    }

    /// Hashes a password with a fresh salt.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub fn of(password: &[u8], kind: HashKind) -> Result<Self, NoRandomness> {
        let (method, salt_bytes) = match kind {
            HashKind::Argon2id => (Method::Argon2id(Params::DEFAULT), 16),
            HashKind::Pbkdf2 { rounds } => {
                let rounds = NonZeroU32::new(rounds.min(MAXIMUM_ROUNDS));
                let usual = NonZeroU32::new(ROUNDS).expect("101 is not 0");
                let rounds = rounds.unwrap_or(usual);
                (Method::Pbkdf2 { rounds }, 12)
            }
            HashKind::Sha512 => (Method::Sha512, 12),
            HashKind::Scram => {
                let rounds = NonZeroU32::new(SCRAM_ROUNDS).expect("4,096 is not 0");
                let server_key = Vec::new();
                (Method::Scram { rounds, server_key }, 16)
            }
        };
        let mut salt = vec![0; salt_bytes];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| NoRandomness)?;
        let length = match method {
            Method::Argon2id(_) => Params::DEFAULT_OUTPUT_LEN,
            _ => SHA512_BYTES,
        };
        let mut new = PasswordHash {
            method,
            salt,
            hash: vec![0; length],
        };
        let computed = new.compute(password, &mut HashMemory::default());
        new.hash = computed.unwrap_or_default();
        if let Method::Scram { rounds, server_key } = &mut new.method {
            *server_key = scram_key(*rounds, &new.salt, password, b"Server Key");
        }
        Ok(new)
    }

    /// Whether this is the hash of `password`. Takes as long as its kind is meant to take, and as
    /// long if it is not.
    pub fn verify(&self, password: &[u8], memory: &mut HashMemory) -> bool {
        let computed = self.compute(password, memory);
        computed.is_some_and(|computed| same(&computed, &self.hash))
    }

    /// Tells this hash from others, of another password or with another salt.
    pub fn fingerprint(&self) -> u32 {
        let sum = digest::digest(&digest::SHA256, self.to_string().as_bytes());
        sum.as_ref()[..4]
            .iter()
            .fold(0, |all, byte| all << 8 | u32::from(*byte))
    }

    /// Whether [`verify`](Self::verify) is over in a few microseconds.
    pub fn is_quick(&self) -> bool {
        self.method == Method::Sha512
    }

    /// The hash of a password with this method, salt and length. `None`: there is no such hash.
    fn compute(&self, password: &[u8], memory: &mut HashMemory) -> Option<Vec<u8>> {
        let mut computed = vec![0; self.hash.len()];
        match &self.method {
            Method::Sha512 => {
                let mut context = digest::Context::new(&digest::SHA512);
                context.update(password);
                context.update(&self.salt);
                computed = context.finish().as_ref().to_vec();
            }
            Method::Pbkdf2 { rounds } => {
                pbkdf2::derive(PBKDF2, *rounds, &self.salt, password, &mut computed);
            }
            Method::Scram { rounds, .. } => {
                let client_key = scram_key(*rounds, &self.salt, password, b"Client Key");
                computed = digest::digest(&digest::SHA256, &client_key)
                    .as_ref()
                    .to_vec();
            }
            Method::Argon2id(params) => {
                let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let blocks = memory.blocks(params.block_count());
                argon
                    .hash_password_into_with_memory(password, &self.salt, &mut computed, blocks)
                    .ok()?;
            }
        }
        Some(computed)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match &self.method {
            Method::Sha512 => {
                f.write_str("$6$")?;
                &STANDARD
            }
            Method::Pbkdf2 { rounds } => {
                write!(f, "$7${rounds}$")?;
                &STANDARD
            }
            Method::Scram { rounds, server_key } => {
                let [salt, key, server_key] =
                    [&self.salt, &self.hash, server_key].map(|it| STANDARD.encode(it));
                return write!(f, "{SCRAM}{rounds}:{salt}${key}:{server_key}");
            }
            Method::Argon2id(params) => {
                let (kib, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
                write!(f, "$argon2id$v=19$m={kib},t={passes},p={lanes}$")?;
                &STANDARD_NO_PAD
            }
        };
        let (salt, hash) = (engine.encode(&self.salt), engine.encode(&self.hash));
        write!(f, "{salt}${hash}")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.method {
            Method::Sha512 => "sha512",
            Method::Pbkdf2 { .. } => "pbkdf2",
            Method::Argon2id(_) => "argon2id",
            Method::Scram { .. } => "scram",
        };
        write!(f, "PasswordHash({kind}, ***)")
    }
}

/// What a Server has of a user's password for SCRAM-SHA-256.
pub(crate) struct ScramKeys {
    pub(crate) rounds: NonZeroU32,
    pub(crate) salt: Vec<u8>,
    pub(crate) stored_key: Vec<u8>,
    pub(crate) server_key: Vec<u8>,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(***)")
    }
}

/// One of the keys that SCRAM-SHA-256 makes of a password.
fn scram_key(rounds: NonZeroU32, salt: &[u8], password: &[u8], name: &[u8]) -> Vec<u8> {
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        salt,
        password,
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    hmac::sign(&key, name).as_ref().to_vec()
}

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

/// Compares in a time that does not tell where the first difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

fn bytes(decoded: Result<Vec<u8>, base64::DecodeError>) -> Result<Vec<u8>, HashError> {
    let bytes = decoded.map_err(|_| HashError::Base64)?;
    let fits = !bytes.is_empty() && bytes.len() <= MAXIMUM_BYTES;
    fits.then_some(bytes).ok_or(HashError::Base64)
}

fn number(text: &str, maximum: u32) -> Result<u32, HashError> {
    let number: u32 = text.parse().map_err(|_| HashError::Cost)?;
    (number <= maximum).then_some(number).ok_or(HashError::Cost)
}

/// `m=KIB,t=PASSES,p=LANES`.
fn argon2_cost(text: &str) -> Result<Params, HashError> {
    let mut costs = text.split(',');
    let mut cost = |name: &str, maximum| {
        let value = costs.next().and_then(|cost| cost.strip_prefix(name));
        number(value.ok_or(HashError::Cost)?, maximum)
    };
    let kib = cost("m=", MAXIMUM_KIB)?;
    let passes = cost("t=", MAXIMUM_PASSES)?;
    let lanes = cost("p=", MAXIMUM_LANES)?;
    if costs.next().is_some() {
        return Err(HashError::Cost);
    }
    Params::new(kib, passes, lanes, None).map_err(|_| HashError::Cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_verifies_what_it_has_hashed_and_is_read_as_it_is_written() {
        let kinds = [
            HashKind::Argon2id,
            HashKind::Pbkdf2 { rounds: 0 },
            HashKind::Pbkdf2 { rounds: 1000 },
            HashKind::Sha512,
            HashKind::Scram,
        ];
        for kind in kinds {
            let hash = PasswordHash::of("päss:word$".as_bytes(), kind).unwrap();
            assert!(
                hash.verify("päss:word$".as_bytes(), &mut HashMemory::default()),
                "{kind:?}"
            );
            assert!(
                !hash.verify(b"pass:word$", &mut HashMemory::default()),
                "{kind:?}"
            );
            let read = PasswordHash::parse(&hash.to_string()).unwrap();
            assert!(read == hash, "{hash}");
            assert!(!format!("{hash:?}").contains(&STANDARD.encode(&hash.hash)));
        }
    }

    #[test]
    fn what_mosquitto_passwd_wrote_is_understood() {
        let erin = "$7$101$LS7ND4619SMH1vaT$vmOh5vtLhALu9Zlu0m7MIzlKDWbEqwqMhiW3NOk6Yd8orVzw1QQkmLvmLbk5JlkzbK3y9ouSFOuWeaHwzxkt0g==";
        let frank = "$6$JhtbaV8J4Q7Kv88b$jPPNgcZSYAOKTcypt8feXYdLhas6WAzL2qCRzyvN6Gwy2RaZTKRVT49wLv6lR6d7ua3KkPh9i7r84+dTQNxG/A==";
        for (hash, right, wrong) in [(erin, b"e", b"f"), (frank, b"f", b"e")] {
            let hash = PasswordHash::parse(hash).unwrap();
            let mut memory = HashMemory::default();
            assert!(
                hash.verify(right, &mut memory) && !hash.verify(wrong, &mut memory),
                "{hash}"
            );
        }
    }

    #[test]
    fn bad_hashes_have_a_name() {
        let cases = [
            ("", HashError::Kind),
            ("plain", HashError::Kind),
            ("$5$a$b", HashError::Kind),
            ("$6", HashError::Parts),
            ("$6$AAAA", HashError::Parts),
            ("$6$AAAA$AAAA$AAAA", HashError::Parts),
            ("$6$!$AAAA", HashError::Base64),
            ("$6$$AAAA", HashError::Base64),
            ("$7$0$AAAA$AAAA", HashError::Cost),
            ("$7$4000000000$AAAA$AAAA", HashError::Cost),
            ("$7$-1$AAAA$AAAA", HashError::Cost),
            (
                "$argon2id$v=16$m=8,t=1,p=1$AAAAAAAAAAA$AAAA",
                HashError::Kind,
            ),
            ("$argon2id$v=19$m=8,t=1$AAAAAAAAAAA$AAAA", HashError::Cost),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$AAAA$AAAA",
                HashError::Cost,
            ),
            (
                "$argon2i$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAA",
                HashError::Kind,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(PasswordHash::parse(text).err(), Some(error), "{text}");
        }
    }
}
