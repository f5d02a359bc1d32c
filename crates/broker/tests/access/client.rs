//! A Client that shows credentials, and says what it is answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use dunlin_packet::{
    Auth, Connect, Framing, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion,
    Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter, Will, encode_subscribe,
    split_frame,
};

use crate::server::PATIENCE;

pub(crate) const V5: ProtocolVersion = ProtocolVersion::V5;

/// What a Client says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) will: Option<&'a str>,
    pub(crate) clean_start: bool,
    pub(crate) properties: &'a [Property<'a>],
}

impl<'a> Who<'a> {
    pub(crate) fn client(client_id: &'a str) -> Self {
        Who {
            version: V5,
            client_id,
            user_name: None,
            password: None,
            will: None,
            clean_start: true,
            properties: &[],
        }
    }

    pub(crate) fn user(user_name: &'a str, password: &'a str) -> Self {
        Who {
            user_name: Some(user_name),
            password: Some(password),
            ..Who::client(user_name)
        }
    }
}

/// What a Client speaks over.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    version: ProtocolVersion,
    received: Vec<u8>,
}

impl Client {
    /// Connects; gives the Reason Code of CONNACK.
    #[track_caller]
    pub(crate) fn try_connect(to: SocketAddr, who: Who<'_>) -> (Self, ReasonCode) {
        let mut client = Self::open(to, who.version);
        client.send_connect(who);
        let reason = client.connack();
        (client, reason)
    }

    /// Connects, and is let in.
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr, who: Who<'_>) -> Self {
        let (client, reason) = Self::try_connect(to, who);
        assert_eq!(reason, ReasonCode::Success);
        client
    }

    pub(crate) fn open(to: SocketAddr, version: ProtocolVersion) -> Self {
        let stream = TcpStream::connect(to).expect("the broker accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, version)
    }

    /// Over a connection that is there already.
    pub(crate) fn over(stream: impl Stream + 'static, version: ProtocolVersion) -> Self {
        Client {
            stream: Box::new(stream),
            version,
            received: Vec::new(),
        }
    }

    pub(crate) fn send_connect(&mut self, who: Who<'_>) {
        self.try_send_connect(who).expect("the broker reads");
    }

    pub(crate) fn try_send_connect(&mut self, who: Who<'_>) -> std::io::Result<()> {
        let will = who.will.map(|topic| Will {
            topic,
            payload: b"gone",
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        });
        let mut properties = PropertiesBuf::new();
        who.properties.iter().for_each(|&it| properties.push(it));
        let mut session = PropertiesBuf::new();
        session.push(Property::SessionExpiryInterval(60));
        let properties = match (who.clean_start, who.version) {
            (false, V5) => session.as_properties(),
            _ => properties.as_properties(),
        };
        let mut bytes = Vec::new();
        let connect = Packet::Connect(Connect {
            version: who.version,
            clean_start: who.clean_start,
            keep_alive: 0,
            client_id: who.client_id,
            will,
            user_name: who.user_name,
            password: who.password.map(str::as_bytes),
            properties,
        });
        connect.encode(self.version, &mut bytes);
        self.stream.write_all(&bytes)?;
        self.stream.flush()
    }

    #[track_caller]
    pub(crate) fn connack(&mut self) -> ReasonCode {
        self.receive(|packet| match packet {
            Packet::ConnAck(connack) => Some(connack.reason),
            _ => None,
        })
    }

    /// The Reason Code of CONNACK; `None` if the broker hangs up instead.
    pub(crate) fn try_connack(&mut self) -> Option<ReasonCode> {
        let mut bytes = [0; 256];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        match split_frame(&bytes[..count], u32::MAX) {
            Ok(Framing::Complete { frame, .. }) => match Packet::decode(self.version, frame) {
                Ok(Packet::ConnAck(connack)) => Some(connack.reason),
                other => panic!("{other:?}"),
            },
            _ => None,
        }
    }

    pub(crate) fn auth(&mut self, reason: ReasonCode, method: &str, data: &[u8]) {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::AuthenticationMethod(method));
        properties.push(Property::AuthenticationData(data));
        let properties = properties.as_properties();
        self.send(&Packet::Auth(Auth { reason, properties }));
    }

    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes);
        self.stream.write_all(&bytes).expect("the broker reads");
    }

    /// The next packet that `wanted` has a use for.
    #[track_caller]
    pub(crate) fn receive<T>(&mut self, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        loop {
            match split_frame(&self.received, u32::MAX).expect("whole packets") {
                Framing::Complete { frame, length } => {
                    let packet = Packet::decode(self.version, frame).expect("a packet");
                    let found = wanted(&packet);
                    self.received.drain(..length);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Framing::Incomplete { .. } => {
                    let mut bytes = [0; 4096];
                    let count = self.stream.read(&mut bytes).expect("the broker answers");
                    assert!(count > 0, "the broker has closed the connection");
                    self.received.extend_from_slice(&bytes[..count]);
                }
            }
        }
    }

    /// Publishes at QoS 1; gives the Reason Code of PUBACK, or `None` if the broker hangs up.
    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str) -> ReasonCode {
        self.publish_with(topic, false)
    }

    #[track_caller]
    pub(crate) fn publish_with(&mut self, topic: &str, retain: bool) -> ReasonCode {
        self.send(&Packet::Publish(Publish {
            dup: false,
            retain,
            qos: QoS::AtLeastOnce,
            topic,
            packet_id: PacketId::new(1),
            properties: Properties::EMPTY,
            payload: topic.as_bytes(),
        }));
        self.receive(|packet| match packet {
            Packet::PubAck(puback) => Some(puback.reason),
            _ => None,
        })
    }

    /// Subscribes at QoS 0; gives the Reason Code.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str) -> u8 {
        let (mut bytes, id) = (Vec::new(), PacketId::new(2).unwrap());
        let filters = [(
            TopicFilter::parse(filter).unwrap(),
            SubscriptionOptions::default(),
        )];
        encode_subscribe(self.version, id, Properties::EMPTY, &filters, &mut bytes);
        self.stream.write_all(&bytes).expect("the broker reads");
        self.receive(|packet| match packet {
            Packet::SubAck(suback) => Some(suback.reasons[0]),
            _ => None,
        })
    }

    /// The topics of all messages that come before the answer to a PINGREQ.
    #[track_caller]
    pub(crate) fn topics_until_now(&mut self) -> Vec<String> {
        self.send(&Packet::PingReq);
        let mut topics = Vec::new();
        while let Some(topic) = self.receive(|packet| match packet {
            Packet::Publish(publish) => Some(Some(publish.topic.to_owned())),
            Packet::PingResp => Some(None),
            _ => None,
        }) {
            topics.push(topic);
        }
        topics
    }

    /// Topic and payload of the next message.
    #[track_caller]
    pub(crate) fn next_message(&mut self) -> (String, String) {
        self.receive(|packet| match packet {
            Packet::Publish(publish) => {
                let payload = String::from_utf8(publish.payload.to_vec()).expect("text");
                Some((publish.topic.to_owned(), payload))
            }
            _ => None,
        })
    }

    /// The topic of the next message.
    #[track_caller]
    pub(crate) fn next_topic(&mut self) -> String {
        self.receive(|packet| match packet {
            Packet::Publish(publish) => Some(publish.topic.to_owned()),
            _ => None,
        })
    }

    /// The Reason Code of the DISCONNECT that comes.
    #[track_caller]
    pub(crate) fn disconnected(&mut self) -> ReasonCode {
        self.receive(|packet| match packet {
            Packet::Disconnect(disconnect) => Some(disconnect.reason),
            _ => None,
        })
    }
}
