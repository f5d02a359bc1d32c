//! What an X.509 certificate says of whoever shows it: as much of it as names somebody.
//!
//! Whether it is genuine is not judged here. A Client's certificate has been checked before it is
//! read, so this reader only has to be right about well-formed ones, and safe for all.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Names of attributes in a subject, by object identifier.
const ATTRIBUTES: [(&[u8], &str); 13] = [
    (COMMON_NAME, "CN"),
    (&[0x55, 0x04, 0x04], "SN"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "street"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x55, 0x04, 0x0c], "title"),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01],
        "emailAddress",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        "UID",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "DC",
    ),
];

/// What a certificate says of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The first Common Name of the subject. None if it has a NUL in it.
    pub common_name: Option<String>,
    /// The whole subject as RFC 2253 writes it, last attribute first: `CN=a,OU=b,O=c`.
    pub subject: String,
    /// Subject Alternative Names: DNS names, addresses of mail, URIs and IP addresses, in order.
    pub alternative_names: Vec<String>,
    /// Valid from here on,
    pub not_before: SystemTime,
    /// up to here.
    pub not_after: SystemTime,
}

impl Certificate {
    /// Reads a certificate in DER; `None` if it is not well-formed.
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader(Reader(der).next(SEQUENCE)?);
        let mut tbs = Reader(certificate.next(SEQUENCE)?);
        if tbs.tag() == Some(VERSION) {
            tbs.next(VERSION)?;
        }
        tbs.next(INTEGER)?;
        tbs.next(SEQUENCE)?; // signature algorithm
        tbs.next(SEQUENCE)?; // issuer
        let mut validity = Reader(tbs.next(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let names = tbs.next(SEQUENCE)?;
        tbs.next(SEQUENCE)?; // public key
        let mut alternative_names = Vec::new();
        while let Some((tag, content)) = tbs.any() {
            if tag == EXTENSIONS {
                alternative_names = names_in_extensions(content)?;
            }
        }
        Some(Self {
            common_name: common_name(names),
            subject: subject(names)?,
            alternative_names,
            not_before,
            not_after,
        })
    }
}

/// Elements of DER, one after the other.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn tag(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Tag and content of the next element.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match length {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0, |n, &digit| n << 8 | usize::from(digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }

    /// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
    fn time(&mut self) -> Option<SystemTime> {
        let (tag, content) = self.any()?;
        let digits = content.strip_suffix(b"Z")?;
        let text = std::str::from_utf8(digits).ok()?;
        let (year, rest) = text.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
        let year: i64 = match (tag, year.parse().ok()?) {
            (UTC_TIME, short @ 0..50) => 2000 + short,
            (UTC_TIME, short) => 1900 + short,
            (_, full) => full,
        };
        let mut numbers = [0i64; 5];
        for (number, two) in numbers.iter_mut().zip(rest.as_bytes().as_chunks::<2>().0) {
            *number = std::str::from_utf8(two).ok()?.parse().ok()?;
        }
        let [month, day, hour, minute, second] = numbers;
        if rest.len() != 10 || !(1..=12).contains(&month) {
            return None;
        }
        let seconds =
            days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let since = Duration::from_secs(seconds.unsigned_abs());
        match seconds {
            0.. => SystemTime::UNIX_EPOCH.checked_add(since),
            _ => SystemTime::UNIX_EPOCH.checked_sub(since),
        }
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the
/// day that comes and goes is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The first Common Name, unless it has a NUL in it: then it means to be taken for another.
fn common_name(names: &[u8]) -> Option<String> {
    let mut sets = Reader(names);
    while let Some((_, set)) = sets.any() {
        let mut attributes = Reader(set);
        while let Some(attribute) = attributes.next(SEQUENCE) {
            let mut attribute = Reader(attribute);
            if attribute.next(OBJECT_IDENTIFIER)? == COMMON_NAME {
                let (tag, value) = attribute.any()?;
                return text(tag, value).filter(|name| !name.contains('\0'));
            }
        }
    }
    None
}

/// All attributes of a subject, as RFC 2253 writes them.
fn subject(names: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut sets = Reader(names);
    while let Some((_, set)) = sets.any() {
        let mut attributes = Reader(set);
        let mut part = String::new();
        while let Some((_, attribute)) = attributes.any() {
            let mut attribute = Reader(attribute);
            let kind = attribute.next(OBJECT_IDENTIFIER)?;
            let (tag, value) = attribute.any()?;
            if !part.is_empty() {
                part.push('+');
            }
            write_attribute(kind, tag, value, &mut part);
        }
        parts.push(part);
    }
    parts.reverse();
    Some(parts.join(","))
}

fn write_attribute(kind: &[u8], tag: u8, value: &[u8], out: &mut String) {
    let known = ATTRIBUTES
        .iter()
        .find(|(identifier, _)| *identifier == kind);
    match (known, text(tag, value)) {
        (Some((_, name)), Some(value)) => {
            out.push_str(name);
            out.push('=');
            escape(&value, out);
        }
        _ => {
            write_identifier(kind, out);
            out.push_str("=#");
            let header = [tag, u8::try_from(value.len()).unwrap_or(u8::MAX)];
            for byte in header.iter().chain(value) {
                let _ = write!(out, "{byte:02X}");
            }
        }
    }
}

/// An object identifier, as numbers with dots.
fn write_identifier(bytes: &[u8], out: &mut String) {
    let mut number = 0u64;
    let mut is_first = true;
    for &byte in bytes {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if is_first {
            let first = (number / 40).min(2);
            let _ = write!(out, "{first}.{}", number - 40 * first);
        } else {
            let _ = write!(out, ".{number}");
        }
        (is_first, number) = (false, 0);
    }
}

/// Escapes what has a meaning of its own in a subject, and all that is not ASCII.
fn escape(value: &str, out: &mut String) {
    let last = value.len().saturating_sub(1);
    for (position, byte) in value.bytes().enumerate() {
        let at_an_end =
            position == 0 && matches!(byte, b' ' | b'#') || position == last && byte == b' ';
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            _ if at_an_end => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
}

/// A string of any of X.509's kinds.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String; NumericString, PrintableString, IA5String, VisibleString: all ASCII.
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => String::from_utf8(value.to_vec()).ok(),
        // T61String, taken for Latin 1 as everybody does.
        0x14 => Some(value.iter().copied().map(char::from).collect()),
        // BMPString.
        0x1e => {
            let (units, []) = value.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<u16> = units.iter().copied().map(u16::from_be_bytes).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// The Subject Alternative Names among the extensions; none if there is no such extension.
fn names_in_extensions(content: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Reader(Reader(content).next(SEQUENCE)?);
    let mut found = Vec::new();
    while let Some(extension) = extensions.next(SEQUENCE) {
        let mut extension = Reader(extension);
        let kind = extension.next(OBJECT_IDENTIFIER)?;
        if extension.tag() == Some(BOOLEAN) {
            extension.next(BOOLEAN)?;
        }
        let value = extension.next(OCTET_STRING)?;
        if kind == SUBJECT_ALTERNATIVE_NAME {
            let mut names = Reader(Reader(value).next(SEQUENCE)?);
            while let Some((tag, name)) = names.any() {
                found.extend(alternative_name(tag, name));
            }
        }
    }
    Some(found)
}

fn alternative_name(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        // rfc822Name, dNSName, uniformResourceIdentifier
        0x81 | 0x82 | 0x86 => String::from_utf8(name.to_vec())
            .ok()
            .filter(|name| !name.contains('\0')),
        // iPAddress
        0x87 => match (<[u8; 4]>::try_from(name), <[u8; 16]>::try_from(name)) {
            (Ok(v4), _) => Some(IpAddr::from(v4).to_string()),
            (_, Ok(v6)) => Some(IpAddr::from(v6).to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_in_days() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(1969, 12, 31), -1);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2026, 11, 23), 20_780);
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let time = |bytes: &[u8]| Reader(bytes).time();
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
        assert_eq!(time(b"\x17\x0d000229000000Z"), Some(expected));
        assert_eq!(time(b"\x18\x0f20000229000000Z"), Some(expected));
        assert_eq!(time(b"\x17\x0d001329000000Z"), None);
        assert_eq!(time(b"\x17\x0c00022900000Z"), None);
    }

    #[test]
    fn a_subject_is_written_as_everybody_writes_it() {
        // O=A+B, OU = "ü", CN = " x,y "
        let attribute = |last: u8, tag: u8, value: &[u8]| {
            let mut inner = vec![0x06, 3, 0x55, 0x04, last, tag, value.len() as u8];
            inner.extend(value);
            [
                &[0x31, inner.len() as u8 + 2, 0x30, inner.len() as u8][..],
                &inner,
            ]
            .concat()
        };
        let names = [
            attribute(0x0a, 0x13, b"A+B"),
            attribute(0x0b, 0x1e, &[0, 0xfc]),
            attribute(0x2d, 0x03, &[0]),
            attribute(0x03, 0x0c, b" x,y "),
        ]
        .concat();
        let expected = "CN=\\ x\\,y\\ ,2.5.4.45=#030100,OU=\\C3\\BC,O=A\\+B";
        assert_eq!(subject(&names).unwrap(), expected);
        assert_eq!(common_name(&names).unwrap(), " x,y ");
        assert_eq!(common_name(&attribute(3, 0x0c, b"a\0b")), None);
    }

    #[test]
    fn whatever_is_no_certificate_is_none() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x00",
        ] {
            assert_eq!(Certificate::read(bytes), None);
        }
    }
}
