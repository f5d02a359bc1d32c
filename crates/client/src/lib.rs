//! An MQTT client for 3.1, 3.1.1 and 5.0 as a state machine without IO, and a thin blocking driver.
//!
//! [`Client`] holds the protocol: it is fed bytes and the time, and it puts out bytes and
//! [`Event`]s. It never blocks, reads no clock and owns no socket, so it runs the same way under the
//! driver, under a reactor and in a simulation. [`Driver`] joins one to a `std::net::TcpStream`.
//!
//! # Calling contract
//!
//! 1. [`Client::connect`] begins a Network Connection; the CONNECT packet is then ready to send.
//! 2. Write [`Client::output`] to the Server and report what was written with
//!    [`Client::transmitted`]. Write everything out before more bytes are handed in: answers are
//!    produced while packets are read, and this is what bounds their number.
//! 3. Hand over what arrives with [`Client::handle_bytes`], the end of the Network Connection with
//!    [`Client::handle_close`], and call [`Client::handle_time`] at [`Client::next_deadline`].
//! 4. After each of these, take [`Client::poll_event`] until it is empty, and go to 2.
//! 5. When [`Client::wants_close`] says so, close the Network Connection and report it.
//!
//! After [`Event::Closed`] the same `Client` may `connect` again: its Session State (messages in
//! flight in both directions) outlives the Network Connection and is resumed.
//!
//! # Map
//!
//! | file | owns |
//! |---|---|
//! | `options` | what a CONNECT packet is made of, and the limits of this side |
//! | `client` | the phases of a Network Connection, input, output, deadlines |
//! | `request` | what the application asks for: PUBLISH, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH |
//! | `receive` | what each packet of the Server does |
//! | `outgoing` | messages on their way to the Server: Packet Identifiers, send quota, retransmission |
//! | `incoming` | messages from the Server: Receive Maximum, exactly-once delivery |
//! | `server_limits` | what the Server announced in CONNACK |
//! | `topic_alias` | both directions' Topic Alias mappings |
//! | `keep_alive` | when to send PINGREQ, when to give up |
//! | `fault` | every way in which a Server can break the protocol |
//! | `driver` | the loop over a blocking `TcpStream` |

mod client;
mod driver;
mod event;
mod fault;
mod incoming;
mod keep_alive;
mod message;
mod options;
mod outgoing;
mod receive;
mod request;
mod server_limits;
mod topic_alias;

pub use client::Client;
pub use driver::{Direction, Driver};
pub use event::{Closed, Event};
pub use fault::ServerFault;
pub use message::{Message, ReceivedMessage};
pub use options::{Acknowledgement, ConnectOptions, InvalidOptions, OutboundTopicAliases};
pub use request::RequestError;
pub use server_limits::ServerLimits;
