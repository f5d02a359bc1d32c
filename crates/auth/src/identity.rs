//! Who a Client has turned out to be.

use std::net::IpAddr;
use std::sync::Arc;

use dunlin_core::Timestamp;

use crate::acl::TokenRules;

/// How it is known who a Client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// It is not known: Clients without a User Name are let in, or nobody's is asked for.
    Anonymous = 1,
    /// By its password.
    Password = 2,
    /// By the certificate that it showed in the TLS handshake.
    Certificate = 3,
    /// By a token (JWT).
    Token = 4,
    /// A server was asked over HTTP.
    Http = 5,
    /// By SCRAM.
    Scram = 6,
    /// As [`Anonymous`](Method::Anonymous), but that it is on this machine.
    Local = 7,
}

impl Method {
    const ALL: [Method; 7] = [
        Method::Anonymous,
        Method::Password,
        Method::Certificate,
        Method::Token,
        Method::Http,
        Method::Scram,
        Method::Local,
    ];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Anonymous => "anonymous",
            Method::Password => "password",
            Method::Certificate => "certificate",
            Method::Token => "token",
            Method::Http => "http",
            Method::Scram => "scram",
            Method::Local => "local",
        }
    }
}

/// Which Clients are let in whom nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// None.
    #[default]
    Nobody,
    /// Those on this machine, by their addresses.
    ThisMachine,
    /// All.
    Everybody,
}

/// Whether an address is one of this machine alone. None: a Unix socket.
pub fn is_local(address: Option<IpAddr>) -> bool {
    address.is_none_or(|address| address.to_canonical().is_loopback())
}

/// A Client that has been let in.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its User Name. Of an anonymous one, what it calls itself.
    pub user_name: Option<Arc<str>>,
    /// How it is known.
    pub method: Method,
    /// Tells its credentials from later ones of the same user.
    pub fingerprint: u32,
    /// When it must go.
    pub expires_at: Timestamp,
    /// What it may do beyond what is configured for it.
    pub further: Further,
}

/// Roles and rules that come with a token or an answer.
#[derive(Clone, Debug, Default)]
pub struct Further {
    /// Names of roles.
    pub roles: Vec<Box<str>>,
    /// Rules of its own.
    pub rules: Option<TokenRules>,
}

impl Identity {
    /// One that is let in although nobody knows it.
    pub(crate) fn unknown(user_name: Option<Arc<str>>, address: Option<IpAddr>) -> Self {
        let method = match is_local(address) {
            true => Method::Local,
            false => Method::Anonymous,
        };
        Identity::new(user_name, method)
    }

    /// One that nothing else is known of.
    pub fn new(user_name: Option<Arc<str>>, method: Method) -> Self {
        Identity {
            user_name,
            method,
            fingerprint: 0,
            expires_at: Timestamp::NEVER,
            further: Further::default(),
        }
    }
}

/// What [`Grant::source`](dunlin_core::Grant::source) says: by which listener and how a Client came
/// in, to look at it again when the rules have changed. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The listener's number.
    pub listener: u16,
    /// How the Client is known.
    pub method: Method,
    /// As in [`Identity::fingerprint`].
    pub fingerprint: u32,
}

impl Source {
    /// As one number: method, listener and fingerprint from the highest bits on.
    pub fn to_number(self) -> u64 {
        let (method, listener) = (u64::from(self.method as u8), u64::from(self.listener));
        method << 48 | listener << 32 | u64::from(self.fingerprint)
    }

    /// The other way. `None`: a number that this has not made.
    pub fn from_number(number: u64) -> Option<Self> {
        let is = |method: &&Method| **method as u64 == number >> 48;
        Some(Source {
            method: *Method::ALL.iter().find(is)?,
            listener: (number >> 32) as u16,
            fingerprint: number as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_however_it_is_written() {
        let local = |text: &str| is_local(Some(text.parse().unwrap()));
        assert!(
            ["127.0.0.1", "127.9.0.2", "::1", "::ffff:127.0.0.1"]
                .into_iter()
                .all(local)
        );
        assert!(
            !["0.0.0.0", "192.0.2.2", "fe80::1", "::ffff:10.0.0.1"]
                .into_iter()
                .any(local)
        );
        assert!(is_local(None));
    }

    #[test]
    fn a_source_survives_being_a_number() {
        for method in Method::ALL {
            let source = Source {
                listener: 0xabcd,
                method,
                fingerprint: 0x1234_5678,
            };
            assert_eq!(Source::from_number(source.to_number()), Some(source));
        }
        assert_eq!(Source::from_number(0), None);
    }
}
