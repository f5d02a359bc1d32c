//! Until when certificates and revocation lists are valid. Who is named in them, others read.
//!
//! Whether they are genuine is not judged here: this reader has to be right about well-formed ones,
//! and safe for all.

use std::time::SystemTime;

use super::der::{INTEGER, Reader, SEQUENCE};

const VERSION: u8 = 0xa0;

/// How long the files of a listener are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validities {
    /// The server's own certificate.
    pub certificate: Validity,
    /// When the first of the authorities ends from which Clients' certificates come.
    pub authorities: Option<SystemTime>,
    /// When the first of the revocation lists has to be replaced: from then on, no Client of its
    /// authority is let in.
    pub revocations: Option<SystemTime>,
}

/// How long a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From here on,
    pub not_before: SystemTime,
    /// up to here.
    pub not_after: SystemTime,
}

impl Validity {
    /// Reads it in a certificate in DER; `None` if that is not well-formed.
    pub fn of(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).next(SEQUENCE)?);
        let mut tbs = Reader(certificate.next(SEQUENCE)?);
        if tbs.tag() == Some(VERSION) {
            tbs.next(VERSION)?;
        }
        tbs.next(INTEGER)?; // serial number
        tbs.next(SEQUENCE)?; // signature algorithm
        tbs.next(SEQUENCE)?; // issuer
        let mut validity = Reader(tbs.next(SEQUENCE)?);
        Some(Self {
            not_before: validity.time()?,
            not_after: validity.time()?,
        })
    }
}

/// When a revocation list in DER has to be replaced; `None` if it does not say, or is not
/// well-formed.
pub(super) fn next_update(der: &[u8]) -> Option<SystemTime> {
    let mut list = Reader(Reader(der).next(SEQUENCE)?);
    let mut tbs = Reader(list.next(SEQUENCE)?);
    if tbs.tag() == Some(INTEGER) {
        tbs.next(INTEGER)?; // version
    }
    tbs.next(SEQUENCE)?; // signature algorithm
    tbs.next(SEQUENCE)?; // issuer
    tbs.time()?; // this update
    tbs.time()
}

/// The earlier of two times, as far as they are known.
pub(super) fn earliest(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_well_formed_is_none() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x00",
        ] {
            assert_eq!(Validity::of(bytes), None);
            assert_eq!(next_update(bytes), None);
        }
    }

    #[test]
    fn a_time_that_is_known_is_earlier_than_none() {
        let (early, late) = (SystemTime::UNIX_EPOCH, SystemTime::now());
        assert_eq!(earliest(None, Some(late)), Some(late));
        assert_eq!(earliest(Some(late), Some(early)), Some(early));
        assert_eq!(earliest(None, None), None);
    }
}
