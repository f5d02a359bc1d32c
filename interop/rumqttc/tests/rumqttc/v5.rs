//! rumqttc's module for MQTT 5.0.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    LastWill, Packet, Publish, PublishProperties, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{self, QoS};
use rumqttc::v5::{Client, Connection, Event as RumqttcEvent, MqttOptions};

use crate::peer::{DEADLINE, Event, Message, Setup, Version};

const FOREVER_SECONDS: u32 = u32::MAX;

pub struct Version50;

impl Version for Version50 {
    type Client = Client;
    type Connection = Connection;

    fn open(setup: &Setup, host: &str, port: u16) -> (Client, Connection) {
        let mut options = MqttOptions::new(&setup.client_id, host, port);
        options.set_clean_start(!setup.persistent);
        options.set_manual_acks(!setup.acknowledging);
        if setup.persistent {
            options.set_session_expiry_interval(Some(FOREVER_SECONDS));
        }
        if let Some(will) = &setup.will {
            let payload = will.payload.as_bytes();
            let last_will = LastWill::new(&will.topic, payload, qos(will.qos), will.retain, None);
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
        let properties = PublishProperties {
            response_topic: message.response_topic.clone(),
            correlation_data: message.correlation_data.clone().map(Into::into),
            ..PublishProperties::default()
        };
        let queued = client.publish_with_properties(
            &message.topic,
            qos(message.qos),
            message.retain,
            message.payload.clone(),
            properties,
        );
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
            _ => Event::Subscribed { granted_qos: None },
        },
        Packet::Publish(publish) => Event::Arrived(message(publish)),
        Packet::PubAck(_) | Packet::PubComp(_) => Event::Completed,
        _ => Event::Other,
    }
}

fn message(publish: Publish) -> Message {
    let properties = publish.properties.unwrap_or_default();
    Message {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: String::from_utf8_lossy(&publish.payload).into_owned(),
        qos: publish.qos as u8,
        retain: publish.retain,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(Into::into),
    }
}

fn qos(number: u8) -> QoS {
    mqttbytes::qos(number).expect("a QoS is 0, 1 or 2")
}
