//! One connection as its Client sees it: what it has sent, and what it may be sent.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_core::ConnectionId;
use dunlin_packet::{
    Connect, Frame, Framing, Packet, PacketType, ProtocolVersion, Publish, QoS, split_frame,
};

/// A connection, from the moment it is opened on the first shard until it is closed.
pub(super) struct Seat {
    pub(super) shard: usize,
    pub(super) id: ConnectionId,
    /// Neither closed by the broker nor lost.
    pub(super) alive: bool,
    /// The Client has broken the protocol.
    at_fault: bool,
    /// Bytes of a packet of which a part was sent.
    pub(super) held_back: Vec<u8>,
    /// That of CONNECT, once it was sent.
    version: Option<ProtocolVersion>,
    client_id: String,
    maximum_packet_size: usize,
    receive_maximum: usize,
    alias_maximum: u16,
    /// DISCONNECT was sent.
    said_goodbye: bool,
    sent: Vec<u8>,
    received: Vec<u8>,
    accepted: bool,
    /// The last packet was a refusal or DISCONNECT.
    ended: bool,
    aliases: BTreeMap<u16, String>,
    /// Messages of QoS 1 and 2 that wait for an answer: their QoS, and whether PUBREL has come.
    in_flight: BTreeMap<u16, (QoS, bool)>,
    /// Packet Identifiers of earlier connections, or repeated ones, that PUBREL has named.
    released: BTreeSet<u16>,
    /// Something was acknowledged that had not come: what is in flight is for the broker to know.
    ahead: bool,
}

impl Seat {
    pub(super) fn new(shard: usize, id: ConnectionId) -> Self {
        Seat {
            shard,
            id,
            alive: true,
            at_fault: false,
            held_back: Vec::new(),
            version: None,
            client_id: String::new(),
            maximum_packet_size: usize::MAX,
            receive_maximum: usize::from(u16::MAX),
            alias_maximum: 0,
            said_goodbye: false,
            sent: Vec::new(),
            received: Vec::new(),
            accepted: false,
            ended: false,
            aliases: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            released: BTreeSet::new(),
            ahead: false,
        }
    }

    /// The version to build packets in.
    pub(super) fn version(&self) -> ProtocolVersion {
        self.version.unwrap_or(ProtocolVersion::V5)
    }

    /// Whether CONNECT was sent.
    pub(super) fn is_introduced(&self) -> bool {
        self.version.is_some()
    }

    /// Whether the broker has to close the connection: for a fault, or after DISCONNECT.
    pub(super) fn must_end(&self) -> bool {
        self.at_fault || self.said_goodbye
    }

    /// The Client Identifier of an accepted connection; not one that the broker chose.
    pub(super) fn accepted_as(&self) -> Option<&str> {
        let known = self.alive && self.accepted && !self.ended && !self.client_id.is_empty();
        known.then_some(&self.client_id)
    }

    /// What the Client has to answer, oldest first: Packet Identifier, QoS, whether it is released.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = (u16, QoS, bool)> {
        let in_flight = self.in_flight.iter();
        let released = self.released.iter();
        in_flight
            .map(|(id, (qos, released))| (*id, *qos, *released))
            .chain(released.map(|id| (*id, QoS::ExactlyOnce, true)))
    }

    // --------------------------------------------------------------- from the Client

    /// The Client sends bytes, of which it knows itself whether they are right.
    pub(super) fn note_sent(&mut self, bytes: &[u8], maximum: u32) {
        self.sent.extend_from_slice(bytes);
        let sent = std::mem::take(&mut self.sent);
        let mut rest = sent.as_slice();
        while !self.at_fault && !self.said_goodbye {
            match split_frame(rest, maximum) {
                Ok(Framing::Complete { frame, length }) => {
                    self.note_packet(frame);
                    rest = &rest[length..];
                }
                Ok(Framing::Incomplete { .. }) => break,
                Err(_) => self.at_fault = true,
            }
        }
        self.sent = rest.to_vec();
    }

    fn note_packet(&mut self, frame: Frame<'_>) {
        if !self.is_introduced() {
            return match (frame.packet_type, Packet::decode(self.version(), frame)) {
                (PacketType::Connect, Ok(Packet::Connect(connect))) => self.introduce(&connect),
                _ => self.at_fault = true,
            };
        }
        match Packet::decode(self.version(), frame) {
            Ok(Packet::PubAck(puback)) => {
                self.answered(puback.packet_id.get(), QoS::AtLeastOnce, true)
            }
            Ok(Packet::PubRec(pubrec)) => {
                let ends = pubrec.reason.is_error();
                self.answered(pubrec.packet_id.get(), QoS::ExactlyOnce, ends);
            }
            Ok(Packet::PubComp(pubcomp)) => {
                let id = pubcomp.packet_id.get();
                match self.in_flight.get(&id) {
                    Some((QoS::ExactlyOnce, true)) => drop(self.in_flight.remove(&id)),
                    _ => self.ahead |= !self.released.remove(&id),
                }
            }
            Ok(Packet::Disconnect(_)) => self.said_goodbye = true,
            Ok(
                Packet::Publish(_)
                | Packet::PubRel(_)
                | Packet::Subscribe(_)
                | Packet::Unsubscribe(_)
                | Packet::PingReq
                | Packet::Auth(_),
            ) => {}
            Ok(_) | Err(_) => self.at_fault = true,
        }
    }

    fn introduce(&mut self, connect: &Connect<'_>) {
        let properties = connect.properties;
        self.version = Some(connect.version);
        self.client_id = connect.client_id.to_owned();
        self.maximum_packet_size = properties
            .maximum_packet_size()
            .map_or(usize::MAX, |size| size as usize);
        self.receive_maximum = properties
            .receive_maximum()
            .map_or(usize::from(u16::MAX), usize::from);
        self.alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
    }

    fn answered(&mut self, id: u16, qos: QoS, ends: bool) {
        match self.in_flight.get(&id) {
            Some((known, false)) if *known == qos && ends => drop(self.in_flight.remove(&id)),
            Some((known, _)) if *known == qos => {}
            _ => self.ahead = true,
        }
    }

    // ----------------------------------------------------------------- to the Client

    /// The Client receives bytes: whole packets of a Server, one after the other.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        while let Framing::Complete { frame, length } =
            split_frame(rest, u32::MAX).expect("the broker frames its packets")
        {
            self.receive_packet(frame, length);
            rest = &rest[length..];
        }
        self.received = rest.to_vec();
    }

    fn receive_packet(&mut self, frame: Frame<'_>, length: usize) {
        assert!(!self.ended, "nothing comes after a refusal or DISCONNECT");
        if !self.accepted {
            return self.receive_first(frame);
        }
        let version = self.version.expect("nobody is accepted without CONNECT");
        match Packet::decode(version, frame).expect("the broker's packets are right") {
            Packet::Publish(publish) => {
                assert!(length <= self.maximum_packet_size, "{length} bytes");
                self.receive_message(&publish);
            }
            Packet::PubRel(pubrel) => {
                let id = pubrel.packet_id.get();
                match self.in_flight.get_mut(&id) {
                    Some((_, released)) => *released = true,
                    None => drop(self.released.insert(id)),
                }
            }
            Packet::Disconnect(_) | Packet::Auth(_) => {
                assert_eq!(version, ProtocolVersion::V5, "only it has {frame:?}");
                self.ended = frame.packet_type == PacketType::Disconnect;
            }
            Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => {}
            other => panic!("{other:?} from a Server"),
        }
    }

    fn receive_first(&mut self, frame: Frame<'_>) {
        // What is refused for its version is answered in one that is known.
        let versions = [self.version(), ProtocolVersion::V3_1_1];
        let mut decoded = versions
            .into_iter()
            .map(|version| Packet::decode(version, frame));
        match decoded.find_map(Result::ok) {
            Some(Packet::ConnAck(connack)) if connack.reason.is_error() => self.ended = true,
            Some(Packet::ConnAck(_)) => {
                assert!(self.is_introduced(), "accepted without CONNECT");
                self.accepted = true;
            }
            other => panic!("{other:?} before CONNACK"),
        }
    }

    fn receive_message(&mut self, publish: &Publish<'_>) {
        if let Some(alias) = publish.properties.topic_alias() {
            assert!(alias <= self.alias_maximum, "Topic Alias {alias}");
            if publish.topic.is_empty() {
                assert!(
                    self.aliases.contains_key(&alias),
                    "Topic Alias {alias} is not set"
                );
            } else {
                self.aliases.insert(alias, publish.topic.to_owned());
            }
        }
        let Some(id) = publish.packet_id else {
            return;
        };
        let before = self.in_flight.insert(id.get(), (publish.qos, false));
        if !self.ahead {
            assert_eq!(before, None, "Packet Identifier {id:?} is in use");
            let count = self.in_flight.len();
            assert!(count <= self.receive_maximum, "{count} messages in flight");
        }
    }
}
