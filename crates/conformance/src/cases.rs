//! The cases, a file per subject; most serve both MQTT 5.0 and 3.1.1.

mod auth;
mod client_id;
mod connack;
mod connect;
mod credentials;
mod keep_alive;
mod session;
mod will;

use crate::case::Case;

const ALL: &[&[Case]] = &[
    connect::CASES,
    credentials::CASES,
    client_id::CASES,
    session::CASES,
    will::CASES,
    keep_alive::CASES,
    connack::CASES,
    auth::CASES,
];

/// Every case, in the order of the chapters.
pub fn all() -> impl Iterator<Item = Case> {
    ALL.iter().flat_map(|cases| cases.iter().copied())
}

/// Whether the case can only run against a WebSocket listener.
#[must_use]
pub fn needs_websocket(case: &Case) -> bool {
    case.id.contains("-6.0.0-")
}
