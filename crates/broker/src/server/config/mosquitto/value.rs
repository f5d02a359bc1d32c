//! Values as Mosquitto reads them.

use super::{ACCEPTED, Verdict, changed};

/// The first word.
pub(super) fn word(value: &str) -> Result<&str, String> {
    match value.split(' ').next() {
        Some("") | None => Err("a value is missing".to_owned()),
        Some(word) => Ok(word),
    }
}

/// The whole rest of the line.
pub(super) fn text(value: &str) -> Result<String, String> {
    match value {
        "" => Err("a value is missing".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// `true`, `false`, `1` or `0`.
pub(super) fn flag(value: &str) -> Result<bool, String> {
    match word(value)? {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(format!("`{other}` is neither true nor false")),
    }
}

/// A number: the digits that the value begins with. Mosquitto takes a value without any for 0, and
/// overlooks what follows them.
pub(super) fn number(value: &str) -> Result<i64, String> {
    let word = word(value)?;
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    match &digits[..end] {
        "" => Ok(0),
        digits => {
            let number: i64 = digits
                .parse()
                .map_err(|_| format!("{word} is out of range"))?;
            Ok(sign * number)
        }
    }
}

/// A number within bounds.
pub(super) fn number_within(value: &str, least: i64, most: i64) -> Result<i64, String> {
    match number(value)? {
        number if (least..=most).contains(&number) => Ok(number),
        number => Err(format!("{number} is out of range: from {least} to {most}")),
    }
}

/// Whether a number was written as one. What is not is taken as Mosquitto takes it, and told.
pub(super) fn as_number(value: &str, taken: i64) -> Verdict {
    match word(value)?.parse::<i64>() {
        Ok(_) => ACCEPTED,
        Err(_) => changed(&format!(
            "this is no number: it is taken for {taken}, as Mosquitto does"
        )),
    }
}

/// Seconds: an integer and s, h, d, w, m (a month of 30 days) or y (of 365 days).
pub(super) fn duration(value: &str) -> Result<u32, String> {
    let word = word(value)?;
    let wrong = || format!("`{word}` is not a number followed by s, h, d, w, m or y");
    let unit = word.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'm' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = word[..word.len() - 1].parse().map_err(|_| wrong())?;
    let all = count.saturating_mul(seconds);
    Ok(u32::try_from(all).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_atoi_makes_of_them() {
        for (text, expected) in [
            ("10", 10),
            ("-1", -1),
            ("10s", 10),
            ("abc", 0),
            ("7 # x", 7),
        ] {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        assert!(number("").is_err());
        assert!(number("99999999999999999999").is_err());
    }

    #[test]
    fn flags_are_small_letters() {
        assert_eq!(flag("true"), Ok(true));
        assert_eq!(flag("0 # no"), Ok(false));
        assert!(flag("TRUE").is_err());
        assert!(flag("yes").is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("2m"), Ok(60 * 86_400));
        assert_eq!(duration("30s"), Ok(30));
        assert_eq!(duration("999999999y"), Ok(u32::MAX));
        for text in ["2", "2x", "d", "ä", "-1d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
