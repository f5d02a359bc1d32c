//! Who is let in, and who may do what: the process, its files, and Clients that show credentials.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod abuse;
#[cfg(feature = "acme")]
mod acme;
mod authority;
mod beside_mosquitto;
mod certificates;
mod client;
mod exchange;
mod explain;
mod folder;
mod http;
mod listeners;
mod mount;
mod names;
mod passwords;
mod privileges;
mod reload;
mod rules;
mod secrets;
mod server;
mod tokens;
mod trust;
