//! A packet's properties as validated bytes: read when asked for, and passed on without being rebuilt.

use std::fmt;

use crate::Malformed;
use crate::property::{Place, Property};
use crate::read::Reader;

/// The properties of one packet, as the bytes after the Property Length. Every byte has been validated: iterating
/// cannot fail. Reading a property costs a walk over those before it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// No properties: what every 3.x packet has.
    pub const EMPTY: Self = Self(&[]);

    /// Takes bytes that were validated before, such as those that a session store kept.
    ///
    /// The bytes must come from [`Properties::as_bytes`], [`Properties::raw`] or [`PropertiesBuf`]. Iteration ends
    /// silently at the first byte that is no property.
    #[inline]
    pub fn from_validated(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Judges every property by the table and by its value, and the combination of them.
    #[inline]
    pub(crate) fn validate(bytes: &'a [u8], place: Place) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return if place == Place::Auth {
                Err(Malformed::AuthenticationMethodMissing)
            } else {
                Ok(Self::EMPTY)
            };
        }
        Self::validate_each(bytes, place)
    }

    fn validate_each(bytes: &'a [u8], place: Place) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut seen = Seen::default();
        while !reader.is_empty() {
            let property = Property::decode(&mut reader)?;
            let identifier = property.identifier();
            if !property.is_allowed_in(place) {
                return Err(Malformed::PropertyNotAllowed(identifier));
            }
            if seen.insert(identifier) && !property.is_repeatable_in(place) {
                return Err(Malformed::PropertyDuplicate(identifier));
            }
            property.check_value()?;
        }
        seen.check_authentication(place)?;
        Ok(Self(bytes))
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The encoded properties, without the Property Length.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Every property, in the order of the packet.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> {
        self.raw().map(|(property, _)| property)
    }

    /// Every property with its encoded bytes, for passing some of them on.
    #[inline]
    pub fn raw(self) -> impl Iterator<Item = (Property<'a>, &'a [u8])> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            let before = reader.rest();
            let property = Property::decode(&mut reader).ok()?;
            let length = before.len() - reader.rest().len();
            Some((property, &before[..length]))
        })
    }

    /// The User Properties, in order.
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The Subscription Identifiers: several in a PUBLISH, at most one in a SUBSCRIBE.
    pub fn subscription_identifiers(self) -> impl Iterator<Item = u32> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(value) => Some(value),
            _ => None,
        })
    }
}

/// One accessor per property that stands at most once.
macro_rules! accessors {
    ($($accessor:ident $name:ident $type:ty;)*) => {
        impl<'a> Properties<'a> {
            $(
                #[doc = concat!("The value of [`Property::", stringify!($name), "`], where it is there.")]
                pub fn $accessor(self) -> Option<$type> {
                    self.iter().find_map(|property| match property {
                        Property::$name(value) => Some(value),
                        _ => None,
                    })
                }
            )*
        }
    };
}

accessors! {
    payload_format_indicator PayloadFormatIndicator u8;
    message_expiry_interval MessageExpiryInterval u32;
    content_type ContentType &'a str;
    response_topic ResponseTopic &'a str;
    correlation_data CorrelationData &'a [u8];
    session_expiry_interval SessionExpiryInterval u32;
    assigned_client_identifier AssignedClientIdentifier &'a str;
    server_keep_alive ServerKeepAlive u16;
    authentication_method AuthenticationMethod &'a str;
    authentication_data AuthenticationData &'a [u8];
    request_problem_information RequestProblemInformation u8;
    will_delay_interval WillDelayInterval u32;
    request_response_information RequestResponseInformation u8;
    response_information ResponseInformation &'a str;
    server_reference ServerReference &'a str;
    reason_string ReasonString &'a str;
    receive_maximum ReceiveMaximum u16;
    topic_alias_maximum TopicAliasMaximum u16;
    topic_alias TopicAlias u16;
    maximum_qos MaximumQoS u8;
    retain_available RetainAvailable u8;
    maximum_packet_size MaximumPacketSize u32;
    wildcard_subscription_available WildcardSubscriptionAvailable u8;
    subscription_identifier_available SubscriptionIdentifierAvailable u8;
    shared_subscription_available SharedSubscriptionAvailable u8;
}

/// The properties themselves, not their bytes.
impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The identifiers met so far in one property list; all identifiers are below 64.
#[derive(Default)]
struct Seen(u64);

impl Seen {
    /// Whether the identifier was there before.
    #[inline]
    fn insert(&mut self, identifier: u8) -> bool {
        let before = self.0;
        self.0 |= 1 << identifier;
        before == self.0
    }

    /// An AUTH needs a method, and nowhere is there data without one.
    fn check_authentication(&self, place: Place) -> Result<(), Malformed> {
        const METHOD: u64 = 1 << 0x15;
        const DATA: u64 = 1 << 0x16;
        if self.0 & METHOD != 0 {
            Ok(())
        } else if place == Place::Auth {
            Err(Malformed::AuthenticationMethodMissing)
        } else if self.0 & DATA != 0 {
            Err(Malformed::AuthenticationDataWithoutMethod)
        } else {
            Ok(())
        }
    }
}

/// Properties being built, in the order of the calls.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PropertiesBuf(Vec<u8>);

impl PropertiesBuf {
    /// No properties yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one property. Whether it may stand in the packet to come is the caller's matter.
    ///
    /// # Panics
    ///
    /// As [`Property::encode`].
    pub fn push(&mut self, property: Property<'_>) {
        property.encode(&mut self.0);
    }

    /// Appends encoded properties, from [`Properties::raw`] or [`Properties::as_bytes`].
    pub fn extend_raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What was built so far.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties(&self.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Size in bytes, without a Property Length.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all properties and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The properties themselves, not their bytes.
impl fmt::Debug for PropertiesBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_properties().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_found_wherever_it_stands() {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::UserProperty("a", "1"));
        properties.push(Property::SessionExpiryInterval(60));
        properties.push(Property::UserProperty("a", "2"));
        properties.push(Property::ReasonString("why"));

        let properties = properties.as_properties();
        assert_eq!(properties.session_expiry_interval(), Some(60));
        assert_eq!(properties.reason_string(), Some("why"));
        assert_eq!(properties.receive_maximum(), None);
        assert_eq!(
            properties.user_properties().collect::<Vec<_>>(),
            [("a", "1"), ("a", "2")]
        );
    }

    #[test]
    fn properties_are_passed_on_without_being_rebuilt() {
        let mut received = PropertiesBuf::new();
        received.push(Property::TopicAlias(7));
        received.push(Property::ContentType("text"));
        received.push(Property::CorrelationData(&[0, 0xFF]));

        let mut forwarded = PropertiesBuf::new();
        for (property, bytes) in received.as_properties().raw() {
            if property.is_forwarded() {
                forwarded.extend_raw(bytes);
            }
        }
        let forwarded = Properties::from_validated(forwarded.as_properties().as_bytes());
        let expected = [
            Property::ContentType("text"),
            Property::CorrelationData(&[0, 0xFF]),
        ];
        assert_eq!(forwarded.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bytes_that_were_never_validated_end_the_list() {
        let properties = Properties::from_validated(&[0x24, 1, 0x7E, 0x25, 1]);
        assert_eq!(
            properties.iter().collect::<Vec<_>>(),
            [Property::MaximumQoS(1)]
        );
    }
}
