//! What the application asks for: PUBLISH, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH.
//!
//! Nothing is queued: what cannot be sent now is an error, and the application tries again after
//! the next event. So the only memory in use is that of messages in flight.

use dunlin_packet::{
    Auth, Disconnect, Packet, PacketId, Properties, PropertiesBuf, Property, PubAck, PubRec,
    Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter, TopicName, encode_subscribe,
    encode_unsubscribe,
};

use crate::client::{Phase, Request};
use crate::event::Event;
use crate::outgoing::Stage;
use crate::topic_alias::TopicForm;
use crate::{Client, Message};

/// Why a request cannot be sent (now, or at all to this Server).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Before [`Event::Connected`], or after the end.
    #[error("not connected")]
    NotConnected,
    /// As many messages in flight as the Server or our own limit allows; wait for an answer.
    #[error("too many messages in flight")]
    SendQuotaExhausted,
    /// All 65,535 Packet Identifiers are in use; wait for an answer.
    #[error("all packet identifiers are in use")]
    PacketIdsExhausted,
    /// No Topic Name.
    #[error("'{0}' is not a topic name to publish to")]
    InvalidTopicName(String),
    /// No Topic Filter.
    #[error("'{0}' is not a topic filter")]
    InvalidTopicFilter(String),
    /// A SUBSCRIBE or UNSUBSCRIBE needs at least one Topic Filter.
    #[error("no topic filter given")]
    NoTopicFilter,
    /// Larger than the Server's Maximum Packet Size.
    #[error("the packet has {length} bytes, the server accepts {maximum}")]
    PacketTooLarge {
        /// Of the whole packet, in bytes.
        length: usize,
        /// In bytes.
        maximum: u32,
    },
    /// Above the Server's Maximum QoS.
    #[error("the server accepts no quality of service above {}", *maximum as u8)]
    QoSNotSupported {
        /// As announced.
        maximum: QoS,
    },
    /// The Server has no Retained Messages.
    #[error("the server accepts no retained messages")]
    RetainNotSupported,
    /// A Topic Alias above the Server's Topic Alias Maximum.
    #[error("topic alias {alias} is above the server's topic alias maximum {maximum}")]
    TopicAliasInvalid {
        /// As given among the message's properties.
        alias: u16,
        /// As announced.
        maximum: u16,
    },
    /// AUTH needs an Authentication Method in CONNECT.
    #[error("no authentication method was named at connect")]
    AuthenticationNotStarted,
}

impl Client {
    /// Publishes a message. Returns its Packet Identifier at QoS 1 and 2, to be found again in
    /// [`Event::Published`] or [`Event::Abandoned`]; a QoS 0 message is done with.
    ///
    /// # Errors
    /// Nothing was sent then.
    pub fn publish(&mut self, message: Message) -> Result<Option<PacketId>, RequestError> {
        self.check_publish(&message)?;
        if message.qos == QoS::AtMostOnce {
            self.write_publish(&message, None)?;
            return Ok(None);
        }
        if self.send_quota() == 0 {
            return Err(RequestError::SendQuotaExhausted);
        }
        let packet_id = self.allocate_packet_id()?;
        self.write_publish(&message, Some(packet_id))?;
        self.outgoing.insert(packet_id, message);
        Ok(Some(packet_id))
    }

    /// How many QoS 1 and 2 messages can be published now.
    pub fn send_quota(&self) -> usize {
        if !self.is_connected() || self.outgoing.is_resending() {
            return 0;
        }
        self.window().saturating_sub(self.outgoing.quota_used())
    }

    /// Whether no published message waits for its answer.
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Subscribes to all of `filters` with one packet, answered by [`Event::Subscribed`]. If the
    /// Network Connection ends before, there is no answer: subscribe again after the next
    /// [`Event::Connected`].
    ///
    /// # Errors
    /// Nothing was sent then.
    pub fn subscribe(
        &mut self,
        filters: &[(&str, SubscriptionOptions)],
        properties: &PropertiesBuf,
    ) -> Result<PacketId, RequestError> {
        let filters = filters
            .iter()
            .map(|(filter, options)| Ok((parse_filter(filter)?, *options)))
            .collect::<Result<Vec<_>, RequestError>>()?;
        let request = Request::Subscribe {
            filters: filters.len(),
        };
        self.send_request(request, |version, packet_id, output| {
            let properties = properties.as_properties();
            encode_subscribe(version, packet_id, properties, &filters, output);
        })
    }

    /// Ends the subscriptions to all of `filters` with one packet, answered by
    /// [`Event::Unsubscribed`], with the same reservation.
    ///
    /// # Errors
    /// Nothing was sent then.
    pub fn unsubscribe(
        &mut self,
        filters: &[&str],
        properties: &PropertiesBuf,
    ) -> Result<PacketId, RequestError> {
        let filters = filters
            .iter()
            .map(|filter| parse_filter(filter))
            .collect::<Result<Vec<_>, _>>()?;
        let request = Request::Unsubscribe {
            filters: filters.len(),
        };
        self.send_request(request, |version, packet_id, output| {
            let properties = properties.as_properties();
            encode_unsubscribe(version, packet_id, properties, &filters, output);
        })
    }

    /// Acknowledges a message delivered under
    /// [`Acknowledgement::Manual`](crate::Acknowledgement::Manual). Has no effect if it was
    /// acknowledged already, or if its Network Connection has ended: the Server sends it again then.
    pub fn acknowledge(&mut self, packet_id: PacketId) {
        let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
        match self.incoming.acknowledge(packet_id) {
            Some(QoS::AtLeastOnce) => {
                self.send(Packet::PubAck(PubAck {
                    packet_id,
                    reason,
                    properties,
                }));
            }
            Some(_) => self.send(Packet::PubRec(PubRec {
                packet_id,
                reason,
                properties,
            })),
            None => {}
        }
    }

    /// Takes the client's turn of an enhanced authentication, or starts another one with
    /// `ReAuthenticate`.
    ///
    /// # Errors
    /// Nothing was sent then.
    pub fn authenticate(
        &mut self,
        reason: ReasonCode,
        properties: &PropertiesBuf,
    ) -> Result<(), RequestError> {
        if !matches!(self.phase, Phase::Connecting { .. } | Phase::Connected) {
            return Err(RequestError::NotConnected);
        }
        if !self.options.has_authentication_method() {
            return Err(RequestError::AuthenticationNotStarted);
        }
        self.send(Packet::Auth(Auth {
            reason,
            properties: properties.as_properties(),
        }));
        Ok(())
    }

    /// Ends the connection: DISCONNECT, then [`wants_close`](Self::wants_close). Reason and
    /// properties are not sent in 3.x. Before CONNACK there is nothing to say, so nothing is sent.
    pub fn disconnect(&mut self, reason: ReasonCode, properties: &PropertiesBuf) {
        if self.is_connected() {
            let properties = properties.as_properties();
            self.send(Packet::Disconnect(Disconnect { reason, properties }));
        }
        if self.phase != Phase::Closed && !self.wants_close() {
            self.phase = Phase::Closing { reported: false };
        }
    }

    /// Sends again what is in flight from a former Network Connection, as the send quota allows.
    pub(crate) fn resend(&mut self) {
        while self.outgoing.quota_used() < self.window() {
            let Some((packet_id, stage)) = self.outgoing.pop_resend() else {
                return;
            };
            match stage {
                Stage::Released => {
                    let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
                    let release = dunlin_packet::PubRel {
                        packet_id,
                        reason,
                        properties,
                    };
                    self.send(Packet::PubRel(release));
                }
                Stage::Unanswered(message) => {
                    let message = message.clone();
                    self.resend_publish(packet_id, &message);
                }
            }
        }
    }

    /// Sends a PUBLISH with DUP set, or gives it up if the Server's limits no longer allow it.
    fn resend_publish(&mut self, packet_id: PacketId, message: &Message) {
        let start = self.output.len();
        if self.check_publish(message).is_ok()
            && self.write_publish(message, Some(packet_id)).is_ok()
        {
            const DUP: u8 = 0b1000;
            self.output[start] |= DUP;
        } else {
            let stage = self.outgoing.remove(packet_id);
            self.report_abandoned(packet_id, stage);
        }
    }

    /// Hands a message that cannot be delivered back.
    pub(crate) fn report_abandoned(&mut self, packet_id: PacketId, stage: Option<Stage>) {
        let message = match stage {
            Some(Stage::Unanswered(message)) => Some(message),
            Some(Stage::Released) | None => None,
        };
        self.events
            .push_back(Event::Abandoned { packet_id, message });
    }

    /// Most QoS 1 and 2 messages that may be in flight.
    fn window(&self) -> usize {
        self.connection
            .limits
            .receive_maximum
            .min(self.options.maximum_in_flight)
            .into()
    }

    fn check_publish(&self, message: &Message) -> Result<(), RequestError> {
        let limits = &self.connection.limits;
        if !self.is_connected() {
            return Err(RequestError::NotConnected);
        }
        if TopicName::parse(&message.topic).is_err() {
            return Err(RequestError::InvalidTopicName(message.topic.clone()));
        }
        if message.qos > limits.maximum_qos {
            return Err(RequestError::QoSNotSupported {
                maximum: limits.maximum_qos,
            });
        }
        if message.retain && !limits.retain_available {
            return Err(RequestError::RetainNotSupported);
        }
        match message.properties.as_properties().topic_alias() {
            Some(alias) if alias > limits.topic_alias_maximum => {
                Err(RequestError::TopicAliasInvalid {
                    alias,
                    maximum: limits.topic_alias_maximum,
                })
            }
            _ => Ok(()),
        }
    }

    fn write_publish(
        &mut self,
        message: &Message,
        packet_id: Option<PacketId>,
    ) -> Result<(), RequestError> {
        let mut publish = Publish {
            dup: false,
            retain: message.retain,
            qos: message.qos,
            topic: &message.topic,
            packet_id,
            properties: message.properties.as_properties(),
            payload: &message.payload,
        };
        let mut form = TopicForm::Name;
        let mut aliased = PropertiesBuf::default();
        if publish.properties.topic_alias().is_none() {
            form = self.connection.outbound_aliases.choose(&message.topic);
        }
        if let TopicForm::Alias(alias) | TopicForm::NameAndAlias(alias) = form {
            aliased.extend_raw(publish.properties.as_bytes());
            aliased.push(Property::TopicAlias(alias));
            publish.properties = aliased.as_properties();
        }
        if let TopicForm::Alias(_) = form {
            publish.topic = "";
        }
        let start = self.output.len();
        publish.encode(self.options.version, &mut self.output);
        self.check_length(start)?;
        self.connection.outbound_aliases.sent(&message.topic, &form);
        Ok(())
    }

    /// Takes the packet that was written from `start` on back if it is larger than the Server
    /// accepts.
    fn check_length(&mut self, start: usize) -> Result<(), RequestError> {
        let length = self.output.len() - start;
        let maximum = self.connection.limits.maximum_packet_size;
        if length as u64 > u64::from(maximum) {
            self.output.truncate(start);
            return Err(RequestError::PacketTooLarge { length, maximum });
        }
        Ok(())
    }

    /// Sends a packet that the Server answers under the same Packet Identifier.
    fn send_request(
        &mut self,
        request: Request,
        encode: impl FnOnce(dunlin_packet::ProtocolVersion, PacketId, &mut Vec<u8>),
    ) -> Result<PacketId, RequestError> {
        if !self.is_connected() {
            return Err(RequestError::NotConnected);
        }
        if matches!(
            request,
            Request::Subscribe { filters: 0 } | Request::Unsubscribe { filters: 0 }
        ) {
            return Err(RequestError::NoTopicFilter);
        }
        let packet_id = self.allocate_packet_id()?;
        let start = self.output.len();
        encode(self.options.version, packet_id, &mut self.output);
        self.check_length(start)?;
        self.connection.requests.insert(packet_id, request);
        Ok(packet_id)
    }

    fn allocate_packet_id(&mut self) -> Result<PacketId, RequestError> {
        let requests = &self.connection.requests;
        self.outgoing
            .allocate(|id| requests.contains_key(&id))
            .ok_or(RequestError::PacketIdsExhausted)
    }
}

fn parse_filter(filter: &str) -> Result<TopicFilter<'_>, RequestError> {
    TopicFilter::parse(filter).map_err(|_| RequestError::InvalidTopicFilter(filter.to_owned()))
}
