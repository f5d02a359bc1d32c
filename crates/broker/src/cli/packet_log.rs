//! `-d`: shows every packet, read off the bytes that pass.

use dunlin_client::Direction;
use dunlin_packet::{Framing, Packet, ProtocolVersion, Publish, split_frame};

/// Cuts both directions into packets and prints a line for each.
pub(crate) struct PacketLog {
    version: ProtocolVersion,
    client_id: String,
    received: Vec<u8>,
    sent: Vec<u8>,
}

impl PacketLog {
    pub(crate) fn new(version: ProtocolVersion, client_id: String) -> Self {
        Self {
            version,
            client_id,
            received: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Takes the next bytes of one direction.
    pub(crate) fn observe(&mut self, direction: Direction, bytes: &[u8]) {
        let buffer = match direction {
            Direction::Received => &mut self.received,
            Direction::Sent => &mut self.sent,
        };
        let mut pending = std::mem::take(buffer);
        pending.extend_from_slice(bytes);
        let mut used = 0;
        while let Ok(Framing::Complete { frame, length }) = split_frame(&pending[used..], u32::MAX)
        {
            if let Ok(packet) = Packet::decode(self.version, frame) {
                self.show(direction, &packet);
            }
            used += length;
        }
        pending.drain(..used);
        match direction {
            Direction::Received => self.received = pending,
            Direction::Sent => self.sent = pending,
        }
    }

    fn show(&mut self, direction: Direction, packet: &Packet<'_>) {
        if let Packet::ConnAck(connack) = packet
            && let Some(assigned) = connack.properties.assigned_client_identifier()
        {
            self.client_id = assigned.to_owned();
        }
        if let Packet::Connect(_) = packet {
            // What began to arrive on a former Network Connection will not be completed.
            self.received.clear();
        }
        let client_id = if self.client_id.is_empty() {
            "(null)"
        } else {
            &self.client_id
        };
        let verb = match direction {
            Direction::Received => "received",
            Direction::Sent => "sending",
        };
        println!("Client {client_id} {verb} {}", describe(packet));
    }
}

/// The packet's name and what matters about it.
fn describe(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(_) => "CONNECT".to_owned(),
        Packet::ConnAck(connack) => format!("CONNACK ({})", connack.reason as u8),
        Packet::Publish(publish) => describe_publish(publish),
        Packet::PubAck(ack) => format!(
            "PUBACK (Mid: {}, RC:{})",
            ack.packet_id.get(),
            ack.reason as u8
        ),
        Packet::PubRec(ack) => format!(
            "PUBREC (Mid: {}, RC:{})",
            ack.packet_id.get(),
            ack.reason as u8
        ),
        Packet::PubRel(ack) => format!("PUBREL (Mid: {})", ack.packet_id.get()),
        Packet::PubComp(ack) => {
            format!(
                "PUBCOMP (Mid: {}, RC:{})",
                ack.packet_id.get(),
                ack.reason as u8
            )
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<String> = subscribe
                .filters
                .iter()
                .map(|entry| {
                    let options = entry.options;
                    format!(
                        "Topic: {}, QoS: {}, Options: 0x{:02x}",
                        entry.filter,
                        options.qos as u8,
                        options.to_byte() & !0b11
                    )
                })
                .collect();
            format!(
                "SUBSCRIBE (Mid: {}, {})",
                subscribe.packet_id.get(),
                filters.join(", ")
            )
        }
        Packet::SubAck(suback) => {
            let reasons: Vec<String> = suback.reasons.iter().map(u8::to_string).collect();
            format!(
                "SUBACK (Mid: {}): {}",
                suback.packet_id.get(),
                reasons.join(", ")
            )
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<String> = unsubscribe
                .filters
                .iter()
                .map(|filter| format!("Topic: {filter}"))
                .collect();
            format!(
                "UNSUBSCRIBE (Mid: {}, {})",
                unsubscribe.packet_id.get(),
                filters.join(", ")
            )
        }
        Packet::UnsubAck(unsuback) => format!("UNSUBACK (Mid: {})", unsuback.packet_id.get()),
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(disconnect) if disconnect.reason.is_error() => {
            format!("DISCONNECT ({})", disconnect.reason as u8)
        }
        Packet::Disconnect(_) => "DISCONNECT".to_owned(),
        Packet::Auth(auth) => format!("AUTH ({})", auth.reason as u8),
    }
}

fn describe_publish(publish: &Publish<'_>) -> String {
    format!(
        "PUBLISH (d{}, q{}, r{}, m{}, '{}', ... ({} bytes))",
        u8::from(publish.dup),
        publish.qos as u8,
        u8::from(publish.retain),
        publish.packet_id.map_or(0, |id| id.get()),
        publish.topic,
        publish.payload.len()
    )
}
