//! Builds the packets a Client sends after CONNECT.

use super::{Body, Property, Publish, Version};

/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xc0, 0x00];

/// DISCONNECT without a Reason Code: a normal end in every version.
pub const DISCONNECT: [u8; 2] = [0xe0, 0x00];

/// PUBLISH.
#[must_use]
pub fn publish(version: Version, publish: &Publish) -> Vec<u8> {
    let mut body = Body::new().text(&publish.topic);
    if publish.qos > 0 {
        body = body.u16(publish.id);
    }
    body.properties(version, &publish.properties)
        .raw(&publish.payload)
        .packet(0x30 | publish.dup << 3 | publish.qos << 1 | publish.retain)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (by its first byte) in the short form that means success.
#[must_use]
pub fn ack(first: u8, id: u16) -> Vec<u8> {
    Body::new().u16(id).packet(first)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (by its first byte) of MQTT 5.0 with a Reason Code.
#[must_use]
pub fn ack_with_code(first: u8, id: u16, code: u8) -> Vec<u8> {
    Body::new().u16(id).u8(code).packet(first)
}

/// First byte of PUBACK.
pub const PUBACK: u8 = 0x40;
/// First byte of PUBREC.
pub const PUBREC: u8 = 0x50;
/// First byte of PUBREL.
pub const PUBREL: u8 = 0x62;
/// First byte of PUBCOMP.
pub const PUBCOMP: u8 = 0x70;

/// SUBSCRIBE with Topic Filters and the byte of Subscription Options for each (3.x: the QoS).
#[must_use]
pub fn subscribe(
    version: Version,
    id: u16,
    properties: &[Property],
    filters: &[(&str, u8)],
) -> Vec<u8> {
    let head = Body::new().u16(id).properties(version, properties);
    filters
        .iter()
        .fold(head, |body, (filter, options)| {
            body.text(filter).u8(*options)
        })
        .packet(0x82)
}

/// UNSUBSCRIBE.
#[must_use]
pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let head = Body::new().u16(id).properties(version, &[]);
    filters
        .iter()
        .fold(head, |body, filter| body.text(filter))
        .packet(0xa2)
}

/// DISCONNECT of MQTT 5.0 with a Reason Code and properties.
#[must_use]
pub fn disconnect(code: u8, properties: &[Property]) -> Vec<u8> {
    Body::new()
        .u8(code)
        .properties(Version::V5, properties)
        .packet(0xe0)
}

/// AUTH of MQTT 5.0.
#[must_use]
pub fn auth(code: u8, properties: &[Property]) -> Vec<u8> {
    Body::new()
        .u8(code)
        .properties(Version::V5, properties)
        .packet(0xf0)
}
