//! `%j` and `%J`: a message as a JSON object.

use dunlin_client::ReceivedMessage;
use dunlin_packet::{Properties, Property};
use jiff::ZonedDateTime;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::RenderError;

/// How the payload goes into the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// As a string; bytes that are no UTF-8 are replaced.
    Text,
    /// As the JSON that it has to be.
    Value,
}

/// The message as JSON, on one line unless `pretty`.
pub(crate) fn render(
    received: &ReceivedMessage,
    now: &ZonedDateTime,
    payload: Payload,
    pretty: bool,
) -> Result<String, RenderError> {
    let message = &received.message;
    let payload = match payload {
        _ if message.payload.is_empty() => Value::Null,
        Payload::Text => Value::String(String::from_utf8_lossy(&message.payload).into_owned()),
        Payload::Value => serde_json::from_slice(&message.payload)
            .map_err(|_| RenderError::PayloadNotJson(message.topic.clone()))?,
    };
    let object = Object {
        received,
        payload,
        time: super::time("%Y-%m-%dT%H:%M:%S.%6f%z", now),
    };
    let text = if pretty {
        serde_json::to_string_pretty(&object)
    } else {
        serde_json::to_string(&object)
    };
    Ok(text.expect("strings, numbers and maps with string keys are JSON"))
}

struct Object<'a> {
    received: &'a ReceivedMessage,
    payload: Value,
    time: String,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = &self.received.message;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tst", &self.time)?;
        map.serialize_entry("topic", &message.topic)?;
        map.serialize_entry("qos", &(message.qos as u8))?;
        map.serialize_entry("retain", &u8::from(message.retain))?;
        map.serialize_entry("payloadlen", &message.payload.len())?;
        if let Some(packet_id) = self.received.packet_id {
            map.serialize_entry("mid", &packet_id.get())?;
        }
        let properties = message.properties.as_properties();
        if !properties.is_empty() {
            map.serialize_entry("properties", &PropertyObject(properties))?;
        }
        map.serialize_entry("payload", &self.payload)?;
        map.end()
    }
}

struct PropertyObject<'a>(Properties<'a>);

impl Serialize for PropertyObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for property in self.0.iter() {
            match property {
                Property::ContentType(value) => map.serialize_entry("content-type", value)?,
                Property::CorrelationData(value) => {
                    map.serialize_entry("correlation-data", &String::from_utf8_lossy(value))?;
                }
                Property::MessageExpiryInterval(value) => {
                    map.serialize_entry("message-expiry-interval", &value)?;
                }
                Property::PayloadFormatIndicator(value) => {
                    map.serialize_entry("payload-format-indicator", &value)?;
                }
                Property::ResponseTopic(value) => map.serialize_entry("response-topic", value)?,
                Property::SubscriptionIdentifier(value) => {
                    map.serialize_entry("subscription-identifier", &value)?;
                }
                Property::TopicAlias(value) => map.serialize_entry("topic-alias", &value)?,
                _ => {}
            }
        }
        if self.0.user_properties().next().is_some() {
            map.serialize_entry("user-properties", &UserPropertyObject(self.0))?;
        }
        map.end()
    }
}

/// Names may repeat, as User Properties do.
struct UserPropertyObject<'a>(Properties<'a>);

impl Serialize for UserPropertyObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.user_properties())
    }
}
