//! What a client reports to the application.

use dunlin_packet::{PacketId, PropertiesBuf, ReasonCode};

use crate::{Message, ReceivedMessage, ServerFault};

/// Something the application has to know.
#[derive(Debug, Clone)]
pub enum Event {
    /// The Server accepted the connection.
    Connected {
        /// The Server resumed a Session that it had stored.
        session_present: bool,
        /// Properties of CONNACK.
        properties: PropertiesBuf,
    },
    /// A message arrived. With [`Acknowledgement::Manual`](crate::Acknowledgement::Manual) it has to be acknowledged.
    Message(ReceivedMessage),
    /// A published QoS 1 or 2 message has been answered for good. An error Reason Code means that
    /// the Server did not take it; in 3.x it is always `Success`.
    Published {
        /// As returned by [`Client::publish`](crate::Client::publish).
        packet_id: PacketId,
        /// From PUBACK, PUBREC or PUBCOMP.
        reason: ReasonCode,
        /// Properties of that packet.
        properties: PropertiesBuf,
    },
    /// A message in flight can no longer be delivered as the Session demands: the Server has lost
    /// the Session, or its limits no longer allow the message.
    Abandoned {
        /// As returned by [`Client::publish`](crate::Client::publish).
        packet_id: PacketId,
        /// To publish again if it still matters; `None` if the Server had taken it (PUBREC).
        message: Option<Message>,
    },
    /// A SUBSCRIBE was answered.
    Subscribed {
        /// As returned by [`Client::subscribe`](crate::Client::subscribe).
        packet_id: PacketId,
        /// One per Topic Filter, in their order.
        reasons: Vec<ReasonCode>,
        /// Properties of SUBACK.
        properties: PropertiesBuf,
    },
    /// An UNSUBSCRIBE was answered.
    Unsubscribed {
        /// As returned by [`Client::unsubscribe`](crate::Client::unsubscribe).
        packet_id: PacketId,
        /// One per Topic Filter, in their order; `Success` for each in 3.x, which sends none.
        reasons: Vec<ReasonCode>,
        /// Properties of UNSUBACK.
        properties: PropertiesBuf,
    },
    /// The Server's turn of an enhanced authentication; answer with
    /// [`Client::authenticate`](crate::Client::authenticate) unless it is over.
    Authentication {
        /// `ContinueAuthentication`, or `Success` at the end of a re-authentication.
        reason: ReasonCode,
        /// Properties of AUTH.
        properties: PropertiesBuf,
    },
    /// The Network Connection is over; the last event until the next `connect`.
    Closed(Closed),
}

/// Why a Network Connection is over.
#[derive(Debug, Clone)]
pub enum Closed {
    /// By [`Client::disconnect`](crate::Client::disconnect).
    ByClient,
    /// The Server answered CONNECT with an error.
    Refused {
        /// From CONNACK; the return codes of 3.x are translated.
        reason: ReasonCode,
        /// Properties of CONNACK.
        properties: PropertiesBuf,
    },
    /// The Server sent DISCONNECT (5.0 only).
    ByServer {
        /// From DISCONNECT.
        reason: ReasonCode,
        /// Properties of DISCONNECT.
        properties: PropertiesBuf,
    },
    /// The Network Connection ended without a word.
    Lost,
    /// No CONNACK within [`ConnectOptions::connack_timeout`](crate::ConnectOptions::connack_timeout).
    ConnAckTimeout,
    /// No PINGRESP within another Keep Alive interval.
    KeepAliveTimeout,
    /// The Server broke the protocol.
    Fault(ServerFault),
}
