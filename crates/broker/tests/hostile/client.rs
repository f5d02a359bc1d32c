//! A Client that sends whatever bytes a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use dunlin_packet::{
    Connect, Framing, Packet, PacketId, PacketType, Properties, PropertiesBuf, Property,
    ProtocolVersion, PubAck, Publish, QoS, ReasonCode, SubscriptionOptions, TopicFilter,
    encode_subscribe, split_frame,
};
use socket2::{Domain, Socket, Type};

use crate::broker::{Broker, PATIENCE};

/// What a Client may wait because of others: much more than it should, for the sake of machines
/// that do other things meanwhile.
const NOTICEABLE: Duration = Duration::from_secs(4);

/// What a Client says in its CONNECT.
pub(crate) struct Options<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) clean_start: bool,
    pub(crate) properties: &'a [Property<'a>],
}

impl<'a> Options<'a> {
    /// A new Session of 5.0 that ends with its connection.
    pub(crate) fn new(client_id: &'a str) -> Self {
        Options {
            version: ProtocolVersion::V5,
            client_id,
            user_name: None,
            clean_start: true,
            properties: &[],
        }
    }

    /// The CONNECT that says so.
    fn connect(&self) -> Vec<u8> {
        let mut properties = PropertiesBuf::new();
        let given = self.properties.iter();
        given.for_each(|&property| properties.push(property));
        let connect = Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: 0,
            client_id: self.client_id,
            will: None,
            user_name: self.user_name,
            password: None,
            properties: properties.as_properties(),
        };
        let mut bytes = Vec::new();
        Packet::Connect(connect).encode(self.version, &mut bytes);
        bytes
    }
}

/// A connection to the broker.
pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) version: ProtocolVersion,
    received: Vec<u8>,
}

impl Client {
    /// A connection on which nothing has been sent.
    #[track_caller]
    pub(crate) fn open(broker: &Broker) -> Self {
        Self::over(TcpStream::connect(broker.address).expect("the broker accepts"))
    }

    /// As [`open`](Self::open), from another address of this machine: 127.0.0.x.
    #[track_caller]
    pub(crate) fn open_from(last: u8, broker: &Broker) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let own = SocketAddr::from(([127, 0, 0, last], 0));
        socket.bind(&own.into()).expect("all of 127/8 is here");
        let connected = socket.connect(&broker.address.into());
        connected.expect("the broker accepts");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Client {
            stream,
            version: ProtocolVersion::V5,
            received: Vec::new(),
        }
    }

    /// A Client of 5.0 with a Session that ends with its connection.
    #[track_caller]
    pub(crate) fn connect(broker: &Broker, client_id: &str) -> Self {
        Self::connect_with(broker, &Options::new(client_id))
    }

    #[track_caller]
    pub(crate) fn connect_with(broker: &Broker, options: &Options<'_>) -> Self {
        let mut client = Self::open(broker);
        client.send_connect(options);
        client.expect_connack();
        client
    }

    #[track_caller]
    pub(crate) fn send_connect(&mut self, options: &Options<'_>) {
        self.version = options.version;
        self.send(&options.connect());
    }

    /// Sends CONNECT. The Reason Code of CONNACK; `None`: the broker closes the connection without.
    #[track_caller]
    pub(crate) fn attempt(&mut self, options: &Options<'_>) -> Option<ReasonCode> {
        self.version = options.version;
        // It may be closed already.
        let _ = self.stream.write_all(&options.connect());
        while self.received.len() < 4 {
            if !self.read() {
                return None;
            }
        }
        Some(self.expect(|packet| match packet {
            Packet::ConnAck(connack) => connack.reason,
            other => panic!("{other:?} instead of CONNACK"),
        }))
    }

    /// Whether the broker lets it in.
    #[track_caller]
    pub(crate) fn try_connect(&mut self, options: &Options<'_>) -> bool {
        self.attempt(options) == Some(ReasonCode::Success)
    }

    /// The broker lets it in.
    #[track_caller]
    pub(crate) fn expect_connack(&mut self) {
        self.expect(|packet| match packet {
            Packet::ConnAck(connack) => assert_eq!(connack.reason, ReasonCode::Success),
            other => panic!("{other:?} instead of CONNACK"),
        });
    }

    /// Our end of the connection.
    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    // --------------------------------------------------------------------------- sending

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
    }

    #[track_caller]
    pub(crate) fn send_packet(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes);
        self.send(&bytes);
    }

    /// Sends the same bytes again and again, reading nothing, until it is enough or the connection
    /// is closed.
    #[track_caller]
    pub(crate) fn flood(&mut self, bytes: &[u8], is_enough: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_enough() && self.stream.write_all(bytes).is_ok() {
            assert!(Instant::now() < deadline, "nothing comes of the flood");
        }
    }

    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS) {
        self.send(&publish(self.version, topic, payload, qos));
        if qos == QoS::AtLeastOnce {
            self.expect(|packet| match packet {
                Packet::PubAck(puback) => assert!(!puback.reason.is_error(), "{puback:?}"),
                other => panic!("{other:?} instead of PUBACK"),
            });
        }
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.send(&subscribe(self.version, &[filter], qos));
        let codes = self.expect_suback();
        assert_eq!(codes, [qos as u8], "the answer to SUBSCRIBE");
    }

    // ------------------------------------------------------------------------- receiving

    /// The next packet.
    #[track_caller]
    pub(crate) fn expect<T>(&mut self, take: impl FnOnce(Packet<'_>) -> T) -> T {
        let deadline = Instant::now() + PATIENCE;
        let length = loop {
            match split_frame(&self.received, u32::MAX).expect("the broker's packets are right") {
                Framing::Complete { length, .. } => break length,
                Framing::Incomplete { .. } => assert!(self.read(), "the broker closed"),
            }
            assert!(Instant::now() < deadline, "no packet in time");
        };
        let bytes: Vec<u8> = self.received.drain(..length).collect();
        let Ok(Framing::Complete { frame, .. }) = split_frame(&bytes, u32::MAX) else {
            unreachable!("it was complete");
        };
        take(Packet::decode(self.version, frame).expect("the broker's packets are right"))
    }

    /// Reads what has come. False: the broker has closed the connection.
    #[track_caller]
    fn read(&mut self) -> bool {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing from the broker: {error}"),
        }
    }

    #[track_caller]
    pub(crate) fn expect_message(&mut self, topic: &str, payload: &[u8]) {
        let version = self.version;
        let id = self.expect(|packet| match packet {
            Packet::Publish(publish) => {
                assert_eq!((publish.topic, publish.payload), (topic, payload));
                publish.packet_id
            }
            other => panic!("{other:?} instead of PUBLISH"),
        });
        if let Some(id) = id {
            let mut puback = Vec::new();
            PubAck::new(id, ReasonCode::Success).encode(version, &mut puback);
            self.send(&puback);
        }
    }

    #[track_caller]
    pub(crate) fn expect_suback(&mut self) -> Vec<u8> {
        self.expect(|packet| match packet {
            Packet::SubAck(suback) => suback.reasons.to_vec(),
            other => panic!("{other:?} instead of SUBACK"),
        })
    }

    /// The broker still answers this Client.
    #[track_caller]
    pub(crate) fn expect_pong(&mut self) {
        self.send_packet(&Packet::PingReq);
        self.expect(|packet| assert_eq!(packet, Packet::PingResp));
    }

    /// The broker closes the connection; all that it still sends is skipped.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) {
        while self.read() {}
    }

    /// The broker closes the connection; the Reason Code of its last CONNACK or DISCONNECT, if it
    /// sends one.
    #[track_caller]
    pub(crate) fn expect_close_with_reason(&mut self) -> Option<ReasonCode> {
        self.expect_close();
        let (mut bytes, mut reason) = (self.received.as_slice(), None);
        while let Ok(Framing::Complete { frame, length }) = split_frame(bytes, u32::MAX) {
            if matches!(
                frame.packet_type,
                PacketType::ConnAck | PacketType::Disconnect
            ) {
                reason = match Packet::decode(self.version, frame).expect("a right packet") {
                    Packet::ConnAck(connack) => Some(connack.reason),
                    Packet::Disconnect(disconnect) => Some(disconnect.reason),
                    _ => None,
                };
            }
            bytes = &bytes[length..];
        }
        reason
    }
}

/// A PUBLISH, with Packet Identifier 1 at QoS 1 and 2.
pub(crate) fn publish(version: ProtocolVersion, topic: &str, payload: &[u8], qos: QoS) -> Vec<u8> {
    let mut bytes = Vec::new();
    let publish = Publish {
        dup: false,
        retain: false,
        qos,
        topic,
        packet_id: (qos > QoS::AtMostOnce).then_some(PacketId::FIRST),
        properties: Properties::EMPTY,
        payload,
    };
    publish.encode(version, &mut bytes);
    bytes
}

/// A SUBSCRIBE for all of these.
pub(crate) fn subscribe<S: AsRef<str>>(
    version: ProtocolVersion,
    filters: &[S],
    qos: QoS,
) -> Vec<u8> {
    let parse = |filter| TopicFilter::parse(filter).expect("a Topic Filter");
    let options = SubscriptionOptions::new(qos);
    let entries: Vec<_> = filters
        .iter()
        .map(|filter| (parse(filter.as_ref()), options))
        .collect();
    let mut bytes = Vec::new();
    let properties = Properties::EMPTY;
    encode_subscribe(version, PacketId::FIRST, properties, &entries, &mut bytes);
    bytes
}

/// Two Clients that go on exchanging messages, whatever happens around them.
pub(crate) struct WellBehaved {
    publisher: Client,
    subscriber: Client,
    sent: u32,
}

impl WellBehaved {
    #[track_caller]
    pub(crate) fn start(broker: &Broker) -> Self {
        let publisher = Client::connect(broker, "well-behaved publisher");
        let mut subscriber = Client::connect(broker, "well-behaved subscriber");
        subscriber.subscribe("calm/#", QoS::AtLeastOnce);
        WellBehaved {
            publisher,
            subscriber,
            sent: 0,
        }
    }

    /// One message of each QoS 0 and 1 from one to the other, without a delay that a person would
    /// notice on a machine with nothing else to do.
    #[track_caller]
    pub(crate) fn exchange(&mut self) {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let begin = Instant::now();
            let payload = self.next_payload();
            self.publisher.publish("calm/sea", &payload, qos);
            self.subscriber.expect_message("calm/sea", &payload);
            let took = begin.elapsed();
            assert!(took < NOTICEABLE, "{took:?} for a message");
        }
    }

    /// A message that comes to the broker in two reads; to one with one shard.
    #[track_caller]
    pub(crate) fn exchange_in_pieces(&mut self) {
        let payload = self.next_payload();
        let whole = publish(
            self.publisher.version,
            "calm/sea",
            &payload,
            QoS::AtMostOnce,
        );
        let (first, second) = whole.split_at(whole.len() / 2);
        self.publisher.send(first);
        // What came before an answered packet has been read.
        self.subscriber.expect_pong();
        self.publisher.send(second);
        self.subscriber.expect_message("calm/sea", &payload);
    }

    fn next_payload(&mut self) -> [u8; 4] {
        self.sent += 1;
        self.sent.to_be_bytes()
    }
}
