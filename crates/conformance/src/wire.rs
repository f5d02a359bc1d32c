//! A second, independent implementation of the MQTT byte formats.
//!
//! Deliberately not `dunlin-packet`: a mistake made there would be made here as well and no test
//! would notice. [`Body`] builds anything, well-formed or not; [`parse`] accepts only what a
//! Server is allowed to send, so every case checks the form of every packet it receives.

mod body;
mod connect;
mod packet;
mod parse;
mod property;
mod reader;
mod request;

pub use body::Body;
pub use connect::{Connect, Will};
pub use packet::{Ack, Packet, Publish};
pub use parse::{WireError, parse, split};
pub use property::{Property, user};
pub use request::*;

/// The protocol version a case speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V3_1 = 3,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    V3_1_1 = 4,
    /// MQTT 5.0: protocol name `MQTT`, level 5.
    V5 = 5,
}

impl Version {
    /// Whether packets of this version carry properties.
    #[must_use]
    pub fn has_properties(self) -> bool {
        self == Self::V5
    }
}
