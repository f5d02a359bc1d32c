//! The Network Connection: where it is in its life, and what it holds while it is open.
//!
//! ```text
//!            CONNECT              CONNACK
//!   Opening ────────▶ (policy) ───────────▶ Open ──┐
//!      │                 │  ▲ AUTH                  │ DISCONNECT, fault, silence, takeover
//!      │                 ▼  │                       ▼
//!      │           Authenticating ─────────────▶ Closing ──all written──▶ gone
//!      │            or Deciding                    ▲
//!      └───────────────────────────────────────────▲
//! ```

use dunlin_packet::{PacketType, ProtocolVersion, QoS};
use hashbrown::HashMap;

use crate::fault::Violation;
use crate::id::{ConnectionId, SessionId};
use crate::journal::Durability;
use crate::output::{Output, OutputPool};
use crate::policy::Origin;
use crate::rates::Rates;
use crate::time::Timestamp;

/// Where a connection is in its life.
pub(crate) enum Phase {
    /// CONNECT is awaited.
    Opening,
    /// CONNECT was there, and an authentication exchange goes on.
    Authenticating(Box<Exchange>),
    /// The policy decides about its CONNECT, or its AUTH. What the Client says meanwhile waits.
    Deciding(Box<Exchange>),
    /// CONNACK was sent.
    Open(SessionId),
    /// The end is decided; what was written is still being read by the Client.
    Closing,
}

/// What is not decided before CONNACK.
pub(crate) struct Exchange {
    /// The body of the CONNECT packet.
    pub(crate) connect: Vec<u8>,
    /// Its Authentication Method; empty if it has none.
    pub(crate) method: String,
}

/// One Network Connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) phase: Phase,
    pub(crate) version: ProtocolVersion,
    /// Its CONNECT says that it is a bridge, by the bit that 3.x has for it: all its subscriptions
    /// have No Local and Retain As Published.
    pub(crate) is_bridge: bool,
    /// Whether reason strings and User Properties may go with any packet.
    pub(crate) problem_information: bool,
    /// Whether it is in the list of those that have something to write.
    pub(crate) dirty: bool,
    /// Whether a message to it had to wait for room in its output.
    pub(crate) wants_room: bool,
    /// Messages of QoS 1 and 2 that may be in flight to the Client.
    pub(crate) send_quota: u16,
    /// Messages of QoS 1 and 2 from the Client that have not been acknowledged.
    pub(crate) unacknowledged: u16,
    /// The highest QoS that the Client may publish with and subscribe to.
    pub(crate) maximum_qos: QoS,
    /// The listener that it came in by.
    pub(crate) listener: u32,
    /// Whether its Client is promised that anything outlives the process.
    pub(crate) durability: Durability,
    /// Topic Aliases that the Client may use: what CONNACK has said, or is to say.
    pub(crate) topic_aliases_in: u16,
    /// Maximum Packet Size of the Client.
    pub(crate) maximum_packet_size: u32,
    /// One and a half times the Keep Alive in milliseconds; 0: no limit.
    pub(crate) silence_allowed: u32,
    pub(crate) last_received: Timestamp,
    /// How fast its Client sends; there from when that was bounded.
    pub(crate) rates: Option<Box<Rates>>,
    /// When what its Client was granted ends.
    pub(crate) expires_at: Timestamp,
    /// When its timer runs out.
    pub(crate) deadline: Timestamp,
    /// Bytes of a packet that is not complete.
    pub(crate) partial: Vec<u8>,
    /// What waits to be written; present only while something does.
    pub(crate) output: Option<Box<Output>>,
    pub(crate) aliases_in: Option<Box<AliasesIn>>,
    pub(crate) aliases_out: Option<Box<AliasesOut>>,
    /// The Authentication Method of CONNECT, for re-authentication.
    pub(crate) method: Option<Box<str>>,
    /// The Client Identifier, if it is not that of CONNECT; until CONNACK.
    pub(crate) assigned: Option<Box<str>>,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, now: Timestamp) -> Self {
        Connection {
            id,
            phase: Phase::Opening,
            version: ProtocolVersion::V5,
            is_bridge: false,
            problem_information: true,
            dirty: false,
            wants_room: false,
            send_quota: 0,
            unacknowledged: 0,
            maximum_qos: QoS::ExactlyOnce,
            listener: 0,
            durability: Durability::Log,
            topic_aliases_in: 0,
            maximum_packet_size: u32::MAX,
            silence_allowed: 0,
            last_received: now,
            rates: None,
            expires_at: Timestamp::NEVER,
            deadline: Timestamp::NEVER,
            partial: Vec::new(),
            output: None,
            aliases_in: None,
            aliases_out: None,
            method: None,
            assigned: None,
        }
    }

    /// When the silence of a Client that was last heard at `since` is too long.
    pub(crate) fn silent_until(&self, since: Timestamp) -> Timestamp {
        match self.silence_allowed {
            0 => Timestamp::NEVER,
            millis => since.after(std::time::Duration::from_millis(millis.into())),
        }
    }

    /// When an open connection is to be looked at next, if nothing comes from its Client.
    pub(crate) fn due_at(&self, since: Timestamp) -> Timestamp {
        // Who is held back is not silent.
        let next = self
            .held_until()
            .unwrap_or_else(|| self.silent_until(since));
        next.min(self.expires_at)
    }

    /// Whether it was made within this process.
    pub(crate) fn is_within(&self) -> bool {
        self.listener == Origin::WITHIN
    }

    /// Until when nothing of its Client is handled, as it has been too fast.
    pub(crate) fn held_until(&self) -> Option<Timestamp> {
        self.rates.as_ref()?.held_until()
    }

    /// Bytes that wait to be written.
    pub(crate) fn pending_output(&self) -> usize {
        self.output.as_ref().map_or(0, |output| output.pending())
    }

    /// Where to append packets.
    pub(crate) fn output(&mut self, pool: &mut OutputPool) -> &mut Output {
        self.output.get_or_insert_with(|| pool.take())
    }
}

/// Topic Aliases that the Client has set.
pub(crate) struct AliasesIn {
    /// By alias, from 1; an empty text where none is set.
    topics: Vec<Box<str>>,
}

impl AliasesIn {
    pub(crate) fn new() -> Self {
        AliasesIn { topics: Vec::new() }
    }

    /// Checks an alias against the maximum, sets it if a Topic Name came with it, and looks it up
    /// if not.
    pub(crate) fn resolve<'a>(
        &'a mut self,
        alias: u16,
        topic: &'a str,
        maximum: u16,
    ) -> Result<&'a str, Violation> {
        if alias == 0 || alias > maximum {
            return Err(Violation::TopicAliasAboveMaximum(alias));
        }
        let place = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = self.topics.get(place).filter(|topic| !topic.is_empty());
            return known
                .map(|topic| &**topic)
                .ok_or(Violation::TopicAliasUnknown(alias));
        }
        if self.topics.len() <= place {
            self.topics.resize_with(place + 1, Box::default);
        }
        self.topics[place] = topic.into();
        Ok(topic)
    }
}

/// Topic Aliases that the broker has set on its way out: the first Topic Names get one each.
pub(crate) struct AliasesOut {
    aliases: HashMap<Box<[u8]>, u16, foldhash::fast::FixedState>,
    maximum: u16,
}

/// How a Topic Name is to be sent.
pub(crate) enum Alias {
    /// In full.
    None,
    /// In full, and this alias stands for it from now on.
    Set(u16),
    /// By the alias alone.
    Use(u16),
}

impl AliasesOut {
    pub(crate) fn new(maximum: u16, seed: u64) -> Self {
        let hasher = foldhash::fast::FixedState::with_seed(seed);
        AliasesOut {
            aliases: HashMap::with_hasher(hasher),
            maximum,
        }
    }

    pub(crate) fn look_up(&mut self, topic: &[u8]) -> Alias {
        if let Some(&alias) = self.aliases.get(topic) {
            return Alias::Use(alias);
        }
        let next = self.aliases.len() as u16 + 1;
        if next > self.maximum {
            return Alias::None;
        }
        self.aliases.insert(topic.into(), next);
        Alias::Set(next)
    }

    /// Takes back the alias that was given last.
    pub(crate) fn forget(&mut self, topic: &[u8]) {
        self.aliases.remove(topic);
    }
}

/// All connections of a shard, by the place that the driver gave them.
#[derive(Default)]
pub(crate) struct Connections(Vec<Option<Connection>>);

impl Connections {
    pub(crate) fn insert(&mut self, connection: Connection) {
        let index = connection.id.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(connection);
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.0.get_mut(id.index())?.as_mut();
        slot.filter(|connection| connection.id == id)
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.0.get(id.index())?.as_ref();
        slot.filter(|connection| connection.id == id)
    }

    /// The connection that is in this place now.
    pub(crate) fn at(&self, index: u32) -> Option<ConnectionId> {
        self.0
            .get(index as usize)?
            .as_ref()
            .map(|connection| connection.id)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let slot = self.0.get_mut(id.index())?;
        slot.take_if(|connection| connection.id == id)
    }

    /// The connection with most bytes of a packet that is not complete.
    pub(crate) fn largest_partial(&self) -> Option<&Connection> {
        let open = self.0.iter().flatten();
        open.max_by_key(|connection| connection.partial.len())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.0.iter().flatten().map(|connection| connection.id)
    }
}

/// Whether a Client may send this type of packet to a Server at all.
pub(crate) fn is_a_clients(packet_type: PacketType, version: ProtocolVersion) -> bool {
    match packet_type {
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            false
        }
        PacketType::Auth => version == ProtocolVersion::V5,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_set_used_and_set_anew() {
        let mut aliases = AliasesIn::new();
        assert_eq!(
            aliases.resolve(2, "", 5),
            Err(Violation::TopicAliasUnknown(2))
        );
        assert_eq!(aliases.resolve(2, "a", 5), Ok("a"));
        assert_eq!(
            aliases.resolve(1, "", 5),
            Err(Violation::TopicAliasUnknown(1))
        );
        assert_eq!(aliases.resolve(2, "b", 5), Ok("b"));
        assert_eq!(aliases.resolve(2, "", 5), Ok("b"));
        assert_eq!(
            aliases.resolve(6, "c", 5),
            Err(Violation::TopicAliasAboveMaximum(6))
        );
        assert_eq!(
            aliases.resolve(0, "c", 5),
            Err(Violation::TopicAliasAboveMaximum(0))
        );
    }

    #[test]
    fn the_first_topics_get_an_alias_each() {
        let mut aliases = AliasesOut::new(1, 0);
        assert!(matches!(aliases.look_up(b"a"), Alias::Set(1)));
        assert!(matches!(aliases.look_up(b"b"), Alias::None));
        assert!(matches!(aliases.look_up(b"a"), Alias::Use(1)));
    }
}
