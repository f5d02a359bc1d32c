//! The cases, a file per subject; most serve both MQTT 5.0 and 3.1.1.

mod acks;
mod auth;
mod client_id;
mod connack;
mod connect;
mod credentials;
mod disconnect;
mod encoding;
mod errors;
mod flow_control;
mod keep_alive;
mod properties;
mod publish;
mod qos;
mod redelivery;
mod retain;
mod session;
mod shared;
mod subscribe;
mod subscription_identifier;
mod topic_alias;
mod topics;
mod unsubscribe;
mod versions;
mod websocket;
mod will;

use crate::case::Case;

const ALL: &[&[Case]] = &[
    encoding::CASES,
    connect::CASES,
    credentials::CASES,
    client_id::CASES,
    session::CASES,
    will::CASES,
    keep_alive::CASES,
    connack::CASES,
    publish::CASES,
    properties::CASES,
    topic_alias::CASES,
    retain::CASES,
    acks::CASES,
    subscribe::CASES,
    subscription_identifier::CASES,
    unsubscribe::CASES,
    disconnect::CASES,
    auth::CASES,
    qos::CASES,
    redelivery::CASES,
    topics::CASES,
    shared::CASES,
    flow_control::CASES,
    errors::CASES,
    websocket::CASES,
    versions::CASES,
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
