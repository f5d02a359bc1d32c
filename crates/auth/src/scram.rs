//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the Server's side: a Client proves that it knows a password
//! without showing it, and the Server that it knows the user.
//!
//! ```text
//!   Client                                              Server
//!     n,,n=USER,r=NONCE ──────────────────────────────▶   begin    (CONNECT, or AUTH 0x19)
//!          ◀────────────── r=NONCE+OURS,s=SALT,i=ROUNDS            (AUTH 0x18)
//!     c=biws,r=NONCE+OURS,p=PROOF ────────────────────▶   finish   (AUTH 0x18)
//!          ◀────────────────────────────── v=SIGNATURE             (CONNACK, or AUTH 0x00)
//! ```
//!
//! Without channel binding. Passwords are compared as they are, without normalization.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use crate::password::{PasswordFile, ScramKeys};

/// The Authentication Method.
pub const METHOD: &str = "SCRAM-SHA-256";

/// Bytes of a message that is looked at.
const MAXIMUM_BYTES: usize = 4096;

/// Rounds that are named for a user who is not known.
const USUAL_ROUNDS: u32 = 4096;

/// An exchange after its first message.
#[derive(Debug)]
pub struct Exchange {
    user: Box<str>,
    /// `None`: nobody has this name, which shows only at the end.
    keys: Option<ScramKeys>,
    /// The first message without its head, and the answer to it.
    said: String,
    /// Both nonces.
    nonce: String,
}

/// The exchange has failed: a message that is not one, or not the user's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exchange has failed")]
pub struct Failed;

impl Exchange {
    /// Takes the Client's first message; gives the answer.
    ///
    /// # Errors
    /// When it is not one, or wants channel binding.
    pub fn begin(data: &[u8], users: &PasswordFile) -> Result<(Self, Vec<u8>), Failed> {
        let message = text(data)?;
        let rest = message
            .strip_prefix("n,,")
            .or_else(|| message.strip_prefix("y,,"));
        let bare = rest.ok_or(Failed)?;
        let mut fields = bare.split(',');
        let user = fields.next().and_then(|field| field.strip_prefix("n="));
        let user = unescape(user.ok_or(Failed)?)?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let nonce = nonce.filter(|nonce| !nonce.is_empty()).ok_or(Failed)?;
        let mut own = [0; 18];
        SystemRandom::new().fill(&mut own).map_err(|_| Failed)?;
        let nonce = format!("{nonce}{}", STANDARD.encode(own));
        let keys = users.get(&user).and_then(|hash| hash.scram());
        let (salt, rounds) = match &keys {
            Some(keys) => (keys.salt.clone(), keys.rounds.get()),
            None => (users.salt_of_nobody(&user), USUAL_ROUNDS),
        };
        let answer = format!("r={nonce},s={},i={rounds}", STANDARD.encode(salt));
        let exchange = Exchange {
            user: user.into(),
            keys,
            said: format!("{bare},{answer}"),
            nonce,
        };
        Ok((exchange, answer.into_bytes()))
    }

    /// Takes the Client's last message; gives the user's name and the answer.
    ///
    /// # Errors
    /// When it does not prove that the Client knows the password.
    pub fn finish(self, data: &[u8]) -> Result<(Box<str>, Vec<u8>), Failed> {
        let message = text(data)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Failed)?;
        let mut fields = without_proof.split(',');
        // The head of the first message again, in base64: "n,," or "y,,".
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        if !matches!(binding, Some("biws" | "eSws")) || nonce != Some(&self.nonce) {
            return Err(Failed);
        }
        let keys = self.keys.ok_or(Failed)?;
        let all = format!("{},{without_proof}", self.said);
        let mut client_key = STANDARD.decode(proof).map_err(|_| Failed)?;
        let stored = hmac::Key::new(hmac::HMAC_SHA256, &keys.stored_key);
        let signature = hmac::sign(&stored, all.as_bytes());
        if client_key.len() != signature.as_ref().len() {
            return Err(Failed);
        }
        for (byte, mask) in client_key.iter_mut().zip(signature.as_ref()) {
            *byte ^= mask;
        }
        let computed = digest::digest(&digest::SHA256, &client_key);
        if !crate::password::same(computed.as_ref(), &keys.stored_key) {
            return Err(Failed);
        }
        let server = hmac::Key::new(hmac::HMAC_SHA256, &keys.server_key);
        let signature = hmac::sign(&server, all.as_bytes());
        let answer = format!("v={}", STANDARD.encode(signature.as_ref()));
        Ok((self.user, answer.into_bytes()))
    }
}

fn text(data: &[u8]) -> Result<&str, Failed> {
    if data.len() > MAXIMUM_BYTES {
        return Err(Failed);
    }
    std::str::from_utf8(data).map_err(|_| Failed)
}

/// A name in which `=2C` stands for a comma and `=3D` for an equals sign.
fn unescape(name: &str) -> Result<String, Failed> {
    let mut out = String::new();
    let mut parts = name.split('=');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) = match part.as_bytes() {
            [b'2', b'C', ..] => (',', &part[2..]),
            [b'3', b'D', ..] => ('=', &part[2..]),
            _ => return Err(Failed),
        };
        out.push(sign);
        out.push_str(rest);
    }
    match out.is_empty() {
        true => Err(Failed),
        false => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use ring::pbkdf2;

    use super::*;
    use crate::password::HashMemory;
    use crate::password::{HashKind, PasswordHash};

    fn users() -> PasswordFile {
        let mut users = PasswordFile::default();
        let hash = PasswordHash::of(b"pencil", HashKind::Scram).unwrap();
        users.insert("us,er", PasswordHash::parse(&hash.to_string()).unwrap());
        users
    }

    /// The Client's side: its last message, and the answer that it waits for.
    fn answer(password: &[u8], first: &str, challenge: &[u8]) -> (String, String) {
        let challenge = std::str::from_utf8(challenge).unwrap();
        let field = |name| challenge.split(',').find_map(|it| it.strip_prefix(name));
        let salt = STANDARD.decode(field("s=").unwrap()).unwrap();
        let rounds = field("i=").unwrap().parse().unwrap();
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password,
            &mut salted,
        );
        let mac = |key: &[u8], text: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::sign(&key, text).as_ref().to_vec()
        };
        let client_key = mac(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client_key);
        let last = format!("c=biws,r={}", field("r=").unwrap());
        let all = format!("{},{challenge},{last}", &first[3..]);
        let signature = mac(stored.as_ref(), all.as_bytes());
        let proof: Vec<_> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let server = mac(&mac(&salted, b"Server Key"), all.as_bytes());
        let last = format!("{last},p={}", STANDARD.encode(proof));
        (last, format!("v={}", STANDARD.encode(server)))
    }

    #[test]
    fn the_right_password_is_proven_on_both_sides() {
        let first = "n,,n=us=2Cer,r=abc";
        let (exchange, challenge) = Exchange::begin(first.as_bytes(), &users()).unwrap();
        let (last, expected) = answer(b"pencil", first, &challenge);
        let (user, told) = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!((&*user, told), ("us,er", expected.into_bytes()));
    }

    #[test]
    fn another_password_or_user_fails_at_the_end() {
        let users = users();
        for (first, password) in [("n,,n=us=2Cer,r=abc", "pen"), ("n,,n=x,r=abc", "pencil")] {
            let (exchange, challenge) = Exchange::begin(first.as_bytes(), &users).unwrap();
            let (last, _) = answer(password.as_bytes(), first, &challenge);
            assert_eq!(exchange.finish(last.as_bytes()), Err(Failed), "{first}");
        }
        let salt = |user: &str| {
            let first = format!("n,,n={user},r=abc");
            let challenge = Exchange::begin(first.as_bytes(), &users).unwrap().1;
            let challenge = String::from_utf8(challenge).unwrap();
            challenge.split(',').nth(1).unwrap().to_owned()
        };
        assert_eq!(salt("x"), salt("x"), "nobody can be told from somebody");
        assert_ne!(salt("x"), salt("y"));
    }

    #[test]
    fn the_published_example_holds() {
        // The user and password of RFC 7677, section 3, with its salt and rounds.
        let stored = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        let hash = PasswordHash::parse(stored).unwrap();
        let memory = &mut HashMemory::default();
        assert!(hash.verify(b"pencil", memory) && !hash.verify(b"Pencil", memory));
        assert_eq!(hash.to_string(), stored);
    }

    #[test]
    fn what_is_no_message_fails() {
        let users = users();
        for first in [
            "",
            "n,,",
            "n,,n=a",
            "n,,n=a,r=",
            "p=x,,n=a,r=b",
            "n,,n=,r=b",
            "n,,n=a=x,r=b",
        ] {
            assert!(
                Exchange::begin(first.as_bytes(), &users).is_err(),
                "{first}"
            );
        }
        for last in ["", "c=biws", "c=biws,r=x,p=AAAA", ",p=", "c=biws,r=abc,p=!"] {
            let first = b"n,,n=us=2Cer,r=abc";
            let (exchange, _) = Exchange::begin(first, &users).unwrap();
            assert_eq!(exchange.finish(last.as_bytes()), Err(Failed), "{last}");
        }
    }
}
