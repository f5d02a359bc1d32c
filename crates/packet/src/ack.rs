//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): four packets of one shape.

use crate::property::Place;
use crate::read::Reader;
use crate::{
    Frame, Malformed, PacketId, PacketType, Properties, ProtocolVersion, ReasonCode, write,
};

macro_rules! acknowledgement {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<'a> {
            /// Which PUBLISH it is about `[MQTT-2.2.1-5]`.
            pub packet_id: PacketId,
            /// How it went; always `Success` in 3.x.
            pub reason: ReasonCode,
            /// Empty in 3.x.
            pub properties: Properties<'a>,
        }

        impl<'a> $name<'a> {
            /// Without properties.
            #[inline]
            pub fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
                Self { packet_id, reason, properties: Properties::EMPTY }
            }

            /// Reads the body of the packet. In 5.0 the Reason Code may be left out for `Success`, and the
            /// properties where there are none.
            ///
            /// # Errors
            ///
            /// Whatever makes the packet malformed by itself.
            #[inline]
            pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
                let mut reader = Reader::new(frame.body);
                let packet_id = reader.packet_id()?;
                let (reason, properties) = if reader.is_empty() {
                    (ReasonCode::Success, Properties::EMPTY)
                } else {
                    decode_rest(version, reader, PacketType::$name, Place::$name)?
                };
                Ok(Self { packet_id, reason, properties })
            }

            /// Appends the whole packet, in its shortest form. 3.x gets the Packet Identifier only.
            #[inline]
            pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
                let first_byte = const { PacketType::$name.first_byte() };
                let [high, low] = self.packet_id.get().to_be_bytes();
                let is_short = self.reason == ReasonCode::Success && self.properties.is_empty();
                if is_short || !version.has_properties() {
                    out.extend_from_slice(&[first_byte, 2, high, low]);
                } else {
                    encode_long(PacketType::$name, self.packet_id, self.reason, self.properties, out);
                }
            }
        }
    };
}

acknowledgement! {
    /// Answers a PUBLISH at QoS 1.
    PubAck
}
acknowledgement! {
    /// Answers a PUBLISH at QoS 2: received.
    PubRec
}
acknowledgement! {
    /// Answers a PUBREC: the receiver may forget the Packet Identifier.
    PubRel
}
acknowledgement! {
    /// Answers a PUBREL: the sender may use the Packet Identifier again.
    PubComp
}

/// What may follow the Packet Identifier: a Reason Code, and after it properties.
fn decode_rest<'a>(
    version: ProtocolVersion,
    mut reader: Reader<'a>,
    packet_type: PacketType,
    place: Place,
) -> Result<(ReasonCode, Properties<'a>), Malformed> {
    if !version.has_properties() {
        return Err(Malformed::TrailingBytes);
    }
    let reason = reader.reason_code(packet_type)?;
    if reader.is_empty() {
        return Ok((reason, Properties::EMPTY));
    }
    let properties = reader.properties(version, place)?;
    reader.finish()?;
    Ok((reason, properties))
}

fn encode_long(
    packet_type: PacketType,
    packet_id: PacketId,
    reason: ReasonCode,
    properties: Properties<'_>,
    out: &mut Vec<u8>,
) {
    write::packet(packet_type, out, |out| {
        write::two_byte_integer(packet_id.get(), out);
        write::byte(reason as u8, out);
        if !properties.is_empty() {
            write::properties(ProtocolVersion::V5, properties, out);
        }
    });
}
