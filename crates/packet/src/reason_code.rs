//! Reason Codes: how an operation ended (5.0, section 2.4), and their 3.x counterparts.

use std::fmt;

use crate::PacketType;

/// One row per Reason Code: its number, its name here, and its name in the specification.
macro_rules! reason_codes {
    ($($value:literal $name:ident $text:literal;)*) => {
        /// How an operation ended. Below 0x80 it succeeded, from 0x80 on it failed.
        ///
        /// 0x00 has three names in the specification: `Success` is the variant, [`ReasonCode::NormalDisconnection`]
        /// and [`ReasonCode::GrantedQoS0`] are the same value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(#[doc = concat!("`", stringify!($value), "` ", $text)] $name = $value,)*
        }

        /// Fails with the value itself where the specification defines no such code.
        impl TryFrom<u8> for ReasonCode {
            type Error = u8;

            fn try_from(value: u8) -> Result<Self, u8> {
                match value {
                    $($value => Ok(Self::$name),)*
                    other => Err(other),
                }
            }
        }

        /// The name that the specification gives.
        impl fmt::Display for ReasonCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }

        #[cfg(test)]
        const ALL: &[ReasonCode] = &[$(ReasonCode::$name),*];
    };
}

reason_codes! {
    0x00 Success "Success";
    0x01 GrantedQoS1 "Granted QoS 1";
    0x02 GrantedQoS2 "Granted QoS 2";
    0x04 DisconnectWithWill "Disconnect with Will Message";
    0x10 NoMatchingSubscribers "No matching subscribers";
    0x11 NoSubscriptionExisted "No subscription existed";
    0x18 ContinueAuthentication "Continue authentication";
    0x19 ReAuthenticate "Re-authenticate";
    0x80 UnspecifiedError "Unspecified error";
    0x81 MalformedPacket "Malformed Packet";
    0x82 ProtocolError "Protocol Error";
    0x83 ImplementationSpecificError "Implementation specific error";
    0x84 UnsupportedProtocolVersion "Unsupported Protocol Version";
    0x85 ClientIdentifierNotValid "Client Identifier not valid";
    0x86 BadUserNameOrPassword "Bad User Name or Password";
    0x87 NotAuthorized "Not authorized";
    0x88 ServerUnavailable "Server unavailable";
    0x89 ServerBusy "Server busy";
    0x8A Banned "Banned";
    0x8B ServerShuttingDown "Server shutting down";
    0x8C BadAuthenticationMethod "Bad authentication method";
    0x8D KeepAliveTimeout "Keep Alive timeout";
    0x8E SessionTakenOver "Session taken over";
    0x8F TopicFilterInvalid "Topic Filter invalid";
    0x90 TopicNameInvalid "Topic Name invalid";
    0x91 PacketIdentifierInUse "Packet Identifier in use";
    0x92 PacketIdentifierNotFound "Packet Identifier not found";
    0x93 ReceiveMaximumExceeded "Receive Maximum exceeded";
    0x94 TopicAliasInvalid "Topic Alias invalid";
    0x95 PacketTooLarge "Packet too large";
    0x96 MessageRateTooHigh "Message rate too high";
    0x97 QuotaExceeded "Quota exceeded";
    0x98 AdministrativeAction "Administrative action";
    0x99 PayloadFormatInvalid "Payload format invalid";
    0x9A RetainNotSupported "Retain not supported";
    0x9B QoSNotSupported "QoS not supported";
    0x9C UseAnotherServer "Use another server";
    0x9D ServerMoved "Server moved";
    0x9E SharedSubscriptionsNotSupported "Shared Subscriptions not supported";
    0x9F ConnectionRateExceeded "Connection rate exceeded";
    0xA0 MaximumConnectTime "Maximum connect time";
    0xA1 SubscriptionIdentifiersNotSupported "Subscription Identifiers not supported";
    0xA2 WildcardSubscriptionsNotSupported "Wildcard Subscriptions not supported";
}

#[allow(
    non_upper_case_globals,
    reason = "second names of a variant, written like one"
)]
impl ReasonCode {
    /// 0x00 as a DISCONNECT calls it.
    pub const NormalDisconnection: Self = Self::Success;
    /// 0x00 as a SUBACK calls it.
    pub const GrantedQoS0: Self = Self::Success;
}

impl ReasonCode {
    /// Whether the operation failed: 0x80 and above.
    #[inline]
    pub fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// The CONNACK return code (0 to 5) that tells a 3.x Client the same, as nearly as 3.x can.
    pub fn connect_return_code(self) -> u8 {
        match self {
            code if !code.is_error() => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized
            | Self::Banned
            | Self::BadAuthenticationMethod
            | Self::TopicNameInvalid
            | Self::RetainNotSupported
            | Self::QoSNotSupported => 5,
            _ => 3,
        }
    }

    /// The Reason Code that a 3.x CONNACK return code stands for; `None` above 5, which 3.x reserves.
    pub(crate) fn from_connect_return_code(value: u8) -> Option<Self> {
        Some(match value {
            0 => Self::Success,
            1 => Self::UnsupportedProtocolVersion,
            2 => Self::ClientIdentifierNotValid,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserNameOrPassword,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }

    /// Whether a 5.0 packet of this type may carry this code (5.0, table 2-6).
    pub fn is_allowed_in(self, packet_type: PacketType) -> bool {
        let value = self as u8;
        match packet_type {
            PacketType::ConnAck => matches!(
                value,
                0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
            ),
            PacketType::PubAck | PacketType::PubRec => matches!(
                value,
                0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99
            ),
            PacketType::PubRel | PacketType::PubComp => matches!(value, 0x00 | 0x92),
            PacketType::SubAck => matches!(
                value,
                0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2
            ),
            PacketType::UnsubAck => {
                matches!(value, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91)
            }
            PacketType::Disconnect => matches!(
                value,
                0x00 | 0x04
                    | 0x80..=0x83
                    | 0x87
                    | 0x89
                    | 0x8B..=0x90
                    | 0x93..=0xA2
            ),
            PacketType::Auth => matches!(value, 0x00 | 0x18 | 0x19),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        assert_eq!(ALL.len(), 43);
        for &code in ALL {
            assert_eq!(ReasonCode::try_from(code as u8), Ok(code));
            assert_eq!(code.is_error(), code as u8 >= 0x80);
        }
        assert_eq!(ReasonCode::try_from(0x03), Err(0x03));
    }

    #[test]
    fn return_codes_of_3x_map_back_to_themselves() {
        for value in 0..=5 {
            let code = ReasonCode::from_connect_return_code(value).unwrap();
            assert_eq!(code.connect_return_code(), value);
        }
        assert_eq!(ReasonCode::from_connect_return_code(6), None);
        assert!(ALL.iter().all(|code| code.connect_return_code() <= 5));
    }

    #[test]
    fn every_code_has_a_packet() {
        let packets = [
            PacketType::ConnAck,
            PacketType::PubAck,
            PacketType::PubRec,
            PacketType::PubRel,
            PacketType::PubComp,
            PacketType::SubAck,
            PacketType::UnsubAck,
            PacketType::Disconnect,
            PacketType::Auth,
        ];
        for code in ALL {
            assert!(
                packets.iter().any(|&packet| code.is_allowed_in(packet)),
                "{code}"
            );
        }
        assert!(!ReasonCode::Success.is_allowed_in(PacketType::Publish));
    }
}
