//! Reads what a Server may send, and refuses everything else.

use super::reader::Reader;
use super::{Ack, Packet, Property, Publish, Version};

/// Why bytes from the Server are not a packet that a Server may send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each variant's message says what it is
pub enum WireError {
    #[error("the packet ends inside a field")]
    Truncated,
    #[error("bytes are left over after the last field")]
    TrailingBytes,
    #[error("a Variable Byte Integer is not in its shortest form [MQTT-1.5.5-1]")]
    LongVariableInteger,
    #[error("a string is not UTF-8 [MQTT-1.5.4-1]")]
    NotUtf8,
    #[error("a string contains U+0000 [MQTT-1.5.4-2]")]
    NullCharacter,
    #[error("a Packet Identifier is 0 [MQTT-2.2.1-4]")]
    PacketIdZero,
    #[error("0x{0:02x} stands where only 0 or 1 is defined")]
    NotAFlag(u8),
    #[error("unknown property 0x{0:02x}")]
    UnknownProperty(u8),
    #[error("property 0x{0:02x} may not be in this packet")]
    PropertyNotAllowed(u8),
    #[error("property 0x{0:02x} appears twice")]
    RepeatedProperty(u8),
    #[error("no packet for a Client begins with 0x{0:02x}, or its reserved flags are set")]
    BadFirstByte(u8),
    #[error("Reason Code 0x{0:02x} may not be in this packet")]
    BadReasonCode(u8),
    #[error("a PUBLISH has QoS 3 [MQTT-3.3.1-4]")]
    QoS3,
    #[error("a PUBLISH of QoS 0 has DUP set [MQTT-3.3.1-2]")]
    DupWithQoS0,
}

const CONNACK_PROPERTIES: &[u8] = &[
    0x11, 0x12, 0x13, 0x15, 0x16, 0x1a, 0x1c, 0x1f, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
    0x2a,
];
const PUBLISH_PROPERTIES: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0b, 0x23, 0x26];
const ACK_PROPERTIES: &[u8] = &[0x1f, 0x26];
const DISCONNECT_PROPERTIES: &[u8] = &[0x1c, 0x1f, 0x26];
const AUTH_PROPERTIES: &[u8] = &[0x15, 0x16, 0x1f, 0x26];

const CONNACK_CODES: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
    0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
];
const RETURN_CODES: &[u8] = &[0, 1, 2, 3, 4, 5];
const RECEIPT_CODES: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASE_CODES: &[u8] = &[0x00, 0x92];
const SUBACK_CODES: &[u8] = &[
    0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2,
];
const SUBACK_RETURN_CODES: &[u8] = &[0x00, 0x01, 0x02, 0x80];
const UNSUBACK_CODES: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];
const DISCONNECT_CODES: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];
const AUTH_CODES: &[u8] = &[0x00, 0x18];

/// The length of the first packet in `bytes`, header included, or `None` while bytes are missing.
///
/// # Errors
/// The Remaining Length is not a Variable Byte Integer in its shortest form.
pub fn split(bytes: &[u8]) -> Result<Option<usize>, WireError> {
    let mut reader = Reader::new(bytes.get(1..).unwrap_or_default());
    let remaining = match reader.var() {
        Ok(remaining) => remaining as usize,
        Err(WireError::Truncated) => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = bytes.len() - reader.rest().len() + remaining;
    Ok((length <= bytes.len()).then_some(length))
}

/// Reads one whole packet that a Server sent.
///
/// # Errors
/// The packet has a form that a Server may not send in this version.
pub fn parse(version: Version, packet: &[u8]) -> Result<Packet, WireError> {
    let first = *packet.first().ok_or(WireError::Truncated)?;
    let mut reader = Reader::new(&packet[1..]);
    reader.var()?;
    let parsed = match first {
        0x20 => connack(version, &mut reader)?,
        0x30..=0x3f => Packet::Publish(publish(version, first, &mut reader)?),
        0x40 => Packet::PubAck(ack(version, &mut reader, RECEIPT_CODES)?),
        0x50 => Packet::PubRec(ack(version, &mut reader, RECEIPT_CODES)?),
        0x62 => Packet::PubRel(ack(version, &mut reader, RELEASE_CODES)?),
        0x70 => Packet::PubComp(ack(version, &mut reader, RELEASE_CODES)?),
        0x90 => {
            let id = reader.packet_id()?;
            let properties = properties(version, &mut reader, ACK_PROPERTIES)?;
            let allowed = if version.has_properties() {
                SUBACK_CODES
            } else {
                SUBACK_RETURN_CODES
            };
            Packet::SubAck {
                id,
                codes: codes(&mut reader, allowed)?,
                properties,
            }
        }
        0xb0 => {
            let id = reader.packet_id()?;
            let properties = properties(version, &mut reader, ACK_PROPERTIES)?;
            let allowed = if version.has_properties() {
                UNSUBACK_CODES
            } else {
                &[]
            };
            Packet::UnsubAck {
                id,
                codes: codes(&mut reader, allowed)?,
                properties,
            }
        }
        0xd0 => Packet::PingResp,
        0xe0 if version.has_properties() => {
            let (code, properties) = ending(&mut reader, DISCONNECT_CODES, DISCONNECT_PROPERTIES)?;
            Packet::Disconnect { code, properties }
        }
        0xf0 if version.has_properties() => {
            let (code, properties) = ending(&mut reader, AUTH_CODES, AUTH_PROPERTIES)?;
            Packet::Auth { code, properties }
        }
        other => return Err(WireError::BadFirstByte(other)),
    };
    if reader.is_empty() {
        Ok(parsed)
    } else {
        Err(WireError::TrailingBytes)
    }
}

fn connack(version: Version, reader: &mut Reader<'_>) -> Result<Packet, WireError> {
    let session_present = reader.flag()?;
    let code = reader.u8()?;
    // A Server refuses a version that it does not know in the form of one that it knows.
    let short = version.has_properties() && reader.is_empty() && code != 0;
    let defined = match (version.has_properties(), short) {
        (true, true) => CONNACK_CODES.contains(&code) || RETURN_CODES.contains(&code),
        (true, false) => CONNACK_CODES.contains(&code),
        (false, _) => RETURN_CODES.contains(&code),
    };
    if !defined {
        return Err(WireError::BadReasonCode(code));
    }
    let properties = if short {
        Vec::new()
    } else {
        properties(version, reader, CONNACK_PROPERTIES)?
    };
    Ok(Packet::ConnAck {
        session_present,
        code,
        properties,
    })
}

fn publish(version: Version, first: u8, reader: &mut Reader<'_>) -> Result<Publish, WireError> {
    let (dup, qos, retain) = (first >> 3 & 1, first >> 1 & 3, first & 1);
    if qos == 3 {
        return Err(WireError::QoS3);
    }
    if dup == 1 && qos == 0 {
        return Err(WireError::DupWithQoS0);
    }
    Ok(Publish {
        dup,
        qos,
        retain,
        topic: reader.text()?,
        id: if qos > 0 { reader.packet_id()? } else { 0 },
        properties: properties(version, reader, PUBLISH_PROPERTIES)?,
        payload: reader.rest().to_vec(),
    })
}

/// Packet Identifier, then, in MQTT 5.0 and unless the packet ends, Reason Code and properties.
fn ack(version: Version, reader: &mut Reader<'_>, allowed: &[u8]) -> Result<Ack, WireError> {
    let id = reader.packet_id()?;
    let (code, properties) = if version.has_properties() {
        ending(reader, allowed, ACK_PROPERTIES)?
    } else {
        (0, Vec::new())
    };
    Ok(Ack {
        id,
        code,
        properties,
    })
}

fn ending(
    reader: &mut Reader<'_>,
    codes: &[u8],
    allowed: &[u8],
) -> Result<(u8, Vec<Property>), WireError> {
    let code = if reader.is_empty() {
        0
    } else {
        code(reader, codes)?
    };
    let properties = if reader.is_empty() {
        Vec::new()
    } else {
        reader.properties(allowed)?
    };
    Ok((code, properties))
}

fn properties(
    version: Version,
    reader: &mut Reader<'_>,
    allowed: &[u8],
) -> Result<Vec<Property>, WireError> {
    if version.has_properties() {
        reader.properties(allowed)
    } else {
        Ok(Vec::new())
    }
}

fn code(reader: &mut Reader<'_>, allowed: &[u8]) -> Result<u8, WireError> {
    let code = reader.u8()?;
    if allowed.contains(&code) {
        Ok(code)
    } else {
        Err(WireError::BadReasonCode(code))
    }
}

fn codes(reader: &mut Reader<'_>, allowed: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut codes = Vec::new();
    while !reader.is_empty() {
        codes.push(code(reader, allowed)?);
    }
    Ok(codes)
}
