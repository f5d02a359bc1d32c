//! What a CONNECT packet is made of, and the limits that this side sets itself.

use std::time::Duration;

use dunlin_packet::{PropertiesBuf, ProtocolVersion, TopicName};

use crate::Message;

/// Largest packet that the protocol can express: four length bytes and a fixed header.
const LARGEST_PACKET: u32 = 268_435_455 + 5;

/// How and as whom to connect.
///
/// Properties are written as they are given, so the limits that a CONNECT announces (Receive
/// Maximum, Maximum Packet Size, Topic Alias Maximum) live in [`properties`](Self::properties) only;
/// the client enforces them from there.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Protocol version to speak.
    pub version: ProtocolVersion,
    /// Client Identifier; empty asks the Server to assign one.
    pub client_id: String,
    /// Clean Start, or Clean Session in 3.x.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// User Name.
    pub user_name: Option<String>,
    /// Password; 3.x allows it together with a User Name only.
    pub password: Option<Vec<u8>>,
    /// Published by the Server if the Network Connection ends without DISCONNECT.
    pub will: Option<Message>,
    /// Properties of CONNECT; not sent in 3.x.
    pub properties: PropertiesBuf,
    /// Upper bound of our own on messages in flight towards the Server, below its Receive Maximum.
    pub maximum_in_flight: u16,
    /// When a message from the Server is acknowledged.
    pub acknowledgement: Acknowledgement,
    /// Whether to replace repeated Topic Names by aliases of our own choice.
    pub topic_aliases: OutboundTopicAliases,
    /// How long the Server may take for its CONNACK.
    pub connack_timeout: Duration,
}

impl ConnectOptions {
    /// A clean session with a Keep Alive of 60 seconds and no credentials.
    pub fn new(version: ProtocolVersion, client_id: impl Into<String>) -> Self {
        Self {
            version,
            client_id: client_id.into(),
            clean_start: true,
            keep_alive: 60,
            user_name: None,
            password: None,
            will: None,
            properties: PropertiesBuf::default(),
            maximum_in_flight: u16::MAX,
            acknowledgement: Acknowledgement::Automatic,
            topic_aliases: OutboundTopicAliases::AsGiven,
            connack_timeout: Duration::from_secs(30),
        }
    }

    /// Whether a valid CONNECT can be made of these.
    pub(crate) fn validate(&self) -> Result<(), InvalidOptions> {
        check_string("client identifier", Some(&self.client_id))?;
        check_string("user name", self.user_name.as_deref())?;
        check_length("password", self.password.as_ref().map_or(0, Vec::len))?;
        if let Some(will) = &self.will {
            check_length("will payload", will.payload.len())?;
            TopicName::parse(&will.topic)
                .map_err(|_| InvalidOptions::WillTopic(will.topic.clone()))?;
        }
        if self.version < ProtocolVersion::V5 {
            if self.password.is_some() && self.user_name.is_none() {
                return Err(InvalidOptions::PasswordWithoutUserName);
            }
            let may_be_empty = self.version == ProtocolVersion::V3_1_1 && self.clean_start;
            if self.client_id.is_empty() && !may_be_empty {
                return Err(InvalidOptions::ClientIdMissing);
            }
        }
        Ok(())
    }

    /// How many QoS 1 and 2 messages the Server may have in flight towards us.
    pub(crate) fn receive_maximum(&self) -> u16 {
        self.announced(|properties| properties.receive_maximum())
            .unwrap_or(u16::MAX)
    }

    /// Largest packet in bytes that the Server may send.
    pub(crate) fn maximum_packet_size(&self) -> u32 {
        self.announced(|properties| properties.maximum_packet_size())
            .unwrap_or(LARGEST_PACKET)
    }

    /// Highest Topic Alias that the Server may use.
    pub(crate) fn topic_alias_maximum(&self) -> u16 {
        self.announced(|properties| properties.topic_alias_maximum())
            .unwrap_or(0)
    }

    /// Whether CONNECT starts an enhanced authentication, which is what makes AUTH legal.
    pub(crate) fn has_authentication_method(&self) -> bool {
        self.announced(|properties| properties.authentication_method().map(drop))
            .is_some()
    }

    /// A property of CONNECT, provided that the version can carry it.
    fn announced<T>(
        &self,
        read: impl FnOnce(dunlin_packet::Properties<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.version.has_properties() {
            read(self.properties.as_properties())
        } else {
            None
        }
    }
}

/// When a QoS 1 or 2 message from the Server is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// As soon as it is handed over as an event.
    Automatic,
    /// When the application calls [`Client::acknowledge`](crate::Client::acknowledge): for those who
    /// must store a message before they own it. The announced Receive Maximum bounds what waits.
    Manual,
}

/// Who chooses Topic Aliases for what we publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundTopicAliases {
    /// None but those that the application puts among a message's properties.
    AsGiven,
    /// The first Topic Names published get one each, as many as the Server allows.
    Automatic,
}

/// Why no valid CONNECT can be made of some options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// Strings and binary fields have at most 65,535 bytes.
    #[error("the {field} has {length} bytes, more than 65535")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// In bytes.
        length: usize,
    },
    /// Strings are without U+0000 [MQTT-1.5.4-2].
    #[error("the {0} contains a null character")]
    NullCharacter(&'static str),
    /// No Topic Name.
    #[error("'{0}' is not a topic name for a will")]
    WillTopic(String),
    /// A 3.x CONNECT has a Password only together with a User Name [MQTT311-3.1.2-22].
    #[error("MQTT 3 has no password without a user name")]
    PasswordWithoutUserName,
    /// 3.1.1 may leave the Client Identifier to the Server in a clean session only
    /// [MQTT311-3.1.3-7], 3.1 never.
    #[error("a client identifier is needed")]
    ClientIdMissing,
}

fn check_string(field: &'static str, value: Option<&str>) -> Result<(), InvalidOptions> {
    let value = value.unwrap_or_default();
    if value.contains('\0') {
        return Err(InvalidOptions::NullCharacter(field));
    }
    check_length(field, value.len())
}

fn check_length(field: &'static str, length: usize) -> Result<(), InvalidOptions> {
    if length > u16::MAX.into() {
        return Err(InvalidOptions::TooLong { field, length });
    }
    Ok(())
}
