//! Reading DER: elements, one after the other, and times.

use std::time::{Duration, SystemTime};

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;

/// Elements of DER, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn tag(self) -> Option<u8> {
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
    pub(super) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }

    /// The whole of the next element, which must have this tag.
    pub(super) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.next(tag)?;
        Some(&before[..before.len() - self.0.len()])
    }

    /// The bytes of the next element, a BIT STRING of whole bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.next(BIT_STRING)?.strip_prefix(&[0])
    }

    /// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
    pub(super) fn time(&mut self) -> Option<SystemTime> {
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
}
