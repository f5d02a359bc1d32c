//! The User Name in a Client's certificate. Whether the certificate is valid the TLS layer has
//! found out before.

use std::fmt::Write;

use crate::der::{self, Der};

/// Which part of a certificate is the User Name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFrom {
    /// The (first) Common Name of the subject.
    CommonName,
    /// The whole subject as RFC 2253 writes it, the last part first: `CN=a,O=b`.
    Subject,
    /// The first of the Subject Alternative Names that is an e-mail address, a host name or a URI.
    SubjectAlternativeName,
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];

/// Object identifiers of attributes that RFC 2253 has short names for.
const ATTRIBUTES: [(&[u8], &str); 9] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        "DC",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
        "UID",
    ),
];
const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

/// The User Name in a certificate (DER). `None`: it has none there.
pub fn user_name(certificate: &[u8], from: NameFrom) -> Option<String> {
    let mut to_be_signed = Der::new(certificate)
        .enter(der::SEQUENCE)?
        .enter(der::SEQUENCE)?;
    to_be_signed.take(VERSION);
    to_be_signed.take(der::INTEGER)?; // Serial number.
    to_be_signed.take(der::SEQUENCE)?; // Signature algorithm.
    to_be_signed.take(der::SEQUENCE)?; // Issuer.
    to_be_signed.take(der::SEQUENCE)?; // Validity.
    let subject = to_be_signed.enter(der::SEQUENCE)?;
    to_be_signed.take(der::SEQUENCE)?; // Public key.
    let name = match from {
        NameFrom::CommonName => common_name(subject)?,
        NameFrom::Subject => subject_text(subject)?,
        NameFrom::SubjectAlternativeName => alternative_name(to_be_signed)?,
    };
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// An attribute of a subject: identifier, type of text, text.
type Attribute<'a> = (&'a [u8], u8, &'a [u8]);

/// The parts of a subject, each with its attributes, which is usually one.
fn parts(mut subject: Der<'_>) -> Option<Vec<Vec<Attribute<'_>>>> {
    let mut parts = Vec::new();
    while !subject.is_empty() {
        let mut set = subject.enter(der::SET)?;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let mut attribute = set.enter(der::SEQUENCE)?;
            let oid = attribute.take(der::OID)?;
            let (kind, value) = attribute.next()?;
            attributes.push((oid, kind, value));
        }
        parts.push(attributes);
    }
    Some(parts)
}

fn common_name(subject: Der<'_>) -> Option<String> {
    let parts = parts(subject)?;
    let mut attributes = parts.iter().flatten();
    let (_, kind, value) = attributes.find(|(oid, ..)| *oid == COMMON_NAME)?;
    text(*kind, value)
}

fn subject_text(subject: Der<'_>) -> Option<String> {
    let mut out = String::new();
    for attributes in parts(subject)?.iter().rev() {
        for (n, (oid, kind, value)) in attributes.iter().enumerate() {
            out.push_str(match n {
                0 if out.is_empty() => "",
                0 => ",",
                _ => "+",
            });
            write_attribute(&mut out, oid, *kind, value)?;
        }
    }
    Some(out)
}

fn write_attribute(out: &mut String, oid: &[u8], kind: u8, value: &[u8]) -> Option<()> {
    match ATTRIBUTES.iter().find(|(known, _)| *known == oid) {
        Some((_, name)) => out.push_str(name),
        None if oid == EMAIL => out.push_str("emailAddress"),
        None => write_oid(out, oid),
    }
    out.push('=');
    let text = text(kind, value)?;
    let last = text.len().wrapping_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(byte.into());
            }
            b'#' if at == 0 => out.push_str("\\#"),
            b' ' if at == 0 || at == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(byte.into()),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    Some(())
}

/// An object identifier as numbers with dots.
fn write_oid(out: &mut String, oid: &[u8]) {
    let mut number: u64 = 0;
    let mut first = true;
    for byte in oid {
        number = number << 7 & u64::MAX >> 1 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        let _ = match std::mem::replace(&mut first, false) {
            true if number < 80 => write!(out, "{}.{}", number / 40, number % 40),
            true => write!(out, "2.{}", number - 80),
            false => write!(out, ".{number}"),
        };
        number = 0;
    }
}

fn alternative_name(mut rest: Der<'_>) -> Option<String> {
    while !rest.is_empty() {
        let (tag, contents) = rest.next()?;
        if tag != EXTENSIONS {
            continue;
        }
        let mut extensions = Der::new(contents).enter(der::SEQUENCE)?;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(der::SEQUENCE)?;
            let oid = extension.take(der::OID)?;
            extension.take(BOOLEAN); // Whether it is critical.
            let value = extension.take(der::OCTET_STRING)?;
            if oid == SUBJECT_ALTERNATIVE_NAME {
                return first_name(Der::new(value).enter(der::SEQUENCE)?);
            }
        }
    }
    None
}

const BOOLEAN: u8 = 0x01;
const EMAIL_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;

fn first_name(mut names: Der<'_>) -> Option<String> {
    while !names.is_empty() {
        let (tag, name) = names.next()?;
        if matches!(tag, EMAIL_NAME | DNS_NAME | URI) {
            return String::from_utf8(name.to_vec()).ok();
        }
    }
    None
}

const TELETEX_STRING: u8 = 0x14;
const BMP_STRING: u8 = 0x1e;

/// The text of one of the string types.
fn text(kind: u8, value: &[u8]) -> Option<String> {
    match kind {
        BMP_STRING => {
            let pairs = value.chunks(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            String::from_utf16(&pairs.collect::<Vec<_>>()).ok()
        }
        TELETEX_STRING => Some(value.iter().map(|byte| char::from(*byte)).collect()),
        _ => String::from_utf8(value.to_vec()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with openssl for these tests: C=DE, O=Ponds\, Ltd, OU=Müller, CN=press-7; alternative
    /// names IP 10.0.0.1, DNS press-7.example, e-mail press@example.
    const CERTIFICATE: &[u8] = include_bytes!("../tests/data/client.der");

    #[test]
    fn names_are_found() {
        let name = |from| user_name(CERTIFICATE, from);
        assert_eq!(name(NameFrom::CommonName).unwrap(), "press-7");
        let subject = "CN=press-7,OU=M\\C3\\BCller,O=Ponds\\, Ltd,C=DE";
        assert_eq!(name(NameFrom::Subject).unwrap(), subject);
        let alternative = name(NameFrom::SubjectAlternativeName);
        assert_eq!(alternative.unwrap(), "press-7.example");
    }

    #[test]
    fn what_is_no_certificate_has_no_name() {
        let all = [
            NameFrom::CommonName,
            NameFrom::Subject,
            NameFrom::SubjectAlternativeName,
        ];
        for from in all {
            for length in 0..CERTIFICATE.len() {
                let _ = user_name(&CERTIFICATE[..length], from);
            }
            assert_eq!(user_name(b"", from), None);
            assert_eq!(user_name(&[0x30; 40], from), None);
        }
    }
}
