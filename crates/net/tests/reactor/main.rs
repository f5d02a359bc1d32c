//! The reactor against real sockets on the loopback interface. Nothing sleeps: a test turns the
//! reactor until what it waits for has happened, for a bounded number of turns.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod accepting;
mod chaos;
mod closing;
mod flow;
mod moving;
mod origin;
mod pki;
mod tls;
mod waking;
mod websocket;
mod world;
