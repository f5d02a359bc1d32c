//! Every way in which a Server can break the protocol, and what to tell it.

use dunlin_packet::{Malformed, PacketId, PacketType, ReasonCode};

/// A violation committed by the Server. The Network Connection cannot go on after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// Bytes that are no MQTT packet.
    #[error("malformed packet: {0}")]
    Malformed(#[from] Malformed),
    /// Something else came before CONNACK.
    #[error("the server's first packet is {0:?}, not CONNACK")]
    FirstPacketNotConnAck(PacketType),
    /// A second CONNACK.
    #[error("the server sent CONNACK twice")]
    SecondConnAck,
    /// A packet that only clients send, or that this protocol version does not have.
    #[error("a server must not send {0:?}")]
    UnexpectedPacket(PacketType),
    /// Session Present, although CONNECT asked for a clean start.
    #[error("the server resumed a session although a clean start was requested")]
    SessionPresentOnCleanStart,
    /// Session Present together with an error.
    #[error("the server refused the connection, yet claims to resume a session")]
    SessionPresentOnRefusal,
    /// PUBACK for a QoS 2 message, or PUBREC or PUBCOMP out of turn.
    #[error("{answer:?} does not fit the state of packet identifier {}", packet_id.get())]
    AnswerOutOfTurn {
        /// The packet that came.
        answer: PacketType,
        /// Its Packet Identifier.
        packet_id: PacketId,
    },
    /// SUBACK or UNSUBACK for nothing that was asked.
    #[error("{answer:?} answers no request with packet identifier {}", packet_id.get())]
    AnswerWithoutRequest {
        /// The packet that came.
        answer: PacketType,
        /// Its Packet Identifier.
        packet_id: PacketId,
    },
    /// SUBACK or UNSUBACK with too few or too many Reason Codes.
    #[error("the server gave {received} reason codes for {requested} topic filters")]
    ReasonCodeCount {
        /// Topic Filters in the request.
        requested: usize,
        /// Reason Codes in the answer.
        received: usize,
    },
    /// A byte that is no Reason Code of any version.
    #[error("0x{0:02x} is not a reason code")]
    UnknownReasonCode(u8),
    /// More unacknowledged messages than our Receive Maximum.
    #[error("more than {0} messages in flight: the server exceeds the receive maximum")]
    ReceiveMaximumExceeded(u16),
    /// A Topic Alias above our Topic Alias Maximum.
    #[error("topic alias {alias} is above the topic alias maximum {maximum}")]
    TopicAliasAboveMaximum {
        /// As sent.
        alias: u16,
        /// As announced in CONNECT.
        maximum: u16,
    },
    /// A Topic Alias that was never given a Topic Name on this Network Connection.
    #[error("topic alias {0} has no topic name")]
    TopicAliasUnknown(u16),
    /// AUTH, although CONNECT named no Authentication Method.
    #[error("the server sent AUTH although no authentication method was named")]
    AuthenticationNotStarted,
}

impl ServerFault {
    /// What the DISCONNECT that answers it says.
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed(malformed) => malformed.reason_code(),
            Self::ReceiveMaximumExceeded(_) => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasAboveMaximum { .. } => ReasonCode::TopicAliasInvalid,
            Self::UnknownReasonCode(_) => ReasonCode::MalformedPacket,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The statement of the 5.0 specification that it breaks, where there is a numbered one.
    pub fn statement(&self) -> Option<&'static str> {
        match self {
            Self::Malformed(malformed) => Some(malformed.statement()),
            Self::FirstPacketNotConnAck(_) => Some("MQTT-3.2.0-1"),
            Self::SecondConnAck => Some("MQTT-3.2.0-2"),
            Self::SessionPresentOnCleanStart => Some("MQTT-3.2.2-2"),
            Self::SessionPresentOnRefusal => Some("MQTT-3.2.2-6"),
            Self::ReasonCodeCount { .. } => Some("MQTT-3.8.4-6"),
            Self::ReceiveMaximumExceeded(_) => Some("MQTT-3.3.4-9"),
            Self::TopicAliasAboveMaximum { .. } => Some("MQTT-3.1.2-26"),
            Self::AuthenticationNotStarted => Some("MQTT-4.12.0-6"),
            Self::UnexpectedPacket(_)
            | Self::AnswerOutOfTurn { .. }
            | Self::AnswerWithoutRequest { .. }
            | Self::UnknownReasonCode(_)
            | Self::TopicAliasUnknown(_) => None,
        }
    }
}
