//! PUBACK, PUBREC, PUBREL and PUBCOMP: the ends of QoS 1 and 2, in both directions.

use dunlin_packet::{
    Packet, PacketId, Properties, PubAck, PubComp, PubRec, PubRel, QoS, ReasonCode,
};

use super::Shard;
use crate::counters::DropReason;
use crate::id::{ConnectionId, SessionId};
use crate::session::{Acknowledged, Delivery, Outgoing};
use crate::time::Timestamp;

impl Shard {
    pub(super) fn puback(&mut self, now: Timestamp, session: SessionId, puback: PubAck<'_>) {
        let acknowledged = self.in_flight(session, |flow| flow.puback(puback.packet_id));
        if let Acknowledged::Completed(delivery) = acknowledged {
            self.complete(&delivery, puback.reason);
        }
        self.clients.pump(now, session);
    }

    pub(super) fn pubrec(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session: SessionId,
        pubrec: PubRec<'_>,
    ) {
        let PubRec {
            packet_id, reason, ..
        } = pubrec;
        match self.in_flight(session, |flow| flow.pubrec(packet_id, reason)) {
            Acknowledged::Completed(delivery) => {
                self.complete(&delivery, reason);
                self.clients.pump(now, session);
            }
            Acknowledged::Release(delivery) => {
                self.complete(&delivery, reason);
                self.send_pubrel(id, packet_id, ReasonCode::Success);
            }
            Acknowledged::ReleaseAgain => self.send_pubrel(id, packet_id, ReasonCode::Success),
            // A refusal ends the exchange, whether it is known or not.
            Acknowledged::Unknown | Acknowledged::Freed if reason.is_error() => {}
            Acknowledged::Unknown | Acknowledged::Freed => {
                self.send_pubrel(id, packet_id, ReasonCode::PacketIdentifierNotFound);
            }
        }
    }

    fn send_pubrel(&mut self, id: ConnectionId, packet_id: PacketId, reason: ReasonCode) {
        let properties = Properties::EMPTY;
        self.send(
            id,
            &Packet::PubRel(PubRel {
                packet_id,
                reason,
                properties,
            }),
        );
    }

    pub(super) fn pubcomp(&mut self, now: Timestamp, session: SessionId, pubcomp: PubComp<'_>) {
        self.in_flight(session, |flow| flow.pubcomp(pubcomp.packet_id));
        self.clients.pump(now, session);
    }

    /// The Client gives a Packet Identifier free. `[MQTT-4.3.3-11]`
    pub(super) fn pubrel(&mut self, id: ConnectionId, session: SessionId, pubrel: PubRel<'_>) {
        let packet_id = pubrel.packet_id;
        let known = self.clients.sessions[session].release(packet_id);
        if known && let Some(connection) = self.clients.connections.get_mut(id) {
            connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
        }
        let reason = if known {
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let properties = Properties::EMPTY;
        self.send(
            id,
            &Packet::PubComp(PubComp {
                packet_id,
                reason,
                properties,
            }),
        );
    }

    fn in_flight(
        &mut self,
        session: SessionId,
        acknowledge: impl FnOnce(&mut Outgoing) -> Acknowledged,
    ) -> Acknowledged {
        let outgoing = self.clients.sessions[session].outgoing.as_mut();
        outgoing.map_or(Acknowledged::Unknown, |outgoing| acknowledge(outgoing))
    }

    /// A delivery has reached its Client, which may have refused it.
    fn complete(&mut self, delivery: &Delivery, reason: ReasonCode) {
        debug_assert!(delivery.qos > QoS::AtMostOnce);
        if reason.is_error() {
            self.clients.counters.drop_for(DropReason::RefusedByClient);
        } else {
            self.clients.counters.delivered += 1;
        }
        self.clients.report(delivery);
    }
}
