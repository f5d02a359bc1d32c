//! rumqttc's module for MQTT 3.1.1.

use rumqttc::{
    Client, Connection, Event as RumqttcEvent, LastWill, MqttOptions, Outgoing, Packet, Publish,
    QoS, SubscribeReasonCode,
};

use crate::peer::{DEADLINE, Event, Message, Setup, Version};

pub struct Version311;

impl Version for Version311 {
    type Client = Client;
    type Connection = Connection;

    fn open(setup: &Setup, host: &str, port: u16) -> (Client, Connection) {
        let mut options = MqttOptions::new(&setup.client_id, host, port);
        options.set_clean_session(!setup.persistent);
        options.set_manual_acks(!setup.acknowledging);
        if let Some(will) = &setup.will {
            let last_will = LastWill::new(
                &will.topic,
                will.payload.as_bytes(),
                qos(will.qos),
                will.retain,
            );
            options.set_last_will(last_will);
        }
        Client::new(options, 10)
    }

    fn next_event(connection: &mut Connection) -> Event {
        let event = connection
            .recv_timeout(DEADLINE)
            .expect("something happens within the deadline");
        match event.expect("the connection stays open") {
            RumqttcEvent::Incoming(packet) => incoming(packet),
            RumqttcEvent::Outgoing(Outgoing::Publish(_)) => Event::Sent,
            RumqttcEvent::Outgoing(Outgoing::Disconnect) => Event::Left,
            RumqttcEvent::Outgoing(_) => Event::Other,
        }
    }

    fn subscribe(client: &Client, filter: &str, granted: u8) {
        client
            .subscribe(filter, qos(granted))
            .expect("the request is queued");
    }

    fn publish(client: &Client, message: &Message) {
        let payload = message.payload.as_bytes();
        let queued = client.publish(&message.topic, qos(message.qos), message.retain, payload);
        queued.expect("the request is queued");
    }

    fn disconnect(client: &Client) {
        client.disconnect().expect("the request is queued");
    }
}

fn incoming(packet: Packet) -> Event {
    match packet {
        Packet::ConnAck(connack) => Event::Connected {
            session_present: connack.session_present,
        },
        Packet::SubAck(suback) => match suback.return_codes[0] {
            SubscribeReasonCode::Success(qos) => Event::Subscribed {
                granted_qos: Some(qos as u8),
            },
            SubscribeReasonCode::Failure => Event::Subscribed { granted_qos: None },
        },
        Packet::Publish(publish) => Event::Arrived(message(&publish)),
        Packet::PubAck(_) | Packet::PubComp(_) => Event::Completed,
        _ => Event::Other,
    }
}

fn message(publish: &Publish) -> Message {
    let payload = String::from_utf8_lossy(&publish.payload);
    let message = Message::new(&publish.topic, payload, publish.qos as u8);
    Message {
        retain: publish.retain,
        ..message
    }
}

fn qos(number: u8) -> QoS {
    rumqttc::qos(number).expect("a QoS is 0, 1 or 2")
}
