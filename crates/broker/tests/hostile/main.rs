//! Clients that break the protocol or mean harm, against the broker as a process: the culprit's
//! connection is closed for a named reason, nobody else notices, and memory stays bounded.

mod admission;
mod bans;
mod broker;
mod client;
mod flood;
mod malformed;
mod rates;
mod silence;
mod subscriptions;
mod transports;
