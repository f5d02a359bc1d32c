//! Sizes and times as people write them: `4MiB`, `30s`.

/// Units of bytes; those of a name are written with the first that fits.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Units of time, in milliseconds.
const TIMES: [(&str, u64); 6] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
    ("m", 60_000),
];

/// Bytes: a number, and a unit if it is not bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES, 1).ok_or_else(|| {
        format!("`{text}` is not a size: write a number of bytes, or one with B, KB, KiB, MB, MiB, GB or GiB")
    })
}

/// Milliseconds: a number, and a unit if it is not seconds.
pub(super) fn parse_time(text: &str) -> Result<u64, String> {
    parse(text, &TIMES, 1_000).ok_or_else(|| {
        format!("`{text}` is not a time: write a number of seconds, or one with ms, s, min, h or d")
    })
}

/// Bytes as [`parse_size`] reads them.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES, "B")
}

/// Milliseconds as [`parse_time`] reads them.
pub(super) fn show_time(milliseconds: u64) -> String {
    show(milliseconds, &TIMES, "s")
}

fn parse(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: u64 = digits.replace('_', "").parse().ok()?;
    let factor = match unit.trim_start() {
        "" => plain,
        unit => units.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.checked_mul(factor)
}

fn show(value: u64, units: &[(&str, u64)], nothing: &str) -> String {
    let fits = |(_, factor): &&(&str, u64)| value.is_multiple_of(*factor);
    match units.iter().find(fits) {
        Some((unit, factor)) if value > 0 => format!("{}{unit}", value / factor),
        _ => format!("{value}{nothing}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_and_without_units() {
        assert_eq!(parse_size("4MiB"), Ok(4 << 20));
        assert_eq!(parse_size("2 MB"), Ok(2_000_000));
        assert_eq!(parse_size("65_536"), Ok(65_536));
        assert_eq!(parse_time("30s"), Ok(30_000));
        assert_eq!(parse_time("7d"), Ok(604_800_000));
        assert_eq!(parse_time("250ms"), Ok(250));
        assert_eq!(parse_time("10"), Ok(10_000));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5s",
            "4 m b",
            "99999999999999999999",
            "9999999999999GiB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for value in [
            0,
            1,
            999,
            1_000,
            1_024,
            60_000,
            86_400_000,
            1 << 20,
            u64::MAX,
        ] {
            assert_eq!(parse_size(&show_size(value)), Ok(value));
            assert_eq!(parse_time(&show_time(value)), Ok(value));
        }
        assert_eq!(show_size(1 << 20), "1MiB");
        assert_eq!(show_time(604_800_000), "7d");
    }
}
