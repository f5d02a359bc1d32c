//! How long an X.509 certificate is valid. Who its holder is, others read.
//!
//! Whether it is genuine is not judged here: this reader has to be right about well-formed ones, and
//! safe for all.

use std::time::SystemTime;

use super::der::{INTEGER, Reader, SEQUENCE};

const VERSION: u8 = 0xa0;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_certificate_is_none() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x00",
        ] {
            assert_eq!(Validity::of(bytes), None);
        }
    }
}
