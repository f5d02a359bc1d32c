//! `docs/conformance.md`: every statement, and the test that shows it or the reason for none.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::case::Case;
use crate::cases;
use crate::statements::{self, Range};
use crate::wire::Version;

const HEAD: &str = "\
# Conformance

What shows that Dunlin keeps the normative statements of MQTT 5.0 and 3.1.1, by their numbers. This
page is written by `cargo run -p dunlin-conformance -- --table`; a test fails when it is out of date.

The tests speak to a broker over the network with bytes of their own making, so they can judge any
broker: `cargo run -p dunlin-conformance -- --broker HOST:PORT`. A test is named by its statement and
its function, and `--filter` takes a part of either. Titles are our words for what the test shows;
the statements themselves are in the specifications.

A statement that binds only Clients has no test, except where a Server has to refuse what breaks it.
";

/// The whole page.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for (version, heading) in [
        (Version::V5, "MQTT 5.0"),
        (Version::V3_1_1, "MQTT 3.1.1"),
        (Version::V3_1, "MQTT 3.1"),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {heading}\n\n");
        page.push_str("| statement | test | shows that |\n|---|---|---|\n");
        for range in statements::ranges(version) {
            numbered(&mut page, version, range);
        }
        for case in cases::all().filter(|case| case.version() == version && !is_numbered(case)) {
            row(&mut page, &case);
        }
    }
    page
}

/// The identifiers of the statements in a range.
fn ids(version: Version, range: &Range) -> impl Iterator<Item = (u8, String)> {
    let (prefix, section) = (statements::prefix(version), range.section);
    (range.first..=range.last).map(move |number| (number, format!("{prefix}-{section}-{number}")))
}

fn is_numbered(case: &Case) -> bool {
    statements::ranges(case.version())
        .iter()
        .any(|range| ids(case.version(), range).any(|(_, id)| id == case.id))
}

fn row(page: &mut String, case: &Case) {
    let _ = writeln!(page, "| {} | `{}` | {} |", case.id, case.name, case.title);
}

/// The rows of one section; neighbours left out for the same reason share a row.
fn numbered(page: &mut String, version: Version, range: &Range) {
    let mut group: Vec<String> = Vec::new();
    let mut group_reason = "";
    for (number, id) in ids(version, range) {
        let reason = reason(version, range.section, number);
        if reason != Some(group_reason) {
            close(page, &mut group, group_reason);
        }
        match reason {
            Some(reason) => {
                group_reason = reason;
                group.push(id);
            }
            None => cases::all()
                .filter(|case| case.id == id)
                .for_each(|case| row(page, &case)),
        }
    }
    close(page, &mut group, group_reason);
}

fn close(page: &mut String, group: &mut Vec<String>, reason: &str) {
    if !group.is_empty() {
        let _ = writeln!(page, "| {} | – | {reason} |", group.join(", "));
        group.clear();
    }
}

fn reason(version: Version, section: &str, number: u8) -> Option<&'static str> {
    statements::untested(version)
        .iter()
        .find(|left_out| left_out.section == section && left_out.number == number)
        .map(|left_out| left_out.reason)
}

/// Statements that have neither a test nor a reason, or both: there should be none.
#[must_use]
pub fn gaps() -> Vec<String> {
    let tested: BTreeSet<&str> = cases::all().map(|case| case.id).collect();
    let mut gaps = Vec::new();
    for version in [Version::V5, Version::V3_1_1] {
        for range in statements::ranges(version) {
            for (number, id) in ids(version, range) {
                let excused = reason(version, range.section, number).is_some();
                if excused == tested.contains(id.as_str()) {
                    gaps.push(id);
                }
            }
        }
    }
    gaps
}
