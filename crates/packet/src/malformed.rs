//! Every way in which a packet can be wrong by itself, before any state is looked at.

use crate::{InvalidTopic, InvalidTopicFilter, PacketType, ReasonCode};

/// A fault of the sender that the bytes alone prove: a Malformed Packet or a Protocol Error of the specification.
///
/// The receiver closes the Network Connection `[MQTT-4.13.1-1]`, in 5.0 after saying [`Malformed::reason_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    // ── Fixed header ──
    /// Packet type 0.
    #[error("packet type 0 is reserved")]
    PacketTypeReserved,
    /// A type that the protocol version does not have: AUTH in 3.x.
    #[error("{0} does not exist in this protocol version")]
    PacketTypeNotInVersion(PacketType),
    /// Flags other than the type prescribes.
    #[error("fixed header flags {flags:#06b} are not allowed in {packet_type}")]
    FixedHeaderFlags {
        /// The packet's type.
        packet_type: PacketType,
        /// The lower four bits of its first byte.
        flags: u8,
    },
    /// A PUBLISH with both QoS bits set.
    #[error("QoS 3 in a PUBLISH")]
    PublishQoS,
    /// A PUBLISH at QoS 0 that says it is a re-delivery.
    #[error("DUP in a PUBLISH at QoS 0")]
    DupAtQoS0,
    /// Larger than the receiver accepts.
    #[error("packet of {length} bytes, {maximum} allowed")]
    PacketTooLarge {
        /// Size of the whole packet in bytes.
        length: u32,
        /// Largest size in bytes that the receiver accepts.
        maximum: u32,
    },

    // ── Data types ──
    /// The body ends inside a field, or a field is longer than what it is in.
    #[error("packet ends inside a field")]
    EndsInsideField,
    /// Bytes after the last field.
    #[error("bytes after the last field")]
    TrailingBytes,
    /// A Variable Byte Integer of more than four bytes.
    #[error("Variable Byte Integer of more than four bytes")]
    VariableByteIntegerTooLong,
    /// A Variable Byte Integer that fits into fewer bytes.
    #[error("Variable Byte Integer in more bytes than needed")]
    VariableByteIntegerNotMinimal,
    /// A string that is not well-formed UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A string with U+0000 in it.
    #[error("string contains U+0000")]
    NullCharacter,
    /// Packet Identifier 0.
    #[error("Packet Identifier 0")]
    PacketIdZero,
    /// A Reason Code (in 3.x a return code) that does not exist, or not in this packet.
    #[error("Reason Code {code:#04x} is not allowed in {packet_type}")]
    ReasonCodeNotAllowed {
        /// The packet's type.
        packet_type: PacketType,
        /// The code on the wire.
        code: u8,
    },

    // ── Properties ──
    /// A property identifier that does not exist.
    #[error("unknown property {0:#04x}")]
    PropertyUnknown(u32),
    /// A property that does not belong into this packet.
    #[error("property {0:#04x} is not allowed in this packet")]
    PropertyNotAllowed(u8),
    /// A property twice, where once is allowed.
    #[error("property {0:#04x} more than once")]
    PropertyDuplicate(u8),
    /// A property that must be 0 or 1 has another value.
    #[error("property {0:#04x} is neither 0 nor 1")]
    PropertyNotBoolean(u8),
    /// Receive Maximum 0.
    #[error("Receive Maximum 0")]
    ReceiveMaximumZero,
    /// Maximum Packet Size 0.
    #[error("Maximum Packet Size 0")]
    MaximumPacketSizeZero,
    /// Topic Alias 0.
    #[error("Topic Alias 0")]
    TopicAliasZero,
    /// Subscription Identifier 0.
    #[error("Subscription Identifier 0")]
    SubscriptionIdentifierZero,
    /// A Response Topic with a wildcard in it.
    #[error("wildcard in a Response Topic")]
    ResponseTopicWildcard,
    /// Authentication Data without an Authentication Method.
    #[error("Authentication Data without Authentication Method")]
    AuthenticationDataWithoutMethod,
    /// An AUTH without an Authentication Method.
    #[error("AUTH without Authentication Method")]
    AuthenticationMethodMissing,

    // ── CONNECT and CONNACK ──
    /// Neither `MQTT` nor `MQIsdp`.
    #[error("unknown protocol name")]
    ProtocolName,
    /// A protocol level that is not spoken here, or not under this protocol name.
    #[error("unsupported protocol version {0}")]
    UnsupportedProtocolVersion(u8),
    /// Bit 0 of the Connect Flags.
    #[error("reserved Connect Flag is set")]
    ConnectFlagReserved,
    /// Will QoS without the Will Flag.
    #[error("Will QoS without Will Flag")]
    WillQoSWithoutWill,
    /// Will Retain without the Will Flag.
    #[error("Will Retain without Will Flag")]
    WillRetainWithoutWill,
    /// Will QoS 3.
    #[error("Will QoS 3")]
    WillQoS,
    /// In 3.x: the Password Flag without the User Name Flag.
    #[error("password without user name")]
    PasswordWithoutUserName,
    /// Bits 7 to 1 of the Connect Acknowledge Flags.
    #[error("reserved Connect Acknowledge Flag is set")]
    ConnAckFlagReserved,
    /// A CONNACK that refuses, and says that a Session is present.
    #[error("Session Present in a CONNACK that refuses")]
    SessionPresentWithError,

    // ── Topics ──
    /// A Topic Name that breaks the rules of Topic Names.
    #[error("Topic Name {0}")]
    TopicName(InvalidTopic),
    /// An empty Topic Name without a Topic Alias.
    #[error("neither Topic Name nor Topic Alias")]
    TopicNameMissing,
    /// In 3.x: a Topic Filter that breaks the rules of Topic Filters. In 5.0 it gets a Reason Code of its own in the SUBACK.
    #[error("Topic Filter {0}")]
    TopicFilter(InvalidTopicFilter),

    // ── SUBSCRIBE and UNSUBSCRIBE ──
    /// A SUBSCRIBE without a Topic Filter.
    #[error("SUBSCRIBE without a Topic Filter")]
    SubscribeEmpty,
    /// An UNSUBSCRIBE without a Topic Filter.
    #[error("UNSUBSCRIBE without a Topic Filter")]
    UnsubscribeEmpty,
    /// Reserved bits in the Subscription Options.
    #[error("reserved Subscription Options are set")]
    SubscriptionOptionsReserved,
    /// Maximum QoS 3 in the Subscription Options.
    #[error("QoS 3 in Subscription Options")]
    SubscriptionQoS,
    /// Retain Handling 3.
    #[error("Retain Handling 3")]
    RetainHandling,
    /// No Local on a Shared Subscription.
    #[error("No Local on a Shared Subscription")]
    NoLocalOnSharedSubscription,
}

/// U+0000 is a fault of the string, the rest are faults of the topic.
impl From<InvalidTopic> for Malformed {
    fn from(invalid: InvalidTopic) -> Self {
        match invalid {
            InvalidTopic::NullCharacter => Self::NullCharacter,
            _ => Self::TopicName(invalid),
        }
    }
}

/// U+0000 is a fault of the string, the rest are faults of the topic.
impl From<InvalidTopicFilter> for Malformed {
    fn from(invalid: InvalidTopicFilter) -> Self {
        match invalid {
            InvalidTopicFilter::NullCharacter => Self::NullCharacter,
            _ => Self::TopicFilter(invalid),
        }
    }
}

impl Malformed {
    /// What a 5.0 CONNACK or DISCONNECT says about this fault.
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::UnsupportedProtocolVersion(_) => {
                ReasonCode::UnsupportedProtocolVersion
            }
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            Self::TopicName(_) => ReasonCode::TopicNameInvalid,
            Self::TopicFilter(_) => ReasonCode::TopicFilterInvalid,
            Self::PropertyDuplicate(_)
            | Self::PropertyNotBoolean(_)
            | Self::ReceiveMaximumZero
            | Self::MaximumPacketSizeZero
            | Self::SubscriptionIdentifierZero
            | Self::ResponseTopicWildcard
            | Self::AuthenticationDataWithoutMethod
            | Self::AuthenticationMethodMissing
            | Self::SessionPresentWithError
            | Self::TopicNameMissing
            | Self::SubscribeEmpty
            | Self::UnsubscribeEmpty
            | Self::SubscriptionQoS
            | Self::RetainHandling
            | Self::NoLocalOnSharedSubscription => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }

    /// The statement of the specification that is violated: `MQTT-…` is 5.0, `MQTT311-…` is 3.1.1.
    ///
    /// Some rules have no statement number; then it is the section, such as `MQTT-2.1.4`.
    pub fn statement(&self) -> &'static str {
        match self {
            Self::PacketTypeReserved => "MQTT-2.1.2",
            Self::PacketTypeNotInVersion(_) => "MQTT311-2.2.1",
            Self::FixedHeaderFlags { packet_type, .. } => match packet_type {
                PacketType::PubRel => "MQTT-3.6.1-1",
                PacketType::Subscribe => "MQTT-3.8.1-1",
                PacketType::Unsubscribe => "MQTT-3.10.1-1",
                PacketType::Disconnect => "MQTT-3.14.1-1",
                PacketType::Auth => "MQTT-3.15.1-1",
                _ => "MQTT-2.1.3-1",
            },
            Self::PublishQoS => "MQTT-3.3.1-4",
            Self::DupAtQoS0 => "MQTT-3.3.1-2",
            Self::PacketTooLarge { .. } => "MQTT-3.2.2-15",
            Self::EndsInsideField | Self::TrailingBytes => "MQTT-2.1.4",
            Self::VariableByteIntegerTooLong => "MQTT-1.5.5",
            Self::VariableByteIntegerNotMinimal => "MQTT-1.5.5-1",
            Self::NotUtf8 => "MQTT-1.5.4-1",
            Self::NullCharacter => "MQTT-1.5.4-2",
            Self::PacketIdZero => "MQTT-2.2.1-3",
            Self::ReasonCodeNotAllowed { packet_type, .. } => match packet_type {
                PacketType::ConnAck => "MQTT-3.2.2-8",
                PacketType::PubAck => "MQTT-3.4.2-1",
                PacketType::PubRec => "MQTT-3.5.2-1",
                PacketType::PubRel => "MQTT-3.6.2-1",
                PacketType::PubComp => "MQTT-3.7.2-1",
                PacketType::SubAck => "MQTT-3.9.3-2",
                PacketType::UnsubAck => "MQTT-3.11.3-2",
                PacketType::Disconnect => "MQTT-3.14.2-1",
                PacketType::Auth => "MQTT-3.15.2-1",
                _ => "MQTT-2.4",
            },
            Self::PropertyUnknown(_)
            | Self::PropertyNotAllowed(_)
            | Self::PropertyDuplicate(_)
            | Self::PropertyNotBoolean(_) => "MQTT-2.2.2.2",
            Self::ReceiveMaximumZero => "MQTT-3.1.2.11.3",
            Self::MaximumPacketSizeZero => "MQTT-3.1.2.11.4",
            Self::TopicAliasZero => "MQTT-3.3.2-8",
            Self::SubscriptionIdentifierZero => "MQTT-3.8.2.1.2",
            Self::ResponseTopicWildcard => "MQTT-3.3.2-14",
            Self::AuthenticationDataWithoutMethod => "MQTT-3.1.2.11.10",
            Self::AuthenticationMethodMissing => "MQTT-3.15.2.2.2",
            Self::ProtocolName => "MQTT-3.1.2-1",
            Self::UnsupportedProtocolVersion(_) => "MQTT-3.1.2-2",
            Self::ConnectFlagReserved => "MQTT-3.1.2-3",
            Self::WillQoSWithoutWill => "MQTT-3.1.2-11",
            Self::WillRetainWithoutWill => "MQTT-3.1.2-13",
            Self::WillQoS => "MQTT-3.1.2-12",
            Self::PasswordWithoutUserName => "MQTT311-3.1.2-22",
            Self::ConnAckFlagReserved => "MQTT-3.2.2-1",
            Self::SessionPresentWithError => "MQTT-3.2.2-6",
            Self::TopicName(invalid) => invalid.statement(),
            Self::TopicNameMissing => "MQTT-3.3.2.1",
            Self::TopicFilter(invalid) => invalid.statement(),
            Self::SubscribeEmpty => "MQTT-3.8.3-2",
            Self::UnsubscribeEmpty => "MQTT-3.10.3-2",
            Self::SubscriptionOptionsReserved => "MQTT-3.8.3-5",
            Self::SubscriptionQoS | Self::RetainHandling => "MQTT-3.8.3.1",
            Self::NoLocalOnSharedSubscription => "MQTT-3.8.3-4",
        }
    }
}
