//! A Client of 3.1.1 with a Session that lasts, which answers when it is told to.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use dunlin_packet::{
    Connect, Framing, Packet, PacketId, Properties, ProtocolVersion, PubAck, PubComp, PubRec,
    PubRel, Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter, encode_subscribe,
    split_frame,
};

use crate::server::PATIENCE;

const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

/// A message that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: QoS,
    pub(crate) packet_id: Option<PacketId>,
}

pub(crate) struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
    messages: VecDeque<Got>,
    releases: VecDeque<PacketId>,
}

impl Client {
    /// Connects; tells whether the Session was there.
    #[track_caller]
    pub(crate) fn connect(port: u16, client_id: &str) -> (Self, bool) {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Client {
            stream,
            bytes: Vec::new(),
            messages: VecDeque::new(),
            releases: VecDeque::new(),
        };
        client.send(&Packet::Connect(Connect {
            version: VERSION,
            clean_start: false,
            keep_alive: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        }));
        let is_present = client.wait_for(|packet| match packet {
            Packet::ConnAck(connack) => Some(connack.session_present),
            _ => None,
        });
        (client, is_present)
    }

    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(VERSION, &mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// Waits for a packet; messages and releases that come before it are kept.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        loop {
            while let Framing::Complete { frame, length } =
                split_frame(&self.bytes, u32::MAX).unwrap()
            {
                let packet = Packet::decode(VERSION, frame).unwrap();
                match &packet {
                    Packet::Publish(publish) => self.messages.push_back(Got {
                        topic: publish.topic.to_owned(),
                        payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                        qos: publish.qos,
                        packet_id: publish.packet_id,
                    }),
                    Packet::PubRel(pubrel) => self.releases.push_back(pubrel.packet_id),
                    _ => {}
                }
                let found = wanted(&packet);
                self.bytes.drain(..length);
                if let Some(found) = found {
                    return found;
                }
            }
            let mut bytes = [0; 4096];
            let count = match self.stream.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count.expect("the broker answers"),
            };
            assert!(count > 0, "the broker has closed the connection");
            self.bytes.extend_from_slice(&bytes[..count]);
        }
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let (id, mut bytes) = (PacketId::new(9).unwrap(), Vec::new());
        let filter = TopicFilter::parse(filter).unwrap();
        let filters = [(filter, SubscriptionOptions::new(qos))];
        encode_subscribe(VERSION, id, Properties::EMPTY, &filters, &mut bytes);
        self.stream.write_all(&bytes).unwrap();
        self.wait_for(|packet| matches!(packet, Packet::SubAck(_)).then_some(()));
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Got {
        if self.messages.is_empty() {
            self.wait_for(|packet| matches!(packet, Packet::Publish(_)).then_some(()));
        }
        self.messages.pop_front().unwrap()
    }

    /// The next messages, each answered as its QoS wants it.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<Got> {
        let take = |_| {
            let got = self.next();
            self.answer(&got);
            got
        };
        (0..count).map(take).collect()
    }

    #[track_caller]
    fn answer(&mut self, got: &Got) {
        let Some(packet_id) = got.packet_id else {
            return;
        };
        if got.qos == QoS::AtLeastOnce {
            let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
            return self.send(&Packet::PubAck(PubAck {
                packet_id,
                reason,
                properties,
            }));
        }
        self.received(packet_id);
        assert_eq!(self.next_release(), packet_id);
        self.completed(packet_id);
    }

    pub(crate) fn received(&mut self, packet_id: PacketId) {
        let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
        self.send(&Packet::PubRec(PubRec {
            packet_id,
            reason,
            properties,
        }));
    }

    pub(crate) fn completed(&mut self, packet_id: PacketId) {
        let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
        self.send(&Packet::PubComp(PubComp {
            packet_id,
            reason,
            properties,
        }));
    }

    /// The Packet Identifier of the next PUBREL.
    #[track_caller]
    pub(crate) fn next_release(&mut self) -> PacketId {
        if self.releases.is_empty() {
            self.wait_for(|packet| matches!(packet, Packet::PubRel(_)).then_some(()));
        }
        self.releases.pop_front().unwrap()
    }

    /// Publishes at QoS 2 with Packet Identifier 1, and waits for PUBREC.
    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, payload: &str, dup: bool) {
        self.send(&Packet::Publish(Publish {
            dup,
            retain: false,
            qos: QoS::ExactlyOnce,
            topic,
            packet_id: PacketId::new(1),
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        }));
        self.wait_for(|packet| matches!(packet, Packet::PubRec(_)).then_some(()));
    }

    /// Releases what was published, and waits for PUBCOMP.
    #[track_caller]
    pub(crate) fn release(&mut self) {
        let packet_id = PacketId::new(1).unwrap();
        let (reason, properties) = (ReasonCode::Success, Properties::EMPTY);
        self.send(&Packet::PubRel(PubRel {
            packet_id,
            reason,
            properties,
        }));
        self.wait_for(|packet| matches!(packet, Packet::PubComp(_)).then_some(()));
    }
}
