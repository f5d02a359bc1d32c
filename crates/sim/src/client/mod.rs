//! A model Client of 3.1, 3.1.1 or 5.0, as correct as the specification wants it: it keeps its side
//! of QoS 1 and 2 over reconnects, and writes down what it sends and gets.

mod read;
mod receive;
mod script;
mod send;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dunlin_packet::{PacketId, ProtocolVersion, QoS, SubscriptionOptions};

pub use script::Deed;

use crate::history::{History, Moment, PublicationNumber, SessionNumber};
use crate::network::LinkNumber;
use crate::plan::ClientPlan;
use crate::rng::Rng;
use crate::trace::Trace;

/// What a Client needs of the world while it does something.
pub struct Desk<'a> {
    /// The virtual time.
    pub now: u64,
    /// The one source of randomness.
    pub rng: &'a mut Rng,
    /// Where promises are written down.
    pub history: &'a mut History,
    /// What a person reads.
    pub trace: &'a mut Trace,
    /// What goes out on the Client's connection.
    pub out: Vec<u8>,
    /// The connection.
    pub link: LinkNumber,
    /// The Session that it serves.
    pub session: Option<SessionNumber>,
    /// How many messages the broker may have in flight, whatever the Client allows.
    pub in_flight: u16,
}

/// What comes of bytes that a Client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection goes on.
    GoOn,
    /// The Client closes it.
    Close,
}

/// What a CONNECT says.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The protocol.
    pub version: ProtocolVersion,
    /// Clean Start, or Clean Session.
    pub clean_start: bool,
    /// In seconds.
    pub session_expiry: u32,
    /// In seconds.
    pub keep_alive: u16,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Maximum Packet Size.
    pub maximum_packet_size: Option<u32>,
    /// The Will.
    pub will: Option<Testament>,
}

/// A Will, whose message is written down as a publication.
#[derive(Clone, Debug)]
pub struct Testament {
    /// Its message.
    pub publication: PublicationNumber,
    /// Will Delay Interval in seconds.
    pub delay: u32,
}

/// How far a Client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has no connection.
    Offline,
    /// It awaits CONNACK.
    Connecting,
    /// It may do everything.
    Online,
}

/// A model Client.
#[derive(Debug)]
pub struct Client {
    /// Its place among all.
    pub index: usize,
    /// Client Identifier.
    pub name: String,
    /// What it may do.
    pub plan: ClientPlan,
    /// Its connection.
    pub link: Option<LinkNumber>,
    /// How far it is.
    pub phase: Phase,
    /// When it does something next.
    pub acts_at: u64,
    /// It does nothing but answer, read and stay: the run is to end.
    pub draining: bool,
    /// Its last CONNECT with Clean Start was not answered: the next has it too.
    must_start_clean: bool,
    /// How many Wills it has made.
    wills: usize,
    /// How far it has read the log.
    position: Option<u64>,
    memory: Memory,
    wire: Wire,
}

/// What a Client keeps for the next connection.
#[derive(Debug)]
struct Memory {
    /// The Session that it belongs to. A real Client cannot know: a CONNECT of its own that comes
    /// late may have replaced the Session.
    session: Option<SessionNumber>,
    next_id: PacketId,
    /// Messages of QoS 1 and 2 that were sent and are not done, oldest first.
    outgoing: VecDeque<Outgoing>,
    /// Packet Identifiers of QoS 2 messages that were received and not released.
    received: BTreeSet<PacketId>,
    /// What it has subscribed to.
    filters: BTreeSet<String>,
}

#[derive(Debug)]
struct Outgoing {
    packet_id: PacketId,
    publication: PublicationNumber,
    qos: QoS,
    released: bool,
}

/// What a Client knows of one connection.
#[derive(Debug, Default)]
struct Wire {
    hello: Option<Hello>,
    inbox: Vec<u8>,
    /// The broker's Receive Maximum.
    receive_maximum: usize,
    /// The broker's Topic Alias Maximum.
    alias_maximum: u16,
    /// The broker's Maximum Packet Size.
    packet_size: usize,
    keep_alive: u16,
    aliases_out: BTreeMap<String, u16>,
    aliases_in: BTreeMap<u16, String>,
    /// What the broker has sent and the Client has not acknowledged.
    unacknowledged: BTreeSet<PacketId>,
    /// Acknowledgements that the Client keeps back for now.
    held: Vec<Held>,
    holding: bool,
    /// With the moments when they were asked for.
    subscribing: BTreeMap<PacketId, Vec<(String, SubscriptionOptions, Moment)>>,
    unsubscribing: BTreeMap<PacketId, Vec<String>>,
    last_sent: u64,
    silent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Held {
    Ack(PacketId),
    Rec(PacketId),
    Comp(PacketId),
}

impl Memory {
    fn new() -> Self {
        Memory {
            session: None,
            next_id: PacketId::FIRST,
            outgoing: VecDeque::new(),
            received: BTreeSet::new(),
            filters: BTreeSet::new(),
        }
    }
}

impl Client {
    /// A Client that has never been connected.
    pub fn new(index: usize, plan: ClientPlan, acts_at: u64) -> Self {
        Client {
            index,
            name: format!("c{index}"),
            plan,
            link: None,
            phase: Phase::Offline,
            acts_at,
            draining: false,
            must_start_clean: false,
            wills: 0,
            position: None,
            memory: Memory::new(),
            wire: Wire::default(),
        }
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        self.link = None;
        self.phase = Phase::Offline;
        self.wire = Wire::default();
    }

    /// The Session that it has been told of, and goes on with.
    pub fn knows(&self) -> Option<SessionNumber> {
        self.memory.session
    }

    /// When it has to say something to stay connected.
    pub fn pings_at(&self) -> Option<u64> {
        let keep_alive = u64::from(self.wire.keep_alive);
        (self.phase == Phase::Online && keep_alive > 0 && !self.wire.silent)
            .then(|| self.wire.last_sent + keep_alive * 700)
    }

    /// The protocol that it speaks.
    fn version(&self) -> ProtocolVersion {
        self.plan.version
    }

    fn is_v5(&self) -> bool {
        self.plan.version == ProtocolVersion::V5
    }
}

/// The payload of a message: its number, and then as much more as it is to have.
pub fn payload(number: PublicationNumber, size: usize) -> Vec<u8> {
    let mut bytes = (number as u32).to_be_bytes().to_vec();
    bytes.resize(size, number as u8);
    bytes
}

/// The number in a payload.
fn number_in(payload: &[u8]) -> Option<PublicationNumber> {
    let first = payload.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*first) as usize)
}
