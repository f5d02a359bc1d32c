//! A client against hand-written server bytes.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use dunlin_client::{Client, Closed, ConnectOptions, Event, Message, ServerFault};
use dunlin_packet::{PropertiesBuf, Property, ProtocolVersion, QoS};

/// CONNACK without session and properties, for 3.x and 5.0.
pub(crate) const CONNACK_3: &str = "20 02 00 00";
pub(crate) const CONNACK_5: &str = "20 03 00 00 00";

/// A client, the server's part spoken by the test, and a clock that the test moves.
pub(crate) struct Script {
    pub(crate) client: Client,
    pub(crate) now: Instant,
}

impl Script {
    /// A client that has sent its CONNECT.
    pub(crate) fn new(options: ConnectOptions) -> Self {
        let now = Instant::now();
        let mut client = Client::new(options).expect("valid options");
        client.connect(now);
        Self { client, now }
    }

    /// A connected client with client identifier "c".
    pub(crate) fn connected(version: ProtocolVersion) -> Self {
        Self::connected_with(ConnectOptions::new(version, "c"), connack(version))
    }

    /// A connected client, given the server's CONNACK.
    pub(crate) fn connected_with(options: ConnectOptions, connack: &str) -> Self {
        let mut script = Self::new(options);
        script.sent_bytes();
        script.server(connack);
        assert!(matches!(script.event(), Some(Event::Connected { .. })));
        script
    }

    /// The server sends these bytes.
    pub(crate) fn server(&mut self, hex: &str) {
        self.client.handle_bytes(&bytes(hex));
    }

    /// Takes what the client has put out.
    pub(crate) fn sent_bytes(&mut self) -> Vec<u8> {
        let output = self.client.output().to_vec();
        self.client.transmitted(output.len(), self.now);
        output
    }

    /// The client has put out exactly these bytes.
    #[track_caller]
    pub(crate) fn sent(&mut self, hex: &str) {
        let sent = self.sent_bytes();
        assert_eq!(sent, bytes(hex), "sent {sent:02x?}, expected {hex}");
    }

    pub(crate) fn event(&mut self) -> Option<Event> {
        self.client.poll_event()
    }

    /// The next event is a message with this topic and payload.
    #[track_caller]
    pub(crate) fn delivered(&mut self, topic: &str, payload: &str) {
        match self.event() {
            Some(Event::Message(received)) => {
                assert_eq!(received.message.topic, topic);
                assert_eq!(received.message.payload, payload.as_bytes());
            }
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// There is no event.
    #[track_caller]
    pub(crate) fn quiet(&mut self) {
        let event = self.event();
        assert!(event.is_none(), "unexpected {event:?}");
    }

    /// The next event says that the server broke the protocol in this way.
    #[track_caller]
    pub(crate) fn faulted(&mut self, fault: ServerFault) {
        match self.event() {
            Some(Event::Closed(Closed::Fault(actual))) => assert_eq!(actual, fault),
            other => panic!("expected {fault:?}, got {other:?}"),
        }
        assert!(self.client.wants_close());
    }

    /// The Network Connection ends and another one begins, up to CONNACK.
    pub(crate) fn reconnect(&mut self, connack: &str) {
        self.client.handle_close();
        assert!(matches!(self.event(), Some(Event::Closed(Closed::Lost))));
        self.client.connect(self.now);
        self.sent_bytes();
        self.server(connack);
        assert!(matches!(self.event(), Some(Event::Connected { .. })));
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.client.handle_time(self.now);
    }
}

fn connack(version: ProtocolVersion) -> &'static str {
    if version.has_properties() {
        CONNACK_5
    } else {
        CONNACK_3
    }
}

/// Bytes from hexadecimal digits and blanks.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("two digits"))
        .collect()
}

pub(crate) fn message(topic: &str, payload: &str, qos: QoS) -> Message {
    Message {
        qos,
        ..Message::new(topic, payload)
    }
}

pub(crate) fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    for property in list {
        properties.push(*property);
    }
    properties
}
