//! The server with configuration files of both kinds, as its users start it.

// What helps the tests is not told apart from other code.
#![allow(clippy::unwrap_used)]

mod beside_mosquitto;
mod client;
mod server;

mod log_topic;
mod mosquitto;
mod reload;
mod sys;
mod take_over;
