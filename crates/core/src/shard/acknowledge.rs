//! PUBACK, PUBREC, PUBREL and PUBCOMP: the ends of QoS 1 and 2, in both directions.

use dunlin_packet::{
    Packet, PacketId, Properties, PubAck, PubComp, PubRec, PubRel, QoS, ReasonCode,
};

use super::Shard;
use crate::counters::DropReason;
use crate::id::{ConnectionId, SessionId};
use crate::journal::Record;
use crate::session::{Acknowledged, Delivery, Outgoing};
use crate::time::Timestamp;

impl Shard {
    pub(super) fn puback(&mut self, now: Timestamp, session: SessionId, puback: PubAck<'_>) {
        let acknowledged = self.in_flight(session, |flow| flow.puback(puback.packet_id));
        if let Acknowledged::Completed(delivery) = acknowledged {
            self.complete(session, puback.packet_id, &delivery, puback.reason);
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
        let marks = self.clients.settlement.marks();
        let answer = match self.in_flight(session, |flow| flow.pubrec(packet_id, reason)) {
            Acknowledged::Completed(delivery) => {
                self.complete(session, packet_id, &delivery, reason);
                return self.clients.pump(now, session);
            }
            Acknowledged::Release(delivery) => {
                self.complete(session, packet_id, &delivery, reason);
                let releasing = |session| Record::Releasing { session, packet_id };
                self.clients.record(session, releasing);
                ReasonCode::Success
            }
            Acknowledged::ReleaseAgain => ReasonCode::Success,
            // A refusal ends the exchange, whether it is known or not.
            Acknowledged::Unknown | Acknowledged::Freed if reason.is_error() => return,
            Acknowledged::Unknown | Acknowledged::Freed => ReasonCode::PacketIdentifierNotFound,
        };
        let properties = Properties::EMPTY;
        let pubrel = PubRel {
            packet_id,
            reason: answer,
            properties,
        };
        self.send_since(marks, id, &Packet::PubRel(pubrel));
    }

    pub(super) fn pubcomp(&mut self, now: Timestamp, session: SessionId, pubcomp: PubComp<'_>) {
        let packet_id = pubcomp.packet_id;
        let acknowledged = self.in_flight(session, |flow| flow.pubcomp(packet_id));
        if matches!(acknowledged, Acknowledged::Freed) {
            self.clients
                .record(session, |session| Record::Freed { session, packet_id });
        }
        self.clients.pump(now, session);
    }

    /// The Client gives a Packet Identifier free. `[MQTT-4.3.3-11]`
    pub(super) fn pubrel(&mut self, id: ConnectionId, session: SessionId, pubrel: PubRel<'_>) {
        let packet_id = pubrel.packet_id;
        let marks = self.clients.settlement.marks();
        let reason = if self.clients.sessions[session].release(packet_id) {
            self.clients
                .record(session, |session| Record::Released { session, packet_id });
            if let Some(connection) = self.clients.connections.get_mut(id) {
                connection.unacknowledged = connection.unacknowledged.saturating_sub(1);
            }
            ReasonCode::Success
        } else {
            ReasonCode::PacketIdentifierNotFound
        };
        let properties = Properties::EMPTY;
        let pubcomp = PubComp {
            packet_id,
            reason,
            properties,
        };
        self.send_since(marks, id, &Packet::PubComp(pubcomp));
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
    fn complete(
        &mut self,
        session: SessionId,
        packet_id: PacketId,
        delivery: &Delivery,
        reason: ReasonCode,
    ) {
        debug_assert!(delivery.qos > QoS::AtMostOnce);
        if reason.is_error() {
            self.clients.counters.drop_for(DropReason::RefusedByClient);
            self.clients.abandon(session, packet_id, delivery);
        } else {
            self.clients.counters.delivered += 1;
            self.clients.end_in_flight(session, delivery);
        }
    }
}
