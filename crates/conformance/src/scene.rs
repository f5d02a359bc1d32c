//! What one case works with: the broker, the protocol version, names of its own.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::case::Failure;
use crate::client::{Client, Transcript};
use crate::wire::{self, Connect, Packet, Publish, Version};

/// The broker under test, and what a run leaves behind in it.
pub struct Broker {
    /// Where it accepts MQTT over TCP.
    pub address: SocketAddr,
    /// Where it accepts MQTT over WebSocket, if anywhere.
    pub websocket: Option<SocketAddr>,
    run: String,
    sessions: Mutex<Vec<Connect>>,
}

impl Broker {
    /// A broker, and a new run against it with names that no other run has.
    #[must_use]
    pub fn new(address: SocketAddr, websocket: Option<SocketAddr>) -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let run = format!(
            "{:x}{:x}",
            std::process::id(),
            since_epoch.as_micros() & 0xffff_ffff
        );
        Self {
            address,
            websocket,
            run,
            sessions: Mutex::default(),
        }
    }

    /// Removes the retained messages and the 3.x sessions that the cases left.
    ///
    /// # Errors
    /// The broker does not answer as expected.
    pub fn clean_up(&self) -> Result<(), Failure> {
        let transcript = Transcript::default();
        let sessions = std::mem::take(
            &mut *self
                .sessions
                .lock()
                .expect("no case panics while it holds the list"),
        );
        for left in sessions {
            let version = left.version();
            let mut client = Client::open(self.address, version, "clean-up", &transcript)?;
            client.connect(&Connect::new(version, left.client_id()))?;
            client.disconnect()?;
        }
        let version = Version::V3_1_1;
        let mut client = Client::open(self.address, version, "clean-up", &transcript)?;
        client.connect(&Connect::new(version, &format!("{}cleanup", self.run)))?;
        client.subscribe(&format!("conformance/{}/#", self.run), 0)?;
        for packet in client.before_fence()? {
            if let Packet::Publish(Publish {
                topic, retain: 1, ..
            }) = packet
            {
                client.publish(Publish::new(&topic, "").qos(1).retained())?;
            }
        }
        client.disconnect()
    }
}

/// The world of one case.
pub struct Scene<'a> {
    broker: &'a Broker,
    version: Version,
    name: String,
    transcript: Transcript,
}

impl<'a> Scene<'a> {
    /// A scene in this version; `name` tells the cases of a run apart.
    #[must_use]
    pub fn new(broker: &'a Broker, version: Version, name: &str) -> Self {
        let name = name.replace(['/', ' ', '.'], "-");
        Self {
            broker,
            version,
            name,
            transcript: Rc::new(RefCell::default()),
        }
    }

    /// The broker under test.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        self.broker
    }

    /// The protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the case speaks MQTT 5.0.
    #[must_use]
    pub fn is_v5(&self) -> bool {
        self.version.has_properties()
    }

    /// A topic that only this case of this run uses.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("conformance/{}/{}/{name}", self.broker.run, self.name)
    }

    /// A Client Identifier that only this case of this run uses, at most 23 letters and digits.
    #[must_use]
    pub fn client_id(&self, name: &str) -> String {
        let seed = format!("{}{}{}", self.broker.run, self.name, name);
        let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let letters: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(6)
            .collect();
        format!("c{hash:016x}{letters}")
    }

    /// A clean CONNECT of the Client with this name.
    #[must_use]
    pub fn connect_packet(&self, name: &str) -> Connect {
        Connect::new(self.version, &self.client_id(name))
    }

    /// A connection on which nothing was sent.
    ///
    /// # Errors
    /// The broker is not there.
    pub fn open(&self, name: &str) -> Result<Client, Failure> {
        Client::open(self.broker.address, self.version, name, &self.transcript)
    }

    /// A clean, accepted connection.
    ///
    /// # Errors
    /// The broker refuses it.
    pub fn connect(&self, name: &str) -> Result<Client, Failure> {
        Ok(self.connect_with(name, &self.connect_packet(name))?.0)
    }

    /// An accepted connection whose session outlives it, resumed if there was one; and whether
    /// there was.
    ///
    /// # Errors
    /// The broker refuses it.
    pub fn connect_durable(&self, name: &str) -> Result<(Client, bool), Failure> {
        let (client, connack) = self.connect_with(name, &self.connect_packet(name).durable())?;
        Ok((
            client,
            matches!(
                connack,
                Packet::ConnAck {
                    session_present: 1,
                    ..
                }
            ),
        ))
    }

    /// A connection accepted for this CONNECT, and its CONNACK.
    ///
    /// # Errors
    /// The broker refuses it.
    pub fn connect_with(&self, name: &str, connect: &Connect) -> Result<(Client, Packet), Failure> {
        if connect.leaves_a_session() {
            let mut sessions = self
                .broker
                .sessions
                .lock()
                .expect("no case panics while it holds the list");
            sessions.push(connect.clone());
        }
        let mut client = Client::open(
            self.broker.address,
            connect.version(),
            name,
            &self.transcript,
        )?;
        let connack = client.connect(connect)?;
        Ok((client, connack))
    }

    /// A new connection that sends `connect` and is then given to the caller unread.
    ///
    /// # Errors
    /// The broker is not there.
    pub fn send_first(&self, name: &str, bytes: &[u8]) -> Result<Client, Failure> {
        let mut client = self.open(name)?;
        client.send(bytes);
        Ok(client)
    }

    /// A connected pair: a subscriber to `topic` with these Subscription Options, and a publisher.
    ///
    /// # Errors
    /// The broker refuses one of them.
    pub fn pair(&self, topic: &str, options: u8) -> Result<(Client, Client), Failure> {
        let mut subscriber = self.connect("sub")?;
        subscriber.subscribe(topic, options)?;
        Ok((subscriber, self.connect("pub")?))
    }

    /// Stores a retained message and waits until the broker has acknowledged it.
    ///
    /// # Errors
    /// The broker does not acknowledge it.
    pub fn retain(&self, topic: &str, payload: &str) -> Result<(), Failure> {
        let mut client = self.connect("retainer")?;
        client.publish(Publish::new(topic, payload).qos(1).retained())?;
        client.disconnect()
    }

    /// What went over the wire so far, a line per packet.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.transcript.borrow().clone()
    }

    /// Builds a PUBLISH in the version of this scene.
    #[must_use]
    pub fn publish_bytes(&self, publish: &Publish) -> Vec<u8> {
        wire::publish(self.version, publish)
    }
}
