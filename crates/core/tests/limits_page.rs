//! docs/limits.md names every limit, with its default.

use dunlin_core::Limits;

#[test]
fn the_page_of_limits_names_each_with_its_default() {
    let page = include_str!("../../../docs/limits.md");
    let mut fields = 0;
    for line in format!("{:#?}", Limits::default()).lines() {
        let Some((name, value)) = line.trim().trim_end_matches(',').split_once(": ") else {
            continue;
        };
        fields += 1;
        let row = format!("| `{name}` | {} |", written(value));
        assert!(page.contains(&row), "docs/limits.md lacks a row {row}");
    }
    assert!(fields > 20, "{fields} fields in Debug's output");
}

/// A value as the page writes it: `1,024`, seconds without their unit, `none`.
fn written(value: &str) -> String {
    let Ok(number) = value.trim_end_matches('s').parse::<u64>() else {
        return value.to_lowercase();
    };
    let digits = number.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
