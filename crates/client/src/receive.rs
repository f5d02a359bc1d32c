//! What each packet of the Server does.

use dunlin_packet::{
    Auth, ConnAck, Disconnect, Packet, PacketId, PacketType, Properties, PropertiesBuf,
    ProtocolVersion, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode,
};

use crate::client::{Phase, Request};
use crate::event::{Closed, Event};
use crate::incoming::Arrival;
use crate::outgoing::Stage;
use crate::{Acknowledgement, Client, Message, ReceivedMessage, ServerFault};

impl Client {
    /// Handles one packet, in phase `Connecting` or `Connected`.
    pub(crate) fn receive(&mut self, packet: Packet<'_>) -> Result<(), ServerFault> {
        let packet_type = packet.packet_type();
        if self.phase == Phase::Connected {
            return self.receive_connected(packet);
        }
        match packet {
            Packet::ConnAck(connack) => self.receive_connack(connack),
            Packet::Auth(auth) => self.receive_auth(auth),
            _ => Err(ServerFault::FirstPacketNotConnAck(packet_type)),
        }
    }

    fn receive_connected(&mut self, packet: Packet<'_>) -> Result<(), ServerFault> {
        match packet {
            Packet::Publish(publish) => self.receive_publish(publish),
            Packet::PubAck(ack) => {
                let answer = PacketType::PubAck;
                self.receive_answer(answer, ack.packet_id, ack.reason, ack.properties)
            }
            Packet::PubRec(ack) => self.receive_pubrec(ack),
            Packet::PubRel(ack) => {
                self.receive_pubrel(ack);
                Ok(())
            }
            Packet::PubComp(ack) => {
                let answer = PacketType::PubComp;
                self.receive_answer(answer, ack.packet_id, ack.reason, ack.properties)
            }
            Packet::SubAck(ack) => {
                self.receive_suback(ack.packet_id, ack.reasons, owned(ack.properties))
            }
            Packet::UnsubAck(ack) => {
                self.receive_unsuback(ack.packet_id, ack.reasons, owned(ack.properties))
            }
            Packet::PingResp => {
                if let Some(keep_alive) = &mut self.connection.keep_alive {
                    keep_alive.ping_answered();
                }
                Ok(())
            }
            Packet::Auth(auth) => self.receive_auth(auth),
            Packet::Disconnect(disconnect) => self.receive_disconnect(disconnect),
            Packet::ConnAck(_) => Err(ServerFault::SecondConnAck),
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq => Err(ServerFault::UnexpectedPacket(packet.packet_type())),
        }
    }

    fn receive_connack(&mut self, connack: ConnAck<'_>) -> Result<(), ServerFault> {
        let ConnAck {
            session_present,
            reason,
            properties,
        } = connack;
        if reason.is_error() {
            if session_present {
                return Err(ServerFault::SessionPresentOnRefusal);
            }
            self.close(Closed::Refused {
                reason,
                properties: owned(properties),
            });
            return Ok(());
        }
        if session_present && self.options.clean_start {
            return Err(ServerFault::SessionPresentOnCleanStart);
        }
        self.phase = Phase::Connected;
        self.connection
            .accept(properties, self.options.topic_aliases);
        if let Some(assigned) = properties.assigned_client_identifier() {
            self.options.client_id = assigned.to_owned();
        }
        let properties = owned(properties);
        self.events.push_back(Event::Connected {
            session_present,
            properties,
        });
        self.resume_session(session_present);
        Ok(())
    }

    /// Goes on with the Session, or forgets it with the Server. A 3.1 CONNACK does not tell.
    fn resume_session(&mut self, session_present: bool) {
        let unknown = self.options.version == ProtocolVersion::V3_1 && !self.options.clean_start;
        if session_present || unknown {
            self.outgoing.begin_resend();
            self.resend();
        } else {
            self.incoming.discard_session();
            for (packet_id, stage) in self.outgoing.discard_session() {
                self.report_abandoned(packet_id, Some(stage));
            }
        }
    }

    fn receive_publish(&mut self, publish: Publish<'_>) -> Result<(), ServerFault> {
        let alias = publish.properties.topic_alias();
        let topic = self
            .connection
            .inbound_aliases
            .resolve(publish.topic, alias)?;
        if let Some(packet_id) = publish.packet_id {
            let maximum = self.options.receive_maximum();
            match self.incoming.publish(packet_id, publish.qos, maximum)? {
                Arrival::New => {}
                Arrival::Pending => return Ok(()),
                Arrival::Repeated => {
                    let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
                    self.send(Packet::PubRec(PubRec {
                        packet_id,
                        reason,
                        properties,
                    }));
                    return Ok(());
                }
            }
            if self.options.acknowledgement == Acknowledgement::Automatic {
                self.acknowledge(packet_id);
            }
        }
        self.events.push_back(Event::Message(ReceivedMessage {
            message: Message {
                topic,
                payload: publish.payload.to_vec(),
                qos: publish.qos,
                retain: publish.retain,
                properties: owned(publish.properties),
            },
            packet_id: publish.packet_id,
            dup: publish.dup,
        }));
        Ok(())
    }

    /// PUBACK or PUBCOMP: the end of a published message. One that nobody waits for is ignored, as
    /// it may answer what a former process sent.
    fn receive_answer(
        &mut self,
        answer: PacketType,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Result<(), ServerFault> {
        let expected = match self.outgoing.stage(packet_id) {
            None => return Ok(()),
            Some(Stage::Unanswered(message)) => {
                message.qos == QoS::AtLeastOnce && answer == PacketType::PubAck
            }
            Some(Stage::Released) => answer == PacketType::PubComp,
        };
        if !expected {
            return Err(ServerFault::AnswerOutOfTurn { answer, packet_id });
        }
        self.finish(packet_id, reason, properties);
        Ok(())
    }

    fn receive_pubrec(&mut self, ack: PubRec<'_>) -> Result<(), ServerFault> {
        let packet_id = ack.packet_id;
        let reason = match self.outgoing.stage(packet_id) {
            None => ReasonCode::PacketIdentifierNotFound,
            Some(Stage::Unanswered(message)) if message.qos == QoS::AtLeastOnce => {
                return Err(ServerFault::AnswerOutOfTurn {
                    answer: PacketType::PubRec,
                    packet_id,
                });
            }
            Some(_) if ack.reason.is_error() => {
                self.finish(packet_id, ack.reason, ack.properties);
                return Ok(());
            }
            Some(_) => ReasonCode::Success,
        };
        self.outgoing.release(packet_id);
        self.send(Packet::PubRel(PubRel {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        }));
        Ok(())
    }

    /// A published message is answered for good: report it and use the send quota it gives back.
    fn finish(&mut self, packet_id: PacketId, reason: ReasonCode, properties: Properties<'_>) {
        self.outgoing.remove(packet_id);
        self.events.push_back(Event::Published {
            packet_id,
            reason,
            properties: owned(properties),
        });
        self.resend();
    }

    fn receive_pubrel(&mut self, ack: PubRel<'_>) {
        let packet_id = ack.packet_id;
        let reason = if self.incoming.release(packet_id) {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        self.send(Packet::PubComp(PubComp {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        }));
    }

    fn receive_suback(
        &mut self,
        packet_id: PacketId,
        codes: &[u8],
        properties: PropertiesBuf,
    ) -> Result<(), ServerFault> {
        let Some(&Request::Subscribe { filters }) = self.connection.requests.get(&packet_id) else {
            return Err(ServerFault::AnswerWithoutRequest {
                answer: PacketType::SubAck,
                packet_id,
            });
        };
        let reasons = reason_codes(codes, filters)?;
        self.connection.requests.remove(&packet_id);
        self.events.push_back(Event::Subscribed {
            packet_id,
            reasons,
            properties,
        });
        Ok(())
    }

    fn receive_unsuback(
        &mut self,
        packet_id: PacketId,
        codes: &[u8],
        properties: PropertiesBuf,
    ) -> Result<(), ServerFault> {
        let Some(&Request::Unsubscribe { filters }) = self.connection.requests.get(&packet_id)
        else {
            return Err(ServerFault::AnswerWithoutRequest {
                answer: PacketType::UnsubAck,
                packet_id,
            });
        };
        let reasons = if self.options.version.has_properties() {
            reason_codes(codes, filters)?
        } else {
            vec![ReasonCode::Success; filters]
        };
        self.connection.requests.remove(&packet_id);
        self.events.push_back(Event::Unsubscribed {
            packet_id,
            reasons,
            properties,
        });
        Ok(())
    }

    fn receive_auth(&mut self, auth: Auth<'_>) -> Result<(), ServerFault> {
        if !self.options.version.has_properties() {
            return Err(ServerFault::UnexpectedPacket(PacketType::Auth));
        }
        if !self.options.has_authentication_method() {
            return Err(ServerFault::AuthenticationNotStarted);
        }
        let properties = owned(auth.properties);
        self.events.push_back(Event::Authentication {
            reason: auth.reason,
            properties,
        });
        Ok(())
    }

    fn receive_disconnect(&mut self, disconnect: Disconnect<'_>) -> Result<(), ServerFault> {
        if !self.options.version.has_properties() {
            return Err(ServerFault::UnexpectedPacket(PacketType::Disconnect));
        }
        let Disconnect { reason, properties } = disconnect;
        self.close(Closed::ByServer {
            reason,
            properties: owned(properties),
        });
        Ok(())
    }
}

/// One Reason Code per requested Topic Filter.
fn reason_codes(codes: &[u8], requested: usize) -> Result<Vec<ReasonCode>, ServerFault> {
    if codes.len() != requested {
        return Err(ServerFault::ReasonCodeCount {
            requested,
            received: codes.len(),
        });
    }
    codes
        .iter()
        .map(|&code| ReasonCode::try_from(code).map_err(|_| ServerFault::UnknownReasonCode(code)))
        .collect()
}

fn owned(properties: Properties<'_>) -> PropertiesBuf {
    let mut owned = PropertiesBuf::default();
    owned.extend_raw(properties.as_bytes());
    owned
}
