//! `-D PACKET PROPERTY VALUE`: 5.0 properties by name.

use dunlin_packet::{PropertiesBuf, Property};

use super::failure::Failure;

/// Properties for every packet that a tool sends.
#[derive(Debug, Default)]
pub(crate) struct PropertySet {
    pub(crate) connect: PropertiesBuf,
    pub(crate) publish: PropertiesBuf,
    pub(crate) subscribe: PropertiesBuf,
    pub(crate) unsubscribe: PropertiesBuf,
    pub(crate) disconnect: PropertiesBuf,
    pub(crate) will: PropertiesBuf,
}

impl PropertySet {
    /// Reads the words of all `-D` flags, one after the other. A property takes one value, a User
    /// Property two, so they need no separation.
    pub(crate) fn parse(mut words: &[String]) -> Result<Self, Failure> {
        let mut set = Self::default();
        while let [packet, name, values @ ..] = words {
            let (value, rest) = values
                .split_at_checked(if name == USER_PROPERTY { 2 } else { 1 })
                .ok_or_else(|| Failure::usage("-D argument given but not enough values."))?;
            words = rest;
            let property = parse_property(name, value)?;
            let (properties, allowed) = set.place(packet)?;
            if !allowed.contains(&name.as_str()) {
                return Err(Failure::usage(format!(
                    "{name} property not allowed for {packet} in -D argument."
                )));
            }
            let repeated = properties
                .as_properties()
                .iter()
                .any(|other| other.identifier() == property.identifier());
            if repeated && name != USER_PROPERTY {
                return Err(Failure::usage(format!(
                    "{name} property given twice for {packet}."
                )));
            }
            properties.push(property);
        }
        match words {
            [] => Ok(set),
            [word, ..] => Err(Failure::usage(format!(
                "-D argument has one value too many: '{word}'."
            ))),
        }
    }

    /// Where properties of `packet` go, and which may.
    fn place(&mut self, packet: &str) -> Result<(&mut PropertiesBuf, &[&str]), Failure> {
        Ok(match packet.to_ascii_lowercase().as_str() {
            "connect" => (&mut self.connect, CONNECT),
            "publish" => (&mut self.publish, PUBLISH),
            "subscribe" => (&mut self.subscribe, SUBSCRIBE),
            "unsubscribe" => (&mut self.unsubscribe, UNSUBSCRIBE),
            "disconnect" => (&mut self.disconnect, DISCONNECT),
            "will" => (&mut self.will, WILL),
            _ => {
                return Err(Failure::usage(format!(
                    "Invalid command '{packet}' given in -D argument."
                )));
            }
        })
    }
}

const USER_PROPERTY: &str = "user-property";

const CONNECT: &[&str] = &[
    "authentication-data",
    "authentication-method",
    "maximum-packet-size",
    "receive-maximum",
    "request-problem-information",
    "request-response-information",
    "session-expiry-interval",
    "topic-alias-maximum",
    USER_PROPERTY,
];

const PUBLISH: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "topic-alias",
    USER_PROPERTY,
];

const SUBSCRIBE: &[&str] = &["subscription-identifier", USER_PROPERTY];

const UNSUBSCRIBE: &[&str] = &[USER_PROPERTY];

const DISCONNECT: &[&str] = &["reason-string", "session-expiry-interval", USER_PROPERTY];

const WILL: &[&str] = &[
    "content-type",
    "correlation-data",
    "message-expiry-interval",
    "payload-format-indicator",
    "response-topic",
    "will-delay-interval",
    USER_PROPERTY,
];

/// One property from its name and the words after it: two for a User Property, else one.
fn parse_property<'a>(name: &str, value: &'a [String]) -> Result<Property<'a>, Failure> {
    if name == USER_PROPERTY {
        let [key, value] = value else {
            return Err(Failure::usage(
                "user-property needs a name and a value in -D argument.",
            ));
        };
        return Ok(Property::UserProperty(
            string(name, key)?,
            string(name, value)?,
        ));
    }
    let [value] = value else {
        return Err(Failure::usage(format!(
            "{name} takes one value in -D argument."
        )));
    };
    Ok(match name {
        "payload-format-indicator" => Property::PayloadFormatIndicator(number(name, value, 0..=1)?),
        "message-expiry-interval" => {
            Property::MessageExpiryInterval(number(name, value, 0..=u32::MAX)?)
        }
        "content-type" => Property::ContentType(string(name, value)?),
        "response-topic" => Property::ResponseTopic(string(name, value)?),
        "correlation-data" => Property::CorrelationData(string(name, value)?.as_bytes()),
        "subscription-identifier" => {
            Property::SubscriptionIdentifier(number(name, value, 1..=268_435_455)?)
        }
        "session-expiry-interval" => {
            Property::SessionExpiryInterval(number(name, value, 0..=u32::MAX)?)
        }
        "authentication-method" => Property::AuthenticationMethod(string(name, value)?),
        "authentication-data" => Property::AuthenticationData(string(name, value)?.as_bytes()),
        "request-problem-information" => {
            Property::RequestProblemInformation(number(name, value, 0..=1)?)
        }
        "request-response-information" => {
            Property::RequestResponseInformation(number(name, value, 0..=1)?)
        }
        "will-delay-interval" => Property::WillDelayInterval(number(name, value, 0..=u32::MAX)?),
        "receive-maximum" => Property::ReceiveMaximum(number(name, value, 1..=u16::MAX)?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(number(name, value, 0..=u16::MAX)?),
        "topic-alias" => Property::TopicAlias(number(name, value, 1..=u16::MAX)?),
        "maximum-packet-size" => Property::MaximumPacketSize(number(name, value, 1..=u32::MAX)?),
        "reason-string" => Property::ReasonString(string(name, value)?),
        _ => {
            return Err(Failure::usage(format!(
                "Invalid property name '{name}' given in -D argument."
            )));
        }
    })
}

fn number<T>(name: &str, value: &str, range: std::ops::RangeInclusive<T>) -> Result<T, Failure>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    value
        .parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            Failure::usage(format!(
                "Property value '{value}' for {name} is not a number from {} to {}.",
                range.start(),
                range.end()
            ))
        })
}

fn string<'a>(name: &str, value: &'a str) -> Result<&'a str, Failure> {
    if value.len() > u16::MAX.into() {
        return Err(Failure::usage(format!(
            "Property value for {name} is longer than 65535 bytes."
        )));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&[&str]]) -> Result<PropertySet, Failure> {
        let words: Vec<String> = flags.concat().iter().map(|word| word.to_string()).collect();
        PropertySet::parse(&words)
    }

    #[test]
    fn properties_go_to_their_packets() {
        let set = parse(&[
            &["CONNECT", "receive-maximum", "7"],
            &["publish", "user-property", "a", "b"],
            &["publish", "user-property", "a", "c"],
        ])
        .unwrap();
        assert_eq!(set.connect.as_properties().receive_maximum(), Some(7));
        let users: Vec<_> = set.publish.as_properties().user_properties().collect();
        assert_eq!(users, [("a", "b"), ("a", "c")]);
    }

    #[test]
    fn misplaced_repeated_and_malformed_ones_are_refused() {
        for words in [
            &["publish", "receive-maximum", "7"][..],
            &["connect", "receive-maximum", "0"],
            &["connect", "receive-maximum", "x"],
            &["publish", "user-property", "a"],
            &["publish", "content-type", "a", "b"],
            &["nothing", "content-type", "a"],
            &["publish", "nothing", "a"],
        ] {
            assert!(parse(&[words]).is_err(), "{words:?}");
        }
        let twice: &[&str] = &["publish", "content-type", "a"];
        assert!(parse(&[twice, twice]).is_err());
    }
}
