//! A test client: what a Client does, in a call each, over one `connection`.

mod connection;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::connection::{Connection, Next};
use crate::case::{Failure, ensure, fail};
use crate::wire::{self, Ack, Connect, Packet, Publish, Version};

pub use self::connection::Transcript;

/// How long a broker may take for anything that needs no real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Network Connection to the broker.
pub struct Client {
    connection: Connection,
    pending: VecDeque<Packet>,
    next_id: u16,
}

/// How the broker ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Reason Code of the DISCONNECT or CONNACK before the close, where there was one.
    pub code: Option<u8>,
    /// What else arrived before the close.
    pub before: Vec<Packet>,
}

impl Client {
    /// Opens a connection and sends nothing.
    ///
    /// # Errors
    /// The broker does not accept connections at this address.
    pub fn open(
        address: SocketAddr,
        version: Version,
        name: &str,
        transcript: &Transcript,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(address, version, name, transcript, PATIENCE)?;
        Ok(Self {
            connection,
            pending: VecDeque::new(),
            next_id: 0,
        })
    }

    fn name(&self) -> &str {
        &self.connection.name
    }

    /// The protocol version of the connection.
    #[must_use]
    pub fn version(&self) -> Version {
        self.connection.version
    }

    /// The size in bytes of the largest packet received so far.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.connection.largest
    }

    /// A Packet Identifier that this client has not used yet.
    pub fn fresh_id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends bytes. That the broker has closed shows in what is read afterwards, not here.
    pub fn send(&mut self, bytes: &[u8]) {
        self.connection.send(bytes);
    }

    /// Closes the connection without DISCONNECT.
    pub fn drop_connection(self) {
        self.connection.remark("closes");
    }

    /// Sends DISCONNECT and waits until the broker has closed.
    ///
    /// # Errors
    /// The broker does not close.
    pub fn disconnect(mut self) -> Result<(), Failure> {
        self.send(&wire::DISCONNECT);
        self.ending().map(|_| ())
    }

    /// Sends CONNECT and returns Session Present and the whole CONNACK.
    ///
    /// # Errors
    /// The answer is not a CONNACK of success.
    pub fn connect(&mut self, connect: &Connect) -> Result<Packet, Failure> {
        self.send(&connect.packet());
        self.connected()
    }

    /// Waits for a CONNACK of success.
    ///
    /// # Errors
    /// The answer is something else.
    pub fn connected(&mut self) -> Result<Packet, Failure> {
        match self.receive()? {
            connack @ Packet::ConnAck { code: 0, .. } => Ok(connack),
            other => fail!("expected CONNACK with code 0, came {other:?}"),
        }
    }

    /// The next packet in the order of arrival.
    ///
    /// # Errors
    /// The deadline passes, the broker closes or sends an impossible packet.
    pub fn receive(&mut self) -> Result<Packet, Failure> {
        match self.next(Instant::now() + PATIENCE)? {
            Next::Packet(packet) => Ok(packet),
            Next::Closed => fail!("{}: the broker closed", self.name()),
            Next::Late => fail!("{}: nothing came in time", self.name()),
        }
    }

    /// The next packet, of those put aside or else off the wire.
    fn next(&mut self, deadline: Instant) -> Result<Next, Failure> {
        match self.pending.pop_front() {
            Some(packet) => Ok(Next::Packet(packet)),
            None => Ok(self.connection.next(deadline)?),
        }
    }

    /// The first packet that `wanted` accepts; others stay for [`Client::receive`].
    ///
    /// # Errors
    /// As [`Client::receive`]; `what` names the missing packet.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&Packet) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut put_aside = VecDeque::new();
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            match self.next(deadline)? {
                Next::Packet(packet) => match wanted(&packet) {
                    Some(found) => break Ok(found),
                    None => put_aside.push_back(packet),
                },
                Next::Closed => break Err("the broker closed".to_owned()),
                Next::Late => break Err(format!("came {put_aside:?}")),
            }
        };
        put_aside.append(&mut self.pending);
        self.pending = put_aside;
        found.map_err(|came| {
            Failure::Unexpected(format!("{}: expected {what}, {came}", self.name()))
        })
    }

    /// The next PUBLISH, not acknowledged.
    ///
    /// # Errors
    /// None comes.
    pub fn publication(&mut self) -> Result<Publish, Failure> {
        self.wait_for("PUBLISH", |packet| match packet {
            Packet::Publish(publish) => Some(publish.clone()),
            _ => None,
        })
    }

    /// The next PUBLISH, acknowledged to the end as its QoS asks.
    ///
    /// # Errors
    /// None comes, or the broker does not complete the QoS 2 exchange.
    pub fn message(&mut self) -> Result<Publish, Failure> {
        let publish = self.publication()?;
        self.acknowledge(&publish)?;
        Ok(publish)
    }

    /// Acknowledges a PUBLISH to the end as its QoS asks.
    ///
    /// # Errors
    /// The broker does not complete the QoS 2 exchange.
    pub fn acknowledge(&mut self, publish: &Publish) -> Result<(), Failure> {
        match publish.qos {
            1 => self.send(&wire::ack(wire::PUBACK, publish.id)),
            2 => {
                self.send(&wire::ack(wire::PUBREC, publish.id));
                self.pubrel(publish.id)?;
                self.send(&wire::ack(wire::PUBCOMP, publish.id));
            }
            _ => {}
        }
        Ok(())
    }

    /// The next PUBLISH, acknowledged, which must have this payload.
    ///
    /// # Errors
    /// Another message comes first.
    pub fn expect_payload(&mut self, payload: impl AsRef<[u8]>) -> Result<Publish, Failure> {
        let message = self.message()?;
        let wanted = String::from_utf8_lossy(payload.as_ref()).into_owned();
        ensure!(
            message.payload == payload.as_ref(),
            "{}: expected the message {wanted:?}, came {:?} on {:?}",
            self.name(),
            message.text(),
            message.topic
        );
        Ok(message)
    }

    /// The next message with RETAIN 1, acknowledged, which must have this payload.
    ///
    /// A copy of the same message with RETAIN 0 may come before it: a broker of several threads or
    /// nodes may still be handing out what it has acknowledged when the subscription is made.
    ///
    /// # Errors
    /// Another message comes first.
    pub fn expect_retained(&mut self, payload: impl AsRef<[u8]>) -> Result<Publish, Failure> {
        loop {
            let message = self.expect_payload(payload.as_ref())?;
            if message.retain == 1 {
                return Ok(message);
            }
        }
    }

    /// Waits for PUBACK of this Packet Identifier.
    ///
    /// # Errors
    /// None comes.
    pub fn puback(&mut self, id: u16) -> Result<Ack, Failure> {
        self.wait_for(&format!("PUBACK {id}"), |packet| match packet {
            Packet::PubAck(ack) if ack.id == id => Some(ack.clone()),
            _ => None,
        })
    }

    /// Waits for PUBREC of this Packet Identifier.
    ///
    /// # Errors
    /// None comes.
    pub fn pubrec(&mut self, id: u16) -> Result<Ack, Failure> {
        self.wait_for(&format!("PUBREC {id}"), |packet| match packet {
            Packet::PubRec(ack) if ack.id == id => Some(ack.clone()),
            _ => None,
        })
    }

    /// Waits for PUBREL of this Packet Identifier.
    ///
    /// # Errors
    /// None comes.
    pub fn pubrel(&mut self, id: u16) -> Result<Ack, Failure> {
        self.wait_for(&format!("PUBREL {id}"), |packet| match packet {
            Packet::PubRel(ack) if ack.id == id => Some(ack.clone()),
            _ => None,
        })
    }

    /// Waits for PUBCOMP of this Packet Identifier.
    ///
    /// # Errors
    /// None comes.
    pub fn pubcomp(&mut self, id: u16) -> Result<Ack, Failure> {
        self.wait_for(&format!("PUBCOMP {id}"), |packet| match packet {
            Packet::PubComp(ack) if ack.id == id => Some(ack.clone()),
            _ => None,
        })
    }

    /// Sends PINGREQ and waits for PINGRESP; what arrives before it stays for [`Client::receive`].
    ///
    /// # Errors
    /// No PINGRESP comes.
    pub fn fence(&mut self) -> Result<(), Failure> {
        self.send(&wire::PINGREQ);
        self.wait_for("PINGRESP", |packet| {
            (*packet == Packet::PingResp).then_some(())
        })
    }

    /// Everything that arrives before a PINGRESP asked for now.
    ///
    /// # Errors
    /// No PINGRESP comes.
    pub fn before_fence(&mut self) -> Result<Vec<Packet>, Failure> {
        self.fence()?;
        Ok(self.pending.drain(..).collect())
    }

    /// Shows that the broker has sent nothing that was not taken yet.
    ///
    /// # Errors
    /// It has.
    pub fn expect_silence(&mut self) -> Result<(), Failure> {
        let arrived = self.before_fence()?;
        ensure!(
            arrived.is_empty(),
            "{}: expected nothing, came {arrived:?}",
            self.name()
        );
        Ok(())
    }

    /// Publishes at the message's QoS and waits for the exchange to end. A Packet Identifier is
    /// given where the message has none.
    ///
    /// # Errors
    /// The exchange does not end, or ends with an error code.
    pub fn publish(&mut self, publish: Publish) -> Result<(), Failure> {
        let id = if publish.id == 0 && publish.qos > 0 {
            self.fresh_id()
        } else {
            publish.id
        };
        let publish = publish.id(id);
        self.send(&wire::publish(self.version(), &publish));
        let ack = match publish.qos {
            0 => return Ok(()),
            1 => self.puback(id)?,
            _ => {
                let ack = self.pubrec(id)?;
                if ack.code < 0x80 {
                    self.send(&wire::ack(wire::PUBREL, id));
                    self.pubcomp(id)?;
                }
                ack
            }
        };
        ensure!(
            ack.code < 0x80,
            "{}: a PUBLISH was refused: {ack:?}",
            self.name()
        );
        Ok(())
    }

    /// Subscribes to one filter with these Subscription Options and expects success.
    ///
    /// # Errors
    /// The subscription is refused.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> Result<u8, Failure> {
        let code = self.subscribe_all(&[(filter, options)])?[0];
        ensure!(
            code < 0x80,
            "{}: SUBSCRIBE {filter:?} refused: 0x{code:02x}",
            self.name()
        );
        Ok(code)
    }

    /// Subscribes to several filters in one packet and returns the codes of SUBACK.
    ///
    /// # Errors
    /// No SUBACK comes, or it has another number of codes.
    pub fn subscribe_all(&mut self, filters: &[(&str, u8)]) -> Result<Vec<u8>, Failure> {
        let id = self.fresh_id();
        self.send(&wire::subscribe(self.version(), id, &[], filters));
        let codes = self.suback(id)?;
        ensure!(
            codes.len() == filters.len(),
            "{}: {} filters, SUBACK with {codes:02x?}",
            self.name(),
            filters.len()
        );
        Ok(codes)
    }

    /// Waits for SUBACK of this Packet Identifier and returns its codes.
    ///
    /// # Errors
    /// None comes.
    pub fn suback(&mut self, id: u16) -> Result<Vec<u8>, Failure> {
        self.wait_for(&format!("SUBACK {id}"), |packet| match packet {
            Packet::SubAck {
                id: answered,
                codes,
                ..
            } if *answered == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// Unsubscribes from filters and returns the codes of UNSUBACK (none in 3.x).
    ///
    /// # Errors
    /// No UNSUBACK comes.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<Vec<u8>, Failure> {
        let id = self.fresh_id();
        self.send(&wire::unsubscribe(self.version(), id, filters));
        self.unsuback(id)
    }

    /// Waits for UNSUBACK of this Packet Identifier and returns its codes (none in 3.x).
    ///
    /// # Errors
    /// None comes.
    pub fn unsuback(&mut self, id: u16) -> Result<Vec<u8>, Failure> {
        self.wait_for(&format!("UNSUBACK {id}"), |packet| match packet {
            Packet::UnsubAck {
                id: answered,
                codes,
                ..
            } if *answered == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// Waits until the broker closes.
    ///
    /// # Errors
    /// It does not, or sends something after a DISCONNECT or a refusing CONNACK.
    pub fn ending(&mut self) -> Result<Ending, Failure> {
        self.ending_within(PATIENCE)
    }

    /// As [`Client::ending`], with a deadline of its own.
    ///
    /// # Errors
    /// As [`Client::ending`].
    pub fn ending_within(&mut self, patience: Duration) -> Result<Ending, Failure> {
        let deadline = Instant::now() + patience;
        let mut ending = Ending {
            code: None,
            before: Vec::new(),
        };
        loop {
            let packet = match self.next(deadline)? {
                Next::Packet(packet) => packet,
                Next::Closed => return Ok(ending),
                Next::Late => {
                    fail!(
                        "{}: expected a close, came {:?}",
                        self.name(),
                        ending.before
                    )
                }
            };
            ensure!(
                ending.code.is_none(),
                "{}: {packet:?} after the last packet",
                self.name()
            );
            match packet {
                Packet::Disconnect { code, .. } => ending.code = Some(code),
                Packet::ConnAck { code, .. } if code != 0 => ending.code = Some(code),
                other => ending.before.push(other),
            }
        }
    }

    /// Waits until the broker closes, at most after a DISCONNECT or CONNACK with one of `codes`.
    ///
    /// # Errors
    /// It does not close, or gives another reason, or sends anything else before.
    pub fn expect_refusal(&mut self, codes: &[u8]) -> Result<(), Failure> {
        let Ending { code, before } = self.ending()?;
        ensure!(
            before.is_empty(),
            "{}: expected a close, came first {before:?}",
            self.name()
        );
        if let Some(code) = code {
            ensure!(
                codes.contains(&code),
                "{}: expected reason {codes:02x?}, came 0x{code:02x}",
                self.name()
            );
        }
        Ok(())
    }
}
