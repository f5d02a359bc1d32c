//! Any Control Packet: one variant per type.

use crate::{
    Auth, ConnAck, Connect, Disconnect, Frame, Malformed, PacketType, ProtocolVersion, PubAck,
    PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe, write,
};

/// Any Control Packet, borrowing the bytes that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant is documented at the type in it, or at PacketType"
)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(PubAck<'a>),
    PubRec(PubRec<'a>),
    PubRel(PubRel<'a>),
    PubComp(PubComp<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet of this protocol version; a CONNECT says its own.
    ///
    /// # Errors
    ///
    /// Whatever makes the packet malformed by itself, whoever sent it.
    #[inline]
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        check_flags_of_version(version, frame)?;
        Ok(match frame.packet_type {
            PacketType::Publish => Self::Publish(Publish::decode(version, frame)?),
            PacketType::PubAck => Self::PubAck(PubAck::decode(version, frame)?),
            PacketType::PubRec => Self::PubRec(PubRec::decode(version, frame)?),
            PacketType::PubRel => Self::PubRel(PubRel::decode(version, frame)?),
            PacketType::PubComp => Self::PubComp(PubComp::decode(version, frame)?),
            _ => Self::decode_rare(version, frame)?,
        })
    }

    #[inline(never)]
    fn decode_rare(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, Malformed> {
        Ok(match frame.packet_type {
            PacketType::Connect => Self::Connect(Connect::decode(version, frame)?),
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(version, frame)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(version, frame)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(version, frame)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(version, frame)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(version, frame)?),
            PacketType::PingReq => without_body(frame, Self::PingReq)?,
            PacketType::PingResp => without_body(frame, Self::PingResp)?,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(version, frame)?),
            PacketType::Auth => Self::Auth(Auth::decode(version, frame)?),
            PacketType::Publish
            | PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp => unreachable!("decode() takes these"),
        })
    }

    /// Appends the whole packet in this protocol version; a CONNECT in its own. What the version has no room for
    /// (properties, Reason Codes, AUTH in 3.x) is left out.
    ///
    /// # Panics
    ///
    /// Where a field has more than 65,535 bytes, or the packet more than 256 MiB; decoded packets never do.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        match self {
            Self::Connect(packet) => packet.encode(version, out),
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(packet) => packet.encode(version, out),
            Self::PubRec(packet) => packet.encode(version, out),
            Self::PubRel(packet) => packet.encode(version, out),
            Self::PubComp(packet) => packet.encode(version, out),
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq => write::packet(PacketType::PingReq, out, |_| {}),
            Self::PingResp => write::packet(PacketType::PingResp, out, |_| {}),
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }

    /// Which type of packet this is.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

/// 3.1 knows DUP in PUBREL, SUBSCRIBE and UNSUBSCRIBE, so framing lets it through; no later version does.
#[inline]
fn check_flags_of_version(version: ProtocolVersion, frame: Frame<'_>) -> Result<(), Malformed> {
    let Frame {
        packet_type, flags, ..
    } = frame;
    if packet_type == PacketType::Publish
        || flags == packet_type.fixed_flags()
        || version == ProtocolVersion::V3_1
    {
        Ok(())
    } else {
        Err(Malformed::FixedHeaderFlags { packet_type, flags })
    }
}

fn without_body<'a>(frame: Frame<'_>, packet: Packet<'a>) -> Result<Packet<'a>, Malformed> {
    if frame.body.is_empty() {
        Ok(packet)
    } else {
        Err(Malformed::TrailingBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, PacketId, Properties, PropertiesBuf, Property, QoS, split_frame};

    fn round_trip(version: ProtocolVersion, packet: Packet<'_>) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        packet.encode(version, &mut bytes);
        let bytes = bytes.split_off(6);
        let Framing::Complete { frame, length } = split_frame(&bytes, u32::MAX).unwrap() else {
            panic!("not a whole packet: {bytes:02x?}");
        };
        assert_eq!(length, bytes.len());
        assert_eq!(Packet::decode(version, frame), Ok(packet));
        bytes
    }

    #[test]
    fn a_publish_is_written_as_the_specification_draws_it() {
        let publish = Publish {
            dup: false,
            retain: true,
            qos: QoS::AtLeastOnce,
            topic: "a/b",
            packet_id: PacketId::new(10),
            properties: Properties::EMPTY,
            payload: b"hi",
        };
        let bytes = round_trip(ProtocolVersion::V3_1_1, Packet::Publish(publish));
        assert_eq!(bytes, b"\x33\x09\0\x03a/b\0\x0ahi");
        let bytes = round_trip(ProtocolVersion::V5, Packet::Publish(publish));
        assert_eq!(bytes, b"\x33\x0a\0\x03a/b\0\x0a\0hi");
    }

    #[test]
    fn a_long_body_gets_a_long_remaining_length() {
        let mut properties = PropertiesBuf::new();
        let reason = "why ".repeat(100);
        properties.push(Property::ReasonString(&reason));
        let packet = Disconnect {
            reason: crate::ReasonCode::ServerBusy,
            properties: properties.as_properties(),
        };
        let bytes = round_trip(ProtocolVersion::V5, Packet::Disconnect(packet));
        assert_eq!(bytes[..6], [0xE0, 0x96, 0x03, 0x89, 0x93, 0x03]);
    }
}
