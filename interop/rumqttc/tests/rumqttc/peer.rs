//! A client that a test drives step by step, over whichever module of rumqttc.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The longest wait for anything; a healthy broker answers within milliseconds.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How a client connects.
#[derive(Clone, Debug)]
pub struct Setup {
    pub client_id: String,
    /// Whether the Session outlives the connection.
    pub persistent: bool,
    /// Whether the test, not rumqttc, acknowledges what arrives (and here never does).
    pub acknowledging: bool,
    pub will: Option<Message>,
}

impl Setup {
    /// A client with a Client Identifier of its own and nothing special.
    pub fn new() -> Setup {
        Setup {
            client_id: unique("rumqttc"),
            persistent: false,
            acknowledging: true,
            will: None,
        }
    }
}

/// An Application Message as a test sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: String,
    pub qos: u8,
    pub retain: bool,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
}

impl Message {
    pub fn new(topic: &str, payload: impl fmt::Display, qos: u8) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: payload.to_string(),
            qos,
            ..Message::default()
        }
    }

    pub fn retained(self) -> Message {
        Message {
            retain: true,
            ..self
        }
    }
}

/// What happens on a connection, as far as tests wait for it.
#[derive(Debug)]
pub enum Event {
    Connected {
        session_present: bool,
    },
    Subscribed {
        granted_qos: Option<u8>,
    },
    Arrived(Message),
    /// A PUBLISH was written.
    Sent,
    /// The broker has completed the QoS flow of a PUBLISH.
    Completed,
    /// A DISCONNECT was written.
    Left,
    Other,
}

/// One protocol module of rumqttc.
pub trait Version {
    type Client;
    type Connection;

    fn open(setup: &Setup, host: &str, port: u16) -> (Self::Client, Self::Connection);
    fn next_event(connection: &mut Self::Connection) -> Event;
    fn subscribe(client: &Self::Client, filter: &str, qos: u8);
    fn publish(client: &Self::Client, message: &Message);
    fn disconnect(client: &Self::Client);
}

/// A connected client. It reads from its connection only while the test waits for something.
pub struct Peer<V: Version> {
    client: V::Client,
    connection: V::Connection,
    inbox: VecDeque<Message>,
    session_present: bool,
}

impl<V: Version> Peer<V> {
    pub fn connect(setup: &Setup) -> Peer<V> {
        let address = std::env::var("DUNLIN_ADDRESS").expect("DUNLIN_ADDRESS is host:port");
        let (host, port) = address
            .rsplit_once(':')
            .expect("DUNLIN_ADDRESS is host:port");
        let (client, connection) = V::open(setup, host, port.parse().expect("a port number"));
        let mut peer = Peer {
            client,
            connection,
            inbox: VecDeque::new(),
            session_present: false,
        };
        let connected = |event: &Event| match event {
            Event::Connected { session_present } => Some(*session_present),
            _ => None,
        };
        peer.session_present = peer.wait(connected);
        peer
    }

    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Subscribes and returns the granted QoS.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        V::subscribe(&self.client, filter, qos);
        let granted = self.wait(|event| match event {
            Event::Subscribed { granted_qos } => Some(*granted_qos),
            _ => None,
        });
        granted.expect("the broker accepts the subscription")
    }

    /// Publishes and waits until the QoS flow is complete.
    pub fn publish(&mut self, message: &Message) {
        V::publish(&self.client, message);
        self.wait(|event| match event {
            Event::Sent => (message.qos == 0).then_some(()),
            Event::Completed => (message.qos > 0).then_some(()),
            _ => None,
        });
    }

    /// The next message, which must arrive within the deadline.
    pub fn next(&mut self) -> Message {
        while self.inbox.is_empty() {
            self.step();
        }
        self.inbox.pop_front().expect("the inbox holds a message")
    }

    pub fn take(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.next()).collect()
    }

    /// All messages before the next one on `topic`, which a test publishes last: what has not
    /// arrived by then was not sent.
    pub fn until(&mut self, topic: &str) -> Vec<Message> {
        std::iter::from_fn(|| Some(self.next()))
            .take_while(|m| m.topic != topic)
            .collect()
    }

    /// Disconnects as a client should.
    pub fn leave(mut self) {
        V::disconnect(&self.client);
        self.wait(|event| matches!(event, Event::Left).then_some(()));
    }

    /// Closes the connection without a DISCONNECT, as a power cut would.
    pub fn vanish(self) {
        drop(self);
    }

    /// Handles events until `wanted` finds what it looks for.
    fn wait<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.step()) {
                return found;
            }
        }
    }

    /// Handles one event.
    fn step(&mut self) -> Event {
        let event = V::next_event(&mut self.connection);
        if let Event::Arrived(message) = &event {
            self.inbox.push_back(message.clone());
        }
        event
    }
}

/// `word` made unique over tests and runs.
pub fn unique(word: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!(
        "{word}-{:x}-{}",
        std::process::id(),
        LAST.fetch_add(1, Ordering::Relaxed)
    )
}
