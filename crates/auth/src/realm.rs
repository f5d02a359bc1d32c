//! What holds for the Clients of one listener: who is let in, as whom, and what they may do.
//!
//! A CONNECT goes down this chain until a link knows the answer:
//!
//! ```text
//!   certificate   where it is to give the User Name, and there is one or must be: that one, or refused
//!   token         a Password that is one, where keys are known: its user, or refused
//!   password      a User Name that is known here: Slow, then right or wrong
//!   http          a server is asked: Slow, then yes, no, or "ask others"
//!   anonymous     no User Name, or nobody who could know it; perhaps of this machine alone
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use dunlin_core::{Access, Grant, MountPoint, Review};

use crate::acl::{AclFile, Permissions, Roles};
use crate::certificate::{self, NameFrom};
use crate::http::{Http, HttpRequest};
use crate::identity::{Anonymous, Identity, Method, Source};
use crate::jwt::{Jwt, Refresh, TokenError, looks_like_token};
use crate::password::{HashMemory, PasswordFile, PasswordHash, Verified};

/// The rules of one listener.
#[derive(Clone, Debug)]
pub struct Realm {
    /// The listener's number.
    pub listener: u16,
    /// Which Clients without a User Name are let in; where nobody knows any users, those with one
    /// are, too.
    pub anonymous: Anonymous,
    /// What of a certificate is the User Name, if anything.
    pub name_from: Option<NameFrom>,
    /// Whether a Client without a certificate has the User Name of its CONNECT.
    pub may_lack_certificate: bool,
    /// Whether the User Name is the Client Identifier as well.
    pub user_name_is_client_id: bool,
    /// What stands before all topics of the Clients.
    pub mount_point: Option<MountPoint>,
    /// Judges tokens.
    pub jwt: Option<Arc<Jwt>>,
    /// Users and the hashes of their passwords. `None`: no passwords are checked.
    pub passwords: Option<Arc<PasswordFile>>,
    /// Passwords that were right.
    pub verified: Arc<Verified>,
    /// A server that is asked.
    pub http: Option<Arc<Http>>,
    /// Rules in Mosquitto's format.
    pub acl: Option<Arc<AclFile>>,
    /// Rules as roles.
    pub roles: Arc<Roles>,
}

/// What a Client shows of itself.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The Client Identifier, which may be one that the broker chose.
    pub client_id: &'a str,
    /// The User Name.
    pub user_name: Option<&'a str>,
    /// The Password.
    pub password: Option<&'a [u8]>,
    /// The certificate (DER) that the TLS layer has verified.
    pub certificate: Option<&'a [u8]>,
    /// Its address; `None`: it is at a Unix socket.
    pub address: Option<IpAddr>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// What comes of it.
#[derive(Debug)]
pub enum Outcome {
    /// Let in.
    Accepted(Identity),
    /// Not let in.
    Refused(Cause),
    /// To be found out, on another thread.
    Slow(Box<Check>),
}

/// Why a Client is not let in. It is told no more than that it is not authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No User Name, and anonymous Clients are not let in.
    #[error("has no User Name, and allow_anonymous is off")]
    Anonymous,
    /// Nobody is known here, and it is not on this machine.
    #[error(
        "is not on this machine, and nothing says who else may come in: set password_file, [auth] or allow_anonymous"
    )]
    Elsewhere,
    /// A User Name that nobody knows.
    #[error("has a User Name that is not known")]
    UnknownUser,
    /// A User Name without a password.
    #[error("has shown no password")]
    NoPassword,
    /// Not the user's password.
    #[error("has shown a wrong password")]
    WrongPassword,
    /// The User Name comes from the certificate, and there is none, or none in it.
    #[error("has no certificate with a name in it")]
    NoCertificate,
    /// A token that does not count.
    #[error("has shown a token that {0}")]
    Token(TokenError),
    /// The server that was asked says no.
    #[error("is refused by the HTTP server")]
    Http,
    /// The server that was to be asked does not answer.
    #[error("cannot be judged, as the HTTP server does not answer")]
    Unavailable,
    /// It is to be called by its User Name, and has none, or has turned out to be somebody else.
    #[error("is not the user whose name its Client Identifier is")]
    OtherUser,
    /// An exchange that has gone wrong.
    #[error("has failed the authentication exchange")]
    Exchange,
}

impl Cause {
    /// Whether it looks like guessing, and is to be slowed down.
    pub const fn is_suspicious(self) -> bool {
        !matches!(
            self,
            Cause::Anonymous | Cause::Elsewhere | Cause::Unavailable | Cause::OtherUser
        )
    }
}

/// A question that takes its time.
pub enum Check {
    /// Compare a password with its hash.
    Password(PasswordCheck),
    /// Ask for the keys again, and then judge a token.
    Token {
        /// By whose keys.
        jwt: Arc<Jwt>,
        /// What.
        token: String,
        /// Whether it is still to be asked.
        refresh: Refresh,
        /// When, in seconds since 1970.
        now: u64,
    },
    /// Ask a server; then the rest of the chain.
    Http {
        /// Whom.
        http: Arc<Http>,
        /// What.
        request: HttpRequest,
        /// What holds if it knows nothing.
        otherwise: Result<Identity, Cause>,
    },
}

/// A password, and the hash to compare it with.
pub struct PasswordCheck {
    user: Arc<str>,
    password: Vec<u8>,
    hash: PasswordHash,
    /// Whether there is such a user; else it only takes the time.
    known: bool,
    verified: Arc<Verified>,
}

impl Check {
    /// Finds out: tens of milliseconds for a password, seconds for a server that does not answer.
    pub fn run(self, memory: &mut HashMemory) -> Result<Identity, Cause> {
        match self {
            Check::Password(check) => check.run(memory),
            Check::Token {
                jwt,
                token,
                refresh,
                now,
            } => jwt
                .identify_anew(&token, refresh, now)
                .map_err(Cause::Token),
            Check::Http {
                http,
                request,
                otherwise,
            } => match http.ask(&request)? {
                Some(identity) => Ok(identity),
                None => otherwise,
            },
        }
    }
}

impl PasswordCheck {
    fn run(self, memory: &mut HashMemory) -> Result<Identity, Cause> {
        let right = self.hash.verify(&self.password, memory);
        if !self.known {
            return Err(Cause::UnknownUser);
        }
        if !right {
            return Err(Cause::WrongPassword);
        }
        self.verified
            .remember(&self.user, &self.hash, &self.password);
        Ok(by_password(self.user, &self.hash))
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Check::Password(_) => "Password(***)",
            Check::Token { .. } => "Token(***)",
            Check::Http { .. } => "Http(***)",
        })
    }
}

fn by_password(user: Arc<str>, hash: &PasswordHash) -> Identity {
    Identity {
        fingerprint: hash.fingerprint(),
        ..Identity::new(Some(user), Method::Password)
    }
}

/// Judges a token by the keys that are there, unless others are to be asked for first.
fn by_token(jwt: &Arc<Jwt>, token: &[u8], now: u64) -> Outcome {
    let text = std::str::from_utf8(token).map_err(|_| TokenError::Form);
    let outcome = text.and_then(|token| jwt.identify(token, now));
    if let (Ok(token), Some(refresh)) = (text, jwt.refresh(&outcome, now)) {
        let check = Check::Token {
            jwt: jwt.clone(),
            token: token.to_owned(),
            refresh,
            now,
        };
        return Outcome::Slow(Box::new(check));
    }
    match outcome {
        Ok(identity) => Outcome::Accepted(identity),
        Err(error) => Outcome::Refused(Cause::Token(error)),
    }
}

impl Realm {
    /// Whether everybody may do everything here.
    pub fn is_open(&self) -> bool {
        let everybody_comes_in = self.anonymous == Anonymous::Everybody && !self.knows_users();
        let has_rules = self.acl.is_some() || !self.roles.is_empty();
        everybody_comes_in && !has_rules && self.mount_point.is_none()
    }

    /// What a Client is called, where that is not for its Client Identifier to say. `None`: it is; or
    /// the Client has no name, and is not let in.
    pub fn client_id(&self, user_name: Option<&str>, certificate: Option<&[u8]>) -> Option<String> {
        if !self.user_name_is_client_id {
            return None;
        }
        match self.name_from(certificate) {
            Some(from) => certificate::user_name(certificate?, from),
            None => user_name.map(str::to_owned),
        }
    }

    /// What of a certificate is the User Name, if it is to come from there.
    fn name_from(&self, certificate: Option<&[u8]>) -> Option<NameFrom> {
        let counts = certificate.is_some() || !self.may_lack_certificate;
        self.name_from.filter(|_| counts)
    }

    fn knows_users(&self) -> bool {
        self.name_from.is_some()
            || self.jwt.is_some()
            || self.passwords.is_some()
            || self.http.is_some()
    }

    /// Judges a CONNECT.
    pub fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        let certificate = credentials.certificate;
        if let Some(from) = self.name_from(certificate) {
            return match certificate.and_then(|shown| certificate::user_name(shown, from)) {
                Some(name) => {
                    let identity = Identity::new(Some(name.into()), Method::Certificate);
                    Outcome::Accepted(identity)
                }
                None => Outcome::Refused(Cause::NoCertificate),
            };
        }
        if let (Some(jwt), Some(password)) = (&self.jwt, credentials.password)
            && looks_like_token(password)
        {
            return by_token(jwt, password, credentials.now);
        }
        if let Some(user) = credentials.user_name
            && let Some(outcome) = self.by_password(user, credentials.password)
        {
            return outcome;
        }
        let user_name = credentials.user_name.map(Arc::from);
        let unknown = Identity::unknown(user_name, credentials.address);
        let otherwise = self.anonymously(&unknown).map(|()| unknown);
        match &self.http {
            Some(http) => http.outcome(credentials, otherwise),
            None => match otherwise {
                Ok(identity) => Outcome::Accepted(identity),
                Err(cause) => self.slowly_refused(credentials, cause),
            },
        }
    }

    /// `None`: the user is not known here.
    fn by_password(&self, user: &str, password: Option<&[u8]>) -> Option<Outcome> {
        let hash = self.passwords.as_ref()?.get(user)?;
        let Some(password) = password else {
            return Some(Outcome::Refused(Cause::NoPassword));
        };
        let check = PasswordCheck {
            user: user.into(),
            password: password.to_vec(),
            hash: hash.clone(),
            known: true,
            verified: self.verified.clone(),
        };
        if self.verified.knows(user, hash, password) {
            return Some(Outcome::Accepted(by_password(check.user, hash)));
        }
        if hash.is_quick() {
            let checked = check.run(&mut HashMemory::default());
            return Some(checked.map_or_else(Outcome::Refused, Outcome::Accepted));
        }
        Some(Outcome::Slow(Box::new(Check::Password(check))))
    }

    /// Whether a Client is let in whom nobody knows.
    fn anonymously(&self, unknown: &Identity) -> Result<(), Cause> {
        let is_named = unknown.user_name.is_some();
        match (self.anonymous, unknown.method) {
            _ if is_named && self.knows_users() => Err(Cause::UnknownUser),
            (Anonymous::Everybody, _) | (Anonymous::ThisMachine, Method::Local) => Ok(()),
            (Anonymous::ThisMachine, _) => Err(Cause::Elsewhere),
            (Anonymous::Nobody, _) if is_named => Err(Cause::UnknownUser),
            (Anonymous::Nobody, _) => Err(Cause::Anonymous),
        }
    }

    /// Refuses, after as long as a wrong password takes, if there are passwords.
    fn slowly_refused(&self, credentials: &Credentials<'_>, cause: Cause) -> Outcome {
        let passwords = self.passwords.as_ref();
        let decoy = passwords.and_then(|passwords| passwords.decoy());
        match (cause, decoy, credentials.password) {
            (Cause::UnknownUser, Some(decoy), Some(password)) if !decoy.is_quick() => {
                let check = PasswordCheck {
                    user: "".into(),
                    password: password.to_vec(),
                    hash: decoy.clone(),
                    known: false,
                    verified: self.verified.clone(),
                };
                Outcome::Slow(Box::new(Check::Password(check)))
            }
            _ => Outcome::Refused(cause),
        }
    }

    // ------------------------------------------------------------------- what is allowed

    /// The rules that a Client is under; `None`: everything is allowed.
    pub fn permissions(&self, identity: &Identity, client_id: &str) -> Option<Permissions> {
        let user_name = || identity.user_name.clone();
        let acl = self.acl.as_ref();
        let acl = acl.map(|acl| acl.permissions(user_name(), client_id));
        let has_roles = !self.roles.is_empty() || identity.further.rules.is_some();
        let roles = has_roles.then(|| {
            self.roles
                .permissions(user_name(), client_id, &identity.further)
        });
        match (acl, roles) {
            (Some(acl), Some(roles)) => Some(acl.or_else(roles)),
            (acl, roles) => acl.or(roles),
        }
    }

    /// What a Client is granted that has been let in.
    ///
    /// # Errors
    /// [`Cause::OtherUser`]: it may not go by this Client Identifier.
    pub fn grant(&self, identity: &Identity, client_id: &str) -> Result<Grant, Cause> {
        if self.user_name_is_client_id && identity.user_name.as_deref() != Some(client_id) {
            return Err(Cause::OtherUser);
        }
        let access = self.permissions(identity, client_id);
        let source = Source {
            listener: self.listener,
            method: identity.method,
            fingerprint: identity.fingerprint,
        };
        let is_plain = self.is_open() && identity.user_name.is_none();
        Ok(Grant {
            user_name: identity.user_name.clone(),
            mount_point: self.mount_point.clone(),
            access: access.map(|access| Arc::new(access) as Arc<dyn Access>),
            expires_at: identity.expires_at,
            source: if is_plain { 0 } else { source.to_number() },
        })
    }

    /// What [`Grant::source`] says of a user whom another broker has let in, as far as that can be known:
    /// so that [`review`](Self::review) finds out what the Client may do.
    pub fn source_of(&self, user_name: Option<&str>) -> u64 {
        let hash = user_name.and_then(|user| self.passwords.as_ref()?.get(user));
        let method = match (user_name, hash, self.name_from, &self.http) {
            (None, ..) => Method::Anonymous,
            (_, Some(_), ..) => Method::Password,
            (_, None, Some(_), _) => Method::Certificate,
            (_, None, None, Some(_)) => Method::Http,
            (_, None, None, None) => Method::Anonymous,
        };
        if self.is_open() && user_name.is_none() {
            return 0;
        }
        let source = Source {
            listener: self.listener,
            method,
            fingerprint: hash.map_or(0, PasswordHash::fingerprint),
        };
        source.to_number()
    }

    /// What becomes of a grant that a realm in this place has given before the rules changed.
    pub fn review(&self, client_id: &str, grant: &Grant, source: Source) -> Review {
        let user = grant.user_name.as_deref();
        let passwords = self.passwords.as_ref();
        let holds = match source.method {
            Method::Anonymous | Method::Local => {
                let unknown = Identity::new(grant.user_name.clone(), source.method);
                self.anonymously(&unknown).is_ok()
            }
            Method::Password | Method::Scram => {
                let hash = user.and_then(|user| passwords?.get(user));
                hash.is_some_and(|hash| hash.fingerprint() == source.fingerprint)
            }
            Method::Certificate => self.name_from.is_some(),
            Method::Token => self.jwt.is_some(),
            Method::Http => self.http.is_some(),
        };
        if !holds {
            return Review::End;
        }
        let further = grant.access.as_deref().and_then(Permissions::of);
        let further = further.map(|permissions| permissions.further.clone());
        let identity = Identity {
            user_name: grant.user_name.clone(),
            method: source.method,
            fingerprint: source.fingerprint,
            expires_at: grant.expires_at,
            further: further.unwrap_or_default(),
        };
        let grant = self.grant(&identity, client_id);
        grant.map_or(Review::End, Review::Replace)
    }
}
