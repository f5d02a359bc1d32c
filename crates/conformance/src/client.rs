//! A test client: one TCP connection that is read with a deadline.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::case::{Failure, ensure, fail};
use crate::wire::{self, Ack, Connect, Packet, Publish, Version};

/// How long a broker may take for anything that needs no real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went over the connections of a case, for the report of a failure.
pub type Transcript = Rc<RefCell<Vec<String>>>;

/// One Network Connection to the broker.
pub struct Client {
    name: String,
    version: Version,
    stream: TcpStream,
    buffer: Vec<u8>,
    pending: VecDeque<Packet>,
    next_id: u16,
    closed: bool,
    largest: usize,
    transcript: Transcript,
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
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        Ok(Self {
            name: name.into(),
            version,
            stream,
            buffer: Vec::new(),
            pending: VecDeque::new(),
            next_id: 0,
            closed: false,
            largest: 0,
            transcript: Rc::clone(transcript),
        })
    }

    /// The protocol version of the connection.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The size in bytes of the largest packet received so far.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// A Packet Identifier that this client has not used yet.
    pub fn fresh_id(&mut self) -> u16 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends bytes. That the broker has closed shows in what is read afterwards, not here.
    pub fn send(&mut self, bytes: &[u8]) {
        self.note('>', bytes);
        if self.stream.write_all(bytes).is_err() {
            self.transcript
                .borrow_mut()
                .push(format!("{} > (connection is gone)", self.name));
        }
    }

    /// Closes the connection without DISCONNECT.
    pub fn drop_connection(self) {
        self.transcript
            .borrow_mut()
            .push(format!("{} closes", self.name));
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
        if let Some(packet) = self.pending.pop_front() {
            return Ok(packet);
        }
        self.read_within(PATIENCE)?
            .ok_or_else(|| Failure::Unexpected(format!("{}: the broker closed", self.name)))
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
        if let Some((index, found)) = self
            .pending
            .iter()
            .enumerate()
            .find_map(|(i, p)| wanted(p).map(|t| (i, t)))
        {
            self.pending.remove(index);
            return Ok(found);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.read_within(left) {
                Ok(Some(packet)) => match wanted(&packet) {
                    Some(found) => return Ok(found),
                    None => self.pending.push_back(packet),
                },
                Ok(None) => fail!("{}: expected {what}, the broker closed", self.name),
                Err(Failure::Unexpected(_)) => {
                    fail!("{}: expected {what}, came {:?}", self.name, self.pending)
                }
                Err(error) => return Err(error),
            }
        }
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
            self.name,
            message.text(),
            message.topic
        );
        Ok(message)
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
            self.name
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
        self.send(&wire::publish(self.version, &publish));
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
            self.name
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
            self.name
        );
        Ok(code)
    }

    /// Subscribes to several filters in one packet and returns the codes of SUBACK.
    ///
    /// # Errors
    /// No SUBACK comes, or it has another number of codes.
    pub fn subscribe_all(&mut self, filters: &[(&str, u8)]) -> Result<Vec<u8>, Failure> {
        let id = self.fresh_id();
        self.send(&wire::subscribe(self.version, id, &[], filters));
        let codes = self.suback(id)?;
        ensure!(
            codes.len() == filters.len(),
            "{}: {} filters, SUBACK with {codes:02x?}",
            self.name,
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
        self.send(&wire::unsubscribe(self.version, id, filters));
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
            let left = deadline.saturating_duration_since(Instant::now());
            let next = match self.pending.pop_front() {
                Some(packet) => Ok(Some(packet)),
                None => self.read_within(left),
            };
            let packet = match next {
                Ok(None) => return Ok(ending),
                Ok(Some(packet)) => packet,
                Err(Failure::Unexpected(_)) => {
                    fail!(
                        "{}: expected the broker to close, came {:?}",
                        self.name,
                        ending.before
                    )
                }
                Err(error) => return Err(error),
            };
            ensure!(
                ending.code.is_none(),
                "{}: {packet:?} after the last packet",
                self.name
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
            self.name
        );
        if let Some(code) = code {
            ensure!(
                codes.contains(&code),
                "{}: expected reason {codes:02x?}, came 0x{code:02x}",
                self.name
            );
        }
        Ok(())
    }

    /// The next packet off the wire, or `None` once the broker has closed.
    fn read_within(&mut self, patience: Duration) -> Result<Option<Packet>, Failure> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(length) = wire::split(&self.buffer)? {
                let bytes: Vec<u8> = self.buffer.drain(..length).collect();
                self.note('<', &bytes);
                self.largest = self.largest.max(length);
                return Ok(Some(wire::parse(self.version, &bytes)?));
            }
            if self.closed {
                return Ok(None);
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            fail!("{}: nothing came in time", self.name);
        }
        let mut chunk = [0; 65_536];
        let read = self
            .stream
            .set_read_timeout(Some(left))
            .and_then(|()| self.stream.read(&mut chunk));
        match read {
            Ok(0) => self.note_close(),
            Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => self.note_close(),
            },
        }
        Ok(())
    }

    fn note_close(&mut self) {
        self.closed = true;
        self.transcript
            .borrow_mut()
            .push(format!("{} < (closed by the broker)", self.name));
    }

    fn note(&self, direction: char, bytes: &[u8]) {
        const SHOWN: usize = 96;
        let mut line = format!("{} {direction}", self.name);
        for byte in bytes.iter().take(SHOWN) {
            line.push_str(&format!(" {byte:02x}"));
        }
        if bytes.len() > SHOWN {
            line.push_str(&format!(" … {} bytes", bytes.len()));
        }
        self.transcript.borrow_mut().push(line);
    }
}
