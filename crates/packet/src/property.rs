//! The properties of 5.0 (section 2.2.2): one table says what each is and where it belongs.

use crate::read::Reader;
use crate::{Malformed, write};

/// Where properties stand: the packet types that have them, and the Will Properties inside a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Place {
    Will = 1 << 0,
    Connect = 1 << 1,
    ConnAck = 1 << 2,
    Publish = 1 << 3,
    PubAck = 1 << 4,
    PubRec = 1 << 5,
    PubRel = 1 << 6,
    PubComp = 1 << 7,
    Subscribe = 1 << 8,
    SubAck = 1 << 9,
    Unsubscribe = 1 << 10,
    UnsubAck = 1 << 11,
    Disconnect = 1 << 12,
    Auth = 1 << 13,
}

/// A set of [`Place`]s.
#[derive(Clone, Copy)]
struct Places(u16);

impl Places {
    const NONE: Self = Self(0);
    const ALL: Self = Self(u16::MAX);

    const fn of(places: &[Place]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < places.len() {
            bits |= places[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    #[inline]
    fn contains(self, place: Place) -> bool {
        self.0 & place as u16 != 0
    }
}

/// Each row: identifier, name, fields as `name: Rust type = data type of the specification`, the places where it may
/// stand, and the places where it may stand more than once.
macro_rules! property_table {
    ($(
        $(#[$doc:meta])*
        $identifier:literal $name:ident($($field:ident: $type:ty = $wire:ident),+)
            in $places:expr, repeated in $repeated:expr;
    )*) => {
        /// One property. Strings are without U+0000; strings and binary data have at most 65,535 bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Property<'a> {
            $($(#[$doc])* $name($($type),+),)*
        }

        impl<'a> Property<'a> {
            /// The number that names the property on the wire.
            #[inline]
            pub fn identifier(&self) -> u8 {
                match self { $(Self::$name(..) => $identifier,)* }
            }

            /// Appends identifier and value.
            ///
            /// # Panics
            ///
            /// Where a string or binary value has more than 65,535 bytes, or a Subscription Identifier more than 28 bits.
            #[inline]
            pub fn encode(&self, out: &mut Vec<u8>) {
                match *self {
                    $(Self::$name($($field),+) => {
                        out.push($identifier);
                        $(write::$wire($field, out);)+
                    })*
                }
            }

            /// Takes one property off the front, whatever its value.
            #[inline]
            pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                match reader.variable_byte_integer()? {
                    $($identifier => Ok(Self::$name($(property_table!(@read reader $field $wire)),+)),)*
                    unknown => Err(Malformed::PropertyUnknown(unknown)),
                }
            }

            fn places(&self) -> (Places, Places) {
                match self {
                    $(Self::$name(..) => const { ($places, $repeated) },)*
                }
            }
        }
    };
    (@read $reader:ident $field:ident $wire:ident) => { $reader.$wire()? };
}

use Place::*;

property_table! {
    /// 1 where the payload is UTF-8 text, 0 where it is unspecified bytes.
    0x01 PayloadFormatIndicator(value: u8 = byte)
        in Places::of(&[Publish, Will]), repeated in Places::NONE;
    /// Lifetime of the Application Message in seconds.
    0x02 MessageExpiryInterval(seconds: u32 = four_byte_integer)
        in Places::of(&[Publish, Will]), repeated in Places::NONE;
    /// Description of the payload, defined by the applications.
    0x03 ContentType(value: &'a str = utf8_string)
        in Places::of(&[Publish, Will]), repeated in Places::NONE;
    /// Topic Name that an answer goes to; has no wildcard.
    0x08 ResponseTopic(value: &'a str = utf8_string)
        in Places::of(&[Publish, Will]), repeated in Places::NONE;
    /// By which the requester knows what an answer is for.
    0x09 CorrelationData(value: &'a [u8] = binary_data)
        in Places::of(&[Publish, Will]), repeated in Places::NONE;
    /// Number that the Client gives a Subscription: 1 to 268,435,455.
    0x0B SubscriptionIdentifier(value: u32 = variable_byte_integer)
        in Places::of(&[Publish, Subscribe]), repeated in Places::of(&[Publish]);
    /// How long the Session outlives the Network Connection, in seconds; `u32::MAX` is for ever.
    0x11 SessionExpiryInterval(seconds: u32 = four_byte_integer)
        in Places::of(&[Connect, ConnAck, Disconnect]), repeated in Places::NONE;
    /// Client Identifier that the Server chose.
    0x12 AssignedClientIdentifier(value: &'a str = utf8_string)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// Keep Alive that the Server imposes, in seconds.
    0x13 ServerKeepAlive(seconds: u16 = two_byte_integer)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// Name of the extended authentication.
    0x15 AuthenticationMethod(value: &'a str = utf8_string)
        in Places::of(&[Connect, ConnAck, Auth]), repeated in Places::NONE;
    /// Contents defined by the Authentication Method.
    0x16 AuthenticationData(value: &'a [u8] = binary_data)
        in Places::of(&[Connect, ConnAck, Auth]), repeated in Places::NONE;
    /// 0 where the Client wants reasons and User Properties only in PUBLISH, CONNACK and DISCONNECT; else 1.
    0x17 RequestProblemInformation(value: u8 = byte)
        in Places::of(&[Connect]), repeated in Places::NONE;
    /// How long the Will Message waits, in seconds.
    0x18 WillDelayInterval(seconds: u32 = four_byte_integer)
        in Places::of(&[Will]), repeated in Places::NONE;
    /// 1 where the Client asks for Response Information; else 0.
    0x19 RequestResponseInformation(value: u8 = byte)
        in Places::of(&[Connect]), repeated in Places::NONE;
    /// From which the Client builds Response Topics.
    0x1A ResponseInformation(value: &'a str = utf8_string)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// Another Server to use.
    0x1C ServerReference(value: &'a str = utf8_string)
        in Places::of(&[ConnAck, Disconnect]), repeated in Places::NONE;
    /// For people who look for the cause.
    0x1F ReasonString(value: &'a str = utf8_string)
        in Places::of(&[ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth]),
        repeated in Places::NONE;
    /// How many PUBLISH at QoS > 0 may be unacknowledged: 1 to 65,535.
    0x21 ReceiveMaximum(value: u16 = two_byte_integer)
        in Places::of(&[Connect, ConnAck]), repeated in Places::NONE;
    /// The highest Topic Alias accepted; 0 for none.
    0x22 TopicAliasMaximum(value: u16 = two_byte_integer)
        in Places::of(&[Connect, ConnAck]), repeated in Places::NONE;
    /// Number that stands for the Topic Name: 1 to 65,535.
    0x23 TopicAlias(value: u16 = two_byte_integer)
        in Places::of(&[Publish]), repeated in Places::NONE;
    /// The highest QoS that the Server takes: 0 or 1.
    0x24 MaximumQoS(value: u8 = byte)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// 1 where the Server has Retained Messages; else 0.
    0x25 RetainAvailable(value: u8 = byte)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// A name and a value, defined by the applications.
    0x26 UserProperty(name: &'a str = utf8_string, value: &'a str = utf8_string)
        in Places::ALL, repeated in Places::ALL;
    /// The largest packet accepted, in bytes, from 1.
    0x27 MaximumPacketSize(bytes: u32 = four_byte_integer)
        in Places::of(&[Connect, ConnAck]), repeated in Places::NONE;
    /// 1 where the Server has wildcards; else 0.
    0x28 WildcardSubscriptionAvailable(value: u8 = byte)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// 1 where the Server has Subscription Identifiers; else 0.
    0x29 SubscriptionIdentifierAvailable(value: u8 = byte)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
    /// 1 where the Server has Shared Subscriptions; else 0.
    0x2A SharedSubscriptionAvailable(value: u8 = byte)
        in Places::of(&[ConnAck]), repeated in Places::NONE;
}

impl Property<'_> {
    /// Whether a Server passes the property on, unaltered and in order, with the PUBLISH that carries it:
    /// Payload Format Indicator, Content Type, Response Topic, Correlation Data and User Property
    /// `[MQTT-3.3.2-4]` `[MQTT-3.3.2-15]` `[MQTT-3.3.2-16]` `[MQTT-3.3.2-17]` `[MQTT-3.3.2-20]`.
    #[inline]
    pub fn is_forwarded(&self) -> bool {
        matches!(
            self,
            Self::PayloadFormatIndicator(_)
                | Self::ContentType(_)
                | Self::ResponseTopic(_)
                | Self::CorrelationData(_)
                | Self::UserProperty(..)
        )
    }

    #[inline]
    pub(crate) fn is_allowed_in(&self, place: Place) -> bool {
        self.places().0.contains(place)
    }

    #[inline]
    pub(crate) fn is_repeatable_in(&self, place: Place) -> bool {
        self.places().1.contains(place)
    }

    /// The limits that the specification sets for single values.
    #[inline]
    pub(crate) fn check_value(&self) -> Result<(), Malformed> {
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::MaximumQoS(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifierAvailable(value)
            | Self::SharedSubscriptionAvailable(value)
                if value > 1 =>
            {
                Err(Malformed::PropertyNotBoolean(self.identifier()))
            }
            Self::ReceiveMaximum(0) => Err(Malformed::ReceiveMaximumZero),
            Self::MaximumPacketSize(0) => Err(Malformed::MaximumPacketSizeZero),
            Self::TopicAlias(0) => Err(Malformed::TopicAliasZero),
            Self::SubscriptionIdentifier(0) => Err(Malformed::SubscriptionIdentifierZero),
            Self::ResponseTopic(topic) if topic.contains(['+', '#']) => {
                Err(Malformed::ResponseTopicWildcard)
            }
            _ => Ok(()),
        }
    }
}
