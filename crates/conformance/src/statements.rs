//! The numbers of all normative statements of both specifications, and why some have no test.
//!
//! Only numbers: what a statement says is in the specification, what a test shows is in its title.

use crate::wire::Version;

/// Statements `section-first` to `section-last` of one specification.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The section, as in the statement's number.
    pub section: &'static str,
    /// The first statement.
    pub first: u8,
    /// The last statement.
    pub last: u8,
}

/// Statements that have no test, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// The section, as in the statement's number.
    pub section: &'static str,
    /// The last part of the statement's number.
    pub number: u8,
    /// Why there is no test.
    pub reason: &'static str,
}

const fn range(section: &'static str, first: u8, last: u8) -> Range {
    Range {
        section,
        first,
        last,
    }
}

const fn left_out(section: &'static str, number: u8, reason: &'static str) -> LeftOut {
    LeftOut {
        section,
        number,
        reason,
    }
}

/// The statements of a version; empty for MQTT 3.1, which numbers none.
#[must_use]
pub fn ranges(version: Version) -> &'static [Range] {
    match version {
        Version::V3_1 => &[],
        Version::V3_1_1 => MQTT311,
        Version::V5 => MQTT5,
    }
}

/// The statements of a version that have no test.
#[must_use]
pub fn untested(version: Version) -> &'static [LeftOut] {
    match version {
        Version::V3_1 => &[],
        Version::V3_1_1 => MQTT311_LEFT_OUT,
        Version::V5 => MQTT5_LEFT_OUT,
    }
}

/// Where statements of a version are written `PREFIX-section-number`.
#[must_use]
pub fn prefix(version: Version) -> &'static str {
    match version {
        Version::V3_1 => "MQTT31",
        Version::V3_1_1 => "MQTT311",
        Version::V5 => "MQTT",
    }
}

const MQTT5: &[Range] = &[
    range("1.5.4", 1, 3),
    range("1.5.5", 1, 1),
    range("1.5.7", 1, 1),
    range("2.1.3", 1, 1),
    range("2.2.1", 2, 6),
    range("2.2.2", 1, 1),
    range("3.1.0", 1, 2),
    range("3.1.2", 1, 30),
    range("3.1.3", 1, 12),
    range("3.1.4", 1, 6),
    range("3.2.0", 1, 2),
    range("3.2.2", 1, 22),
    range("3.3.1", 1, 13),
    range("3.3.2", 1, 20),
    range("3.3.4", 1, 10),
    range("3.4.2", 1, 3),
    range("3.5.2", 1, 3),
    range("3.6.1", 1, 1),
    range("3.6.2", 1, 3),
    range("3.7.2", 1, 3),
    range("3.8.1", 1, 1),
    range("3.8.3", 1, 5),
    range("3.8.4", 1, 8),
    range("3.9.2", 1, 2),
    range("3.9.3", 1, 2),
    range("3.10.1", 1, 1),
    range("3.10.3", 1, 2),
    range("3.10.4", 1, 6),
    range("3.11.2", 1, 2),
    range("3.11.3", 1, 2),
    range("3.12.4", 1, 1),
    range("3.14.0", 1, 1),
    range("3.14.1", 1, 1),
    range("3.14.2", 1, 4),
    range("3.14.4", 1, 3),
    range("3.15.1", 1, 1),
    range("3.15.2", 1, 3),
    range("4.1.0", 1, 2),
    range("4.2.0", 1, 1),
    range("4.3.1", 1, 1),
    range("4.3.2", 1, 5),
    range("4.3.3", 1, 13),
    range("4.4.0", 1, 2),
    range("4.5.0", 1, 2),
    range("4.6.0", 1, 6),
    range("4.7.0", 1, 1),
    range("4.7.1", 1, 2),
    range("4.7.2", 1, 1),
    range("4.7.3", 1, 4),
    range("4.8.2", 1, 6),
    range("4.9.0", 1, 3),
    range("4.12.0", 1, 7),
    range("4.12.1", 1, 2),
    range("4.13.1", 1, 1),
    range("4.13.2", 1, 1),
    range("6.0.0", 1, 4),
];

const MQTT311: &[Range] = &[
    range("1.5.3", 1, 3),
    range("2.2.2", 1, 2),
    range("2.3.1", 1, 7),
    range("3.1.0", 1, 2),
    range("3.1.2", 1, 24),
    range("3.1.3", 1, 11),
    range("3.1.4", 1, 5),
    range("3.2.0", 1, 1),
    range("3.2.2", 1, 6),
    range("3.3.1", 1, 12),
    range("3.3.2", 1, 3),
    range("3.3.4", 1, 1),
    range("3.3.5", 1, 2),
    range("3.6.1", 1, 1),
    range("3.8.1", 1, 1),
    range("3.8.3", 1, 4),
    range("3.8.4", 1, 6),
    range("3.9.3", 1, 2),
    range("3.10.1", 1, 1),
    range("3.10.3", 1, 2),
    range("3.10.4", 1, 6),
    range("3.12.4", 1, 1),
    range("3.14.1", 1, 1),
    range("3.14.4", 1, 3),
    range("4.1.0", 1, 2),
    range("4.3.1", 1, 1),
    range("4.3.2", 1, 2),
    range("4.3.3", 1, 2),
    range("4.4.0", 1, 1),
    range("4.5.0", 1, 2),
    range("4.6.0", 1, 6),
    range("4.7.1", 1, 3),
    range("4.7.2", 1, 1),
    range("4.7.3", 1, 4),
    range("4.8.0", 1, 2),
    range("6.0.0", 1, 4),
    range("7.0.0", 1, 2),
    range("7.1.1", 1, 1),
    range("7.1.2", 1, 1),
];

const CLIENT: &str = "binds the Client";
const NO_METHOD: &str = "needs an Authentication Method, and which one is the broker's own affair";

const MQTT5_LEFT_OUT: &[LeftOut] = &[
    left_out("2.2.1", 3, CLIENT),
    left_out("3.1.2", 20, CLIENT),
    left_out("3.1.2", 21, CLIENT),
    left_out("3.1.2", 30, CLIENT),
    left_out("3.2.2", 4, CLIENT),
    left_out("3.2.2", 5, CLIENT),
    left_out("3.2.2", 11, CLIENT),
    left_out("3.2.2", 14, CLIENT),
    left_out("3.2.2", 17, CLIENT),
    left_out("3.2.2", 18, CLIENT),
    left_out("3.2.2", 21, CLIENT),
    left_out("3.3.2", 10, CLIENT),
    left_out("3.3.4", 8, CLIENT),
    left_out("3.15.2", 1, NO_METHOD),
    left_out("3.15.2", 2, NO_METHOD),
    left_out("3.15.2", 3, NO_METHOD),
    left_out("4.5.0", 2, CLIENT),
    left_out("4.6.0", 1, CLIENT),
    left_out("4.6.0", 2, CLIENT),
    left_out("4.6.0", 3, CLIENT),
    left_out("4.6.0", 4, CLIENT),
    left_out("4.12.0", 2, NO_METHOD),
    left_out("4.12.0", 3, CLIENT),
    left_out("4.12.0", 5, NO_METHOD),
    left_out("4.12.1", 2, NO_METHOD),
    left_out("6.0.0", 3, CLIENT),
];

const MQTT311_LEFT_OUT: &[LeftOut] = &[
    left_out("2.3.1", 2, CLIENT),
    left_out("2.3.1", 3, CLIENT),
    left_out("3.1.2", 23, CLIENT),
    left_out(
        "3.3.5",
        2,
        "needs a topic that the broker forbids, which is its own affair",
    ),
    left_out(
        "3.8.3",
        2,
        "for a Server without wildcard subscriptions; its refusal looks like any other",
    ),
    left_out("3.14.4", 1, CLIENT),
    left_out("3.14.4", 2, CLIENT),
    left_out("4.5.0", 2, CLIENT),
    left_out("4.6.0", 2, CLIENT),
    left_out("4.6.0", 3, CLIENT),
    left_out(
        "4.8.0",
        2,
        "a transient error inside the broker cannot be caused from outside",
    ),
    left_out("6.0.0", 3, CLIENT),
    left_out(
        "7.0.0",
        1,
        "a definition of conformance for a Server that is also a Client",
    ),
    left_out(
        "7.0.0",
        2,
        "a definition of conformance: kept by passing everything else without extensions",
    ),
    left_out("7.1.2", 1, CLIENT),
];
