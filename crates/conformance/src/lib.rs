//! One test for every normative statement of MQTT 3.1.1 and 5.0 that binds a Server, runnable
//! against any broker by its address.
//!
//! | where | what |
//! |---|---|
//! | [`wire`] | builder and parser of MQTT bytes, independent of `dunlin-packet` |
//! | [`client`] | a test client: one TCP connection, reads with a deadline, keeps a transcript |
//! | [`scene`] | what one case works with: the broker, the version, unique names |
//! | [`cases`] | the tests, a file per subject of the specification |
//! | [`statements`] | all numbered statements of both specifications, with reasons for those untested |
//! | [`table`] | writes `docs/conformance.md` from cases and statements |
//! | [`runner`] | runs cases in parallel and prints a line for each |
//!
//! A statement is written `MQTT-3.3.4-6` for MQTT 5.0 and `MQTT311-3.3.5-1` for MQTT 3.1.1, because
//! the two number differently. Rules that have no number are named after their section
//! (`MQTT-2.2.2/duplicate`), and MQTT 3.1, which has no numbers at all, after its packets
//! (`MQTT31-connect`).
//!
//! No case sleeps to be in step with the broker. That something is *not* sent is shown by a fence: a
//! marker message, or PINGREQ, goes the same way afterwards and arrives alone. Only keep alive, will
//! delay, session expiry and message expiry need real seconds.

pub mod case;
pub mod cases;
pub mod client;
pub mod runner;
pub mod scene;
pub mod statements;
pub mod table;
pub mod wire;

pub use case::{Case, Failure, Outcome};
pub use scene::{Broker, Scene};
pub use wire::Version;
