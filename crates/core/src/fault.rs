//! The Client's faults, and all the ways in which a connection ends.

use dunlin_packet::{Malformed, PacketType, ReasonCode};
use thiserror::Error;

/// A Protocol Error that the codec alone cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// The first packet was not a CONNECT.
    #[error("the first packet was {0:?}, not CONNECT")]
    FirstPacketNotConnect(PacketType),
    /// A CONNECT on a connection that has had one.
    #[error("a second CONNECT")]
    SecondConnect,
    /// A packet that only a Server sends, or that this protocol version does not have.
    #[error("{0:?} is not a Client's to send")]
    NotAClientsPacket(PacketType),
    /// More QoS 1 and 2 messages unacknowledged than Receive Maximum allows.
    #[error("more messages unacknowledged than Receive Maximum allows")]
    ReceiveMaximumExceeded,
    /// A Topic Alias that is 0 or above Topic Alias Maximum.
    #[error("Topic Alias {0} is above Topic Alias Maximum")]
    TopicAliasAboveMaximum(u16),
    /// A Topic Alias that stands for no Topic Name yet.
    #[error("Topic Alias {0} stands for no Topic Name yet")]
    TopicAliasUnknown(u16),
    /// A Subscription Identifier in a PUBLISH from a Client.
    #[error("a Client's PUBLISH has a Subscription Identifier")]
    SubscriptionIdentifierInPublish,
    /// A Topic Name with more levels than the broker takes.
    #[error("a Topic Name has more levels than are allowed")]
    TopicTooDeep,
    /// A Topic Name that is too long with the mount point before it.
    #[error("a Topic Name is too long with the mount point before it")]
    TopicTooLong,
    /// A PUBLISH with a QoS above the Maximum QoS of its listener.
    #[error("QoS {0} is above Maximum QoS")]
    QoSAboveMaximum(u8),
    /// A PUBLISH with RETAIN, where CONNACK has said that nothing is retained.
    #[error("messages are not retained here")]
    RetainNotAvailable,
    /// A payload that is not the UTF-8 that its Payload Format Indicator promises, at QoS 0.
    #[error("the payload is not UTF-8 as its Payload Format Indicator says")]
    PayloadNotUtf8,
    /// DISCONNECT with a Session Expiry Interval, where that of CONNECT was 0.
    #[error("DISCONNECT raises a Session Expiry Interval that was 0")]
    SessionExpiryRaised,
    /// AUTH outside of an authentication exchange, or with another method.
    #[error("AUTH with a method that CONNECT did not name")]
    AuthenticationMethodChanged,
    /// No Local on a Shared Subscription.
    #[error("No Local on a Shared Subscription")]
    NoLocalOnShared,
    /// A packet other than AUTH or DISCONNECT during the exchange after CONNECT.
    #[error("{0:?} before CONNACK")]
    PacketBeforeConnAck(PacketType),
}

impl Violation {
    /// What DISCONNECT says of it.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Violation::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Violation::TopicAliasAboveMaximum(_) => ReasonCode::TopicAliasInvalid,
            Violation::TopicTooDeep | Violation::TopicTooLong => ReasonCode::TopicNameInvalid,
            Violation::QoSAboveMaximum(_) => ReasonCode::QoSNotSupported,
            Violation::RetainNotAvailable => ReasonCode::RetainNotSupported,
            Violation::PayloadNotUtf8 => ReasonCode::PayloadFormatInvalid,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The statement of the specification (of 5.0 where it has one) that was broken.
    pub const fn statement(self) -> &'static str {
        match self {
            Violation::FirstPacketNotConnect(_) => "MQTT-3.1.0-1",
            Violation::SecondConnect => "MQTT-3.1.0-2",
            Violation::NotAClientsPacket(_) => "MQTT-4.13.1-1",
            Violation::ReceiveMaximumExceeded => "MQTT-3.3.4-9",
            Violation::TopicAliasAboveMaximum(_) => "MQTT-3.3.2-9",
            Violation::TopicAliasUnknown(_) => "MQTT-3.3.2-7",
            Violation::SubscriptionIdentifierInPublish => "MQTT-3.3.4-6",
            Violation::TopicTooDeep => "limit topic_levels",
            Violation::TopicTooLong => "MQTT-1.5.4-1",
            Violation::QoSAboveMaximum(_) => "MQTT-3.2.2-11",
            Violation::RetainNotAvailable => "MQTT-3.2.2-14",
            Violation::PayloadNotUtf8 => "MQTT-3.3.2-4",
            Violation::SessionExpiryRaised => "MQTT-3.1.2-23",
            Violation::AuthenticationMethodChanged => "MQTT-4.12.0-5",
            Violation::NoLocalOnShared => "MQTT-3.8.3-4",
            Violation::PacketBeforeConnAck(_) => "MQTT-3.1.2-30",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Ending {
    /// The Client sent DISCONNECT, with this Reason Code.
    #[error("the Client disconnected ({0})")]
    Disconnected(ReasonCode),
    /// The Client closed the Network Connection without DISCONNECT, or it broke.
    #[error("the connection was closed without DISCONNECT")]
    ConnectionLost,
    /// A packet could not be decoded.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A packet was well formed but not allowed.
    #[error("{0}")]
    Violation(#[from] Violation),
    /// Nothing came for one and a half times the Keep Alive. `[MQTT-3.1.2-22]`
    #[error("Keep Alive timeout")]
    KeepAliveTimeout,
    /// No complete CONNECT, or no next step of authentication, in time.
    #[error("no CONNECT in time")]
    ConnectTimeout,
    /// Another connection with the same Client Identifier. `[MQTT-3.1.4-3]`
    #[error("the Session was taken over by another connection")]
    TakenOver,
    /// CONNECT was refused.
    #[error("CONNECT was refused: {0}")]
    Refused(ReasonCode),
    /// What the Client was granted has run out: its token, say.
    #[error("the time for which the Client was authorized is over")]
    GrantExpired,
    /// The rules have changed, and the Client is known no more.
    #[error("the Client is no longer authorized")]
    GrantWithdrawn,
    /// Messages have come faster than they may for too long.
    #[error("messages come faster than they may")]
    MessageRateTooHigh,
    /// Bytes have come faster than they may for too long.
    #[error("bytes come faster than they may")]
    ByteRateTooHigh,
    /// Where it comes from, its Client or its user is banned from now on.
    #[error("the Client is banned")]
    Banned,
    /// Re-authentication has failed.
    #[error("re-authentication failed: {0}")]
    NoLongerAuthenticated(ReasonCode),
    /// The Client does not read, and what waits for it exceeds a limit.
    #[error("the Client does not read what is sent to it")]
    OutputFull,
    /// The incomplete packets of all Clients together exceed a limit.
    #[error("there is no room for further incomplete packets")]
    ReceiveBuffersFull,
    /// The log is full, and the Client, of 3.x, could not be told otherwise that its message was
    /// refused.
    #[error("there is no room in the log for its message")]
    LogFull,
    /// The broker stops.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl Ending {
    /// The Reason Code of the DISCONNECT that tells a Client of 5.0, if one is sent.
    pub fn reason_code(&self) -> Option<ReasonCode> {
        Some(match self {
            Ending::Disconnected(_) | Ending::ConnectionLost | Ending::Refused(_) => return None,
            Ending::Malformed(malformed) => malformed.reason_code(),
            Ending::Violation(violation) => violation.reason_code(),
            Ending::NoLongerAuthenticated(reason) => *reason,
            Ending::KeepAliveTimeout => ReasonCode::KeepAliveTimeout,
            Ending::ConnectTimeout | Ending::GrantExpired => ReasonCode::MaximumConnectTime,
            Ending::GrantWithdrawn => ReasonCode::NotAuthorized,
            // DISCONNECT does not have Banned. [MQTT-3.14.2-1]
            Ending::Banned => ReasonCode::AdministrativeAction,
            Ending::TakenOver => ReasonCode::SessionTakenOver,
            Ending::MessageRateTooHigh => ReasonCode::MessageRateTooHigh,
            Ending::ByteRateTooHigh
            | Ending::LogFull
            | Ending::OutputFull
            | Ending::ReceiveBuffersFull => ReasonCode::QuotaExceeded,
            Ending::ShuttingDown => ReasonCode::ServerShuttingDown,
        })
    }
}
