//! Bridges between processes: from Dunlin to Dunlin, and to and from Debian's Mosquitto.
//!
//! What needs Mosquitto is ignored by `cargo test`; `cargo xtask test bridge-mosquitto` runs it.

// What helps the tests is not told apart from other code.
#![allow(clippy::unwrap_used)]

mod broker;
mod cut;
mod tools;

mod beside_mosquitto;
mod life;
mod messages;
