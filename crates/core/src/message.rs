//! The Application Message as the broker keeps it: one allocation, shared by all who need it.

use dunlin_packet::{Properties, Publish, QoS, Will};
use triomphe::ThinArc;

use crate::journal::MessageId;
use crate::time::Timestamp;

/// An Application Message: Topic Name, payload, the properties that are passed on unaltered, and
/// what its publisher asked for.
///
/// A handle of one word; a clone counts a reference, it copies nothing.
#[derive(Clone)]
pub struct Message(ThinArc<Header, u8>);

/// Where the parts lie in the bytes behind it.
///
/// The bytes begin as a PUBLISH packet's variable header does, with the Topic Name after two bytes
/// of length. What lies between the parts (a Packet Identifier) means nothing.
#[derive(Clone, Copy)]
struct Header {
    id: MessageId,
    expires_at: Timestamp,
    properties_at: u32,
    properties_len: u32,
    payload_at: u32,
    topic_len: u16,
    qos: QoS,
    retain: bool,
}

const TOPIC_AT: usize = 2;

impl Message {
    /// Keeps a PUBLISH that was received at `now`. `body` is the packet's body, in which the parts
    /// of `publish` lie; `topic` is its whole Topic Name: after a Topic Alias has been resolved, and with the
    /// mount point of its Client.
    pub(crate) fn from_publish(
        body: &[u8],
        publish: &Publish<'_>,
        topic: &str,
        now: Timestamp,
        id: MessageId,
    ) -> Self {
        let expires_at = expiry(publish.properties, now);
        if publish.properties.is_empty() && publish.topic.len() == topic.len() {
            // The packet already has the layout that is wanted.
            let header = Header {
                id,
                expires_at,
                properties_at: 0,
                properties_len: 0,
                payload_at: (body.len() - publish.payload.len()) as u32,
                topic_len: topic.len() as u16,
                qos: publish.qos,
                retain: publish.retain,
            };
            return Message(ThinArc::from_header_and_slice(header, body));
        }
        let (qos, retain) = (publish.qos, publish.retain);
        let message = Self::assemble(
            topic,
            publish.properties,
            publish.payload,
            qos,
            retain,
            expires_at,
        );
        if id.is_some() {
            message.identified(id)
        } else {
            message
        }
    }

    /// Keeps a Will Message; its expiry runs from when it is published.
    /// `topic` is its whole Topic Name.
    pub(crate) fn from_will(will: &Will<'_>, topic: &str) -> Self {
        let Will {
            properties,
            payload,
            qos,
            retain,
            ..
        } = *will;
        Self::assemble(topic, properties, payload, qos, retain, Timestamp::NEVER)
    }

    /// A message of the broker's own, or one read back.
    ///
    /// # Panics
    /// When the topic is longer than 65,535 bytes.
    pub fn new(topic: &str, payload: &[u8], qos: QoS, retain: bool) -> Self {
        Self::assemble(
            topic,
            Properties::EMPTY,
            payload,
            qos,
            retain,
            Timestamp::NEVER,
        )
    }

    /// A message as it was in the log, or in that of another broker. Of `properties`, those are kept
    /// that are passed on unaltered.
    ///
    /// # Panics
    /// When the topic is longer than 65,535 bytes.
    pub fn restored(
        topic: &str,
        properties: Properties<'_>,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expires_at: Timestamp,
        id: MessageId,
    ) -> Self {
        let message = Self::assemble(topic, properties, payload, qos, retain, expires_at);
        match id.is_some() {
            true => message.identified(id),
            false => message,
        }
    }

    fn assemble(
        topic: &str,
        properties: Properties<'_>,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expires_at: Timestamp,
    ) -> Self {
        let topic_len = u16::try_from(topic.len()).expect("a Topic Name fits its length field");
        let mut bytes = Vec::with_capacity(
            TOPIC_AT + topic.len() + properties.as_bytes().len() + payload.len(),
        );
        bytes.extend_from_slice(&topic_len.to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        let properties_at = bytes.len();
        for (property, raw) in properties.raw() {
            if property.is_forwarded() {
                bytes.extend_from_slice(raw);
            }
        }
        let payload_at = bytes.len();
        bytes.extend_from_slice(payload);
        let header = Header {
            id: MessageId::NONE,
            expires_at,
            properties_at: properties_at as u32,
            properties_len: (payload_at - properties_at) as u32,
            payload_at: payload_at as u32,
            topic_len,
            qos,
            retain,
        };
        Message(ThinArc::from_header_and_slice(header, &bytes))
    }

    /// A message with other properties, which is not in the log.
    pub(crate) fn with_properties(&self, properties: Properties<'_>) -> Self {
        let (qos, retain, expires_at) = (self.qos(), self.retain(), self.expires_at());
        let (topic, payload) = (self.topic(), self.payload());
        Self::assemble(topic, properties, payload, qos, retain, expires_at)
    }

    /// The same message with another expiry.
    pub(crate) fn expiring_at(&self, expires_at: Timestamp) -> Self {
        let header = Header {
            expires_at,
            ..self.0.header.header
        };
        Message(ThinArc::from_header_and_slice(header, &self.0.slice))
    }

    /// The same message with an identity in the log.
    pub(crate) fn identified(&self, id: MessageId) -> Self {
        let header = Header {
            id,
            ..self.0.header.header
        };
        Message(ThinArc::from_header_and_slice(header, &self.0.slice))
    }

    /// Whether the log says for whom it waits: it is there, and was not published with QoS 0.
    pub(crate) fn is_due_durably(&self) -> bool {
        self.id().is_some() && self.qos() > QoS::AtMostOnce
    }

    /// Stands for a message of the log that is not in memory: it has its identity and nothing else.
    pub(crate) fn absent(id: MessageId) -> Self {
        Self::new("", &[], QoS::AtMostOnce, false).identified(id)
    }

    /// Whether it only stands for a message of the log.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.header.header.topic_len == 0
    }

    /// Its identity in the log; [`MessageId::NONE`] if it is not there.
    pub fn id(&self) -> MessageId {
        self.0.header.header.id
    }

    /// The Topic Name.
    pub fn topic(&self) -> &str {
        std::str::from_utf8(self.topic_bytes()).expect("was a &str when it was stored")
    }

    /// The Topic Name as its bytes, which costs nothing.
    pub(crate) fn topic_bytes(&self) -> &[u8] {
        let end = TOPIC_AT + usize::from(self.0.header.header.topic_len);
        &self.0.slice[TOPIC_AT..end]
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.0.slice[self.0.header.header.payload_at as usize..]
    }

    /// Payload Format Indicator, Content Type, Response Topic, Correlation Data and the User
    /// Properties, in the order in which they came.
    pub fn properties(&self) -> Properties<'_> {
        let header = &self.0.header.header;
        let at = header.properties_at as usize;
        Properties::from_validated(&self.0.slice[at..at + header.properties_len as usize])
    }

    /// The QoS with which it was published.
    pub fn qos(&self) -> QoS {
        self.0.header.header.qos
    }

    /// Whether it was published with RETAIN set.
    pub fn retain(&self) -> bool {
        self.0.header.header.retain
    }

    /// When it expires; [`Timestamp::NEVER`] without a Message Expiry Interval.
    pub fn expires_at(&self) -> Timestamp {
        self.0.header.header.expires_at
    }

    /// What it counts against limits in bytes: everything that was allocated for it.
    pub fn size(&self) -> usize {
        size_of::<Header>() + 2 * size_of::<usize>() + self.0.slice.len()
    }

    /// Whether both are the same message, not just equal ones.
    pub fn is(&self, other: &Message) -> bool {
        std::ptr::eq(self.0.slice.as_ptr(), other.0.slice.as_ptr())
    }
}

/// When a message with these properties expires (Message Expiry Interval).
fn expiry(properties: Properties<'_>, now: Timestamp) -> Timestamp {
    if properties.is_empty() {
        return Timestamp::NEVER;
    }
    properties
        .message_expiry_interval()
        .map_or(Timestamp::NEVER, |seconds| now.after_seconds(seconds))
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("payload_len", &self.payload().len())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .finish()
    }
}
