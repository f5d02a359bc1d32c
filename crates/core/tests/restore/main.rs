//! A crash between any two steps: what was acknowledged is there again, and nothing comes twice
//! that must not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoints;
mod deliveries;
mod expiry;
mod groups;
mod queues;
mod sessions;
mod world;
