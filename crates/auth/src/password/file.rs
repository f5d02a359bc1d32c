//! The password file: a line `user:hash` for each user, as `mosquitto_passwd` writes it.

use std::collections::HashMap;
use std::fmt;

use ring::hmac;
use thiserror::Error;

use super::hash::{HashError, HashKind, NoRandomness, PasswordHash};

/// The users of a password file.
#[derive(Clone, Debug, Default)]
pub struct PasswordFile {
    users: HashMap<Box<str>, PasswordHash>,
    /// Takes the time of a real one where a user is not known; a hash of nobody's password.
    decoy: Option<PasswordHash>,
    skipped: Vec<Skipped>,
}

/// A line that counts for nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its number, from 1.
    pub line: usize,
    /// The user, as far as the line names one.
    pub user: Box<str>,
    /// What is wrong.
    pub why: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// There is no colon after the user's name, or no name before it.
    #[error("is not of the form user:hash")]
    Form,
    /// There is nothing after the colon. Mosquitto lets such a user in with any password; here it
    /// cannot log in.
    #[error("has no hash: this user cannot log in")]
    NoHash,
    /// The user was on an earlier line, which counts.
    #[error("names a user for the second time: the first line counts")]
    Again,
    /// The hash is not one.
    #[error("{0}")]
    Hash(#[from] HashError),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} ({}) {}", self.line, self.user, self.why)
    }
}

impl PasswordFile {
    /// Reads a file. Lines with a fault, and the users on them, are left out and listed in
    /// [`skipped`](Self::skipped); empty lines and those that begin with `#` mean nothing.
    pub fn parse(text: &str) -> Self {
        let mut file = PasswordFile::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = line.split_once(':').unwrap_or((line, ""));
            if let Err(why) = file.add(user, hash, line.contains(':')) {
                let (line, user) = (index + 1, user.into());
                file.skipped.push(Skipped { line, user, why });
            }
        }
        file
    }

    fn add(&mut self, user: &str, hash: &str, has_colon: bool) -> Result<(), Fault> {
        let user = user.trim();
        if !has_colon || user.is_empty() {
            return Err(Fault::Form);
        }
        if hash.trim().is_empty() {
            return Err(Fault::NoHash);
        }
        if self.users.contains_key(user) {
            return Err(Fault::Again);
        }
        let hash = PasswordHash::parse(hash.trim())?;
        self.decoy.get_or_insert_with(|| hash.clone());
        self.users.insert(user.into(), hash);
        Ok(())
    }

    /// Adds a user whose hash was written elsewhere.
    pub fn insert(&mut self, user: &str, hash: PasswordHash) {
        self.decoy.get_or_insert_with(|| hash.clone());
        self.users.insert(user.into(), hash);
    }

    /// The hash of a user's password.
    pub fn get(&self, user: &str) -> Option<&PasswordHash> {
        self.users.get(user)
    }

    /// What to compare with for a user who is not known, so that it takes as long.
    pub fn decoy(&self) -> Option<&PasswordHash> {
        self.decoy.as_ref()
    }

    /// A salt for a user whom there is not: the same for the same name, as long as the file is.
    pub(crate) fn salt_of_nobody(&self, user: &str) -> Vec<u8> {
        let decoy = self.decoy.as_ref().map(ToString::to_string);
        let key = hmac::Key::new(hmac::HMAC_SHA256, decoy.unwrap_or_default().as_bytes());
        let tag = hmac::sign(&key, user.as_bytes());
        tag.as_ref()[..16].to_vec()
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The lines that were left out.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    // ---------------------------------------------------------------------- editing

    /// The text of a file with a user's hash in it, new or instead of the old one; all else stays as
    /// it is.
    ///
    /// # Errors
    /// When the name cannot be written in such a file.
    pub fn with_user(text: &str, user: &str, hash: &PasswordHash) -> Result<String, EditError> {
        check_name(user)?;
        let new = format!("{user}:{hash}");
        let mut replaced = false;
        let mut lines: Vec<&str> = Vec::new();
        for line in text.lines() {
            if !is_of(line, user) {
                lines.push(line);
            } else if !std::mem::replace(&mut replaced, true) {
                lines.push(&new);
            }
        }
        if !replaced {
            lines.push(&new);
        }
        Ok(joined(&lines))
    }

    /// The text of a file without a user.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn without_user(text: &str, user: &str) -> Result<String, EditError> {
        let lines: Vec<&str> = text.lines().filter(|line| !is_of(line, user)).collect();
        if lines.len() == text.lines().count() {
            return Err(EditError::NoSuchUser(user.to_owned()));
        }
        Ok(joined(&lines))
    }

    /// The text of a file in which plain passwords have been replaced by their hashes.
    ///
    /// # Errors
    /// When a line has the form of a hash and is none, for then it may be meant as either.
    pub fn upgraded(text: &str, kind: HashKind) -> Result<String, EditError> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let plain = line.split_once(':').filter(|_| !line.starts_with('#'));
            match plain {
                Some((user, password)) if !looks_like_hash(password) => {
                    let hash = PasswordHash::of(password.as_bytes(), kind)?;
                    lines.push(format!("{user}:{hash}"));
                }
                Some((_, hash)) => {
                    let line_number = index + 1;
                    PasswordHash::parse(hash.trim())
                        .map_err(|error| EditError::Hash(line_number, error))?;
                    lines.push(line.to_owned());
                }
                None => lines.push(line.to_owned()),
            }
        }
        Ok(joined(&lines))
    }
}

/// Why a password file cannot be changed as asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// A name that would not be read again as it was written.
    #[error(
        "a user's name is not empty, has no colon and no line break, and does not begin with #"
    )]
    Name,
    /// There is nobody of that name.
    #[error("there is no user {0}")]
    NoSuchUser(String),
    /// Something that looks like a hash, and is not one.
    #[error("line {0} {1}")]
    Hash(usize, HashError),
    /// No salt can be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

fn check_name(user: &str) -> Result<(), EditError> {
    let fits = !user.is_empty()
        && user.trim() == user
        && !user.starts_with('#')
        && !user.contains([':', '\n', '\r', '\0']);
    fits.then_some(()).ok_or(EditError::Name)
}

/// Whether a password is meant as a hash.
fn looks_like_hash(text: &str) -> bool {
    text.starts_with('$') || text.starts_with("SCRAM-SHA-256$")
}

fn is_of(line: &str, user: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| name == user)
}

fn joined(lines: &[impl AsRef<str>]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::HashMemory;

    #[test]
    fn faulty_lines_are_left_out_and_named() {
        let hash = PasswordHash::of(b"x", HashKind::Sha512).unwrap();
        let text =
            format!("# users\n\nalice:{hash}\nbob\nbob:\nalice:{hash}\ncarol:$9$\n:{hash}\r\n");
        let file = PasswordFile::parse(&text);
        assert_eq!(file.len(), 1);
        assert!(
            file.get("alice")
                .unwrap()
                .verify(b"x", &mut HashMemory::default())
        );
        let skipped: Vec<_> = file.skipped().iter().map(|it| (it.line, it.why)).collect();
        let expected = [
            (4, Fault::Form),
            (5, Fault::NoHash),
            (6, Fault::Again),
            (7, Fault::Hash(HashError::Kind)),
            (8, Fault::Form),
        ];
        assert_eq!(skipped, expected);
    }

    #[test]
    fn users_are_added_changed_and_removed() {
        let hash = PasswordHash::of(b"x", HashKind::Sha512).unwrap();
        let text = PasswordFile::with_user("# kept\nbob:plain\n", "alice", &hash).unwrap();
        assert_eq!(text, format!("# kept\nbob:plain\nalice:{hash}\n"));
        let text = PasswordFile::with_user(&text, "bob", &hash).unwrap();
        assert_eq!(text, format!("# kept\nbob:{hash}\nalice:{hash}\n"));
        let text = PasswordFile::without_user(&text, "bob").unwrap();
        assert_eq!(text, format!("# kept\nalice:{hash}\n"));
        let error = PasswordFile::without_user(&text, "bob").unwrap_err();
        assert_eq!(error, EditError::NoSuchUser("bob".to_owned()));
        for name in ["", "a:b", "#a", "a\nb", " a"] {
            let error = PasswordFile::with_user("", name, &hash).unwrap_err();
            assert_eq!(error, EditError::Name, "{name:?}");
        }
    }

    #[test]
    fn plain_passwords_become_hashes() {
        let hash = PasswordHash::of(b"x", HashKind::Sha512).unwrap();
        let text = format!("# kept\nalice:secret\nbob:{hash}\n");
        let text = PasswordFile::upgraded(&text, HashKind::Pbkdf2 { rounds: 0 }).unwrap();
        let file = PasswordFile::parse(&text);
        assert!(
            file.get("alice")
                .unwrap()
                .verify(b"secret", &mut HashMemory::default())
        );
        assert!(
            file.get("bob")
                .unwrap()
                .verify(b"x", &mut HashMemory::default())
        );
        assert!(PasswordFile::upgraded("a:$9$", HashKind::default()).is_err());
    }
}
