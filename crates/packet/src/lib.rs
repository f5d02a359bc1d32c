//! MQTT Control Packets of 3.1, 3.1.1 and 5.0 as values: bytes in, values out, and back.
//!
//! Pure: no IO, no clock, no state, no allocation except growing the caller's output buffer. One tree
//! serves the three protocol versions and both directions: the version is a parameter, and 3.x packets
//! have empty [`Properties`]. Every decoded value borrows the bytes that it was read from.
//!
//! ```text
//!   bytes ── split_frame ──▶ Frame ── Packet::decode ──▶ Packet ── Packet::encode ──▶ bytes
//!               │                        │
//!               └── Incomplete           └── Malformed: one variant per fault, with its
//!                   ("need more bytes")      Reason Code and statement number
//! ```
//!
//! | module | what is there |
//! |---|---|
//! | [`split_frame`] | finds one packet in a buffer, judging type, flags and size by the header alone |
//! | [`Packet`] and a file per packet type | decode and encode |
//! | [`Property`], [`Properties`] | the table of 5.0 properties and the validated bytes of a property list |
//! | [`TopicName`], [`TopicFilter`] | the rules of topics, and the reference matcher |
//! | [`Malformed`] | every way in which the other side can be at fault |
//!
//! What is *not* here: whatever needs state. Whether a Topic Alias is in range, whether a Client may send
//! this packet now, whether a Packet Identifier is free, is for the callers to judge.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod frame;
mod malformed;
mod packet;
mod packet_id;
mod packet_type;
mod properties;
mod property;
mod publish;
mod qos;
mod read;
mod reason_code;
mod suback;
mod subscribe;
mod topic;
mod unsuback;
mod unsubscribe;
mod version;
mod write;

pub use ack::{PubAck, PubComp, PubRec, PubRel};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use frame::{Frame, Framing, split_frame};
pub use malformed::Malformed;
pub use packet::Packet;
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use properties::{Properties, PropertiesBuf};
pub use property::Property;
pub use publish::{Publish, PublishHead};
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use suback::SubAck;
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeEntry, SubscribeFilters, SubscriptionOptions,
    encode_subscribe,
};
pub use topic::{InvalidTopic, InvalidTopicFilter, ShareName, TopicFilter, TopicName};
pub use unsuback::UnsubAck;
pub use unsubscribe::{Unsubscribe, UnsubscribeFilters, encode_unsubscribe};
pub use version::ProtocolVersion;
