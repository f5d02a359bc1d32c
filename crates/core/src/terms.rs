//! What holds for the Clients of one listener.

use dunlin_packet::QoS;

use crate::journal::Durability;

/// What a listener allows its Clients, beside the [`Limits`](crate::Limits) of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The highest QoS; announced as Maximum QoS. A PUBLISH above it closes its connection with QoS
    /// not supported (0x9B), a CONNECT with such a Will is refused with that, and a subscription is
    /// granted no more.
    pub maximum_qos: QoS,
    /// Topic Aliases that a Client may use, instead of those of the limits.
    pub topic_aliases_in: Option<u16>,
    /// Whether the broker chooses a Client Identifier for a Client that has none. If not, its CONNECT
    /// is refused with Client Identifier not valid (0x85).
    pub assigns_client_id: bool,
    /// What such a Client Identifier begins with.
    pub client_id_prefix: Box<str>,
    /// Where the shard has a log: whether Sessions that begin here are in it, and acknowledgements
    /// of what is published here wait for it. For others who need it, a message is in the log
    /// nevertheless. A Session that is not in the log is not there for a Client that would have it
    /// last.
    pub durability: Durability,
}

impl Terms {
    /// What a Client Identifier begins with that the broker chose, unless something else is wanted.
    pub const CLIENT_ID_PREFIX: &str = "auto-";
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            maximum_qos: QoS::ExactlyOnce,
            topic_aliases_in: None,
            assigns_client_id: true,
            client_id_prefix: Self::CLIENT_ID_PREFIX.into(),
            durability: Durability::Log,
        }
    }
}
