//! A publisher that never forgets what it has sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin_client::{Client, ConnectOptions, Driver, Event, Message};
use dunlin_packet::{PacketId, Property, ProtocolVersion, QoS, ReasonCode};

use crate::Name;
use crate::broker::{Address, PATIENCE};

/// What became of all that one publisher has sent.
pub(crate) struct Sent {
    pub(crate) acknowledged: Vec<Name>,
    /// The last number that it has used.
    pub(crate) last: u64,
}

const IN_FLIGHT: usize = 20;

/// Publishes for as long as it is to, and then until everything is acknowledged.
pub(crate) fn publish(n: usize, address: &Address, publishing: &AtomicBool) -> Sent {
    let client = Client::new(options(&format!("publisher-{n}"))).expect("valid options");
    let mut driver = Driver::new(client, address.connect()).expect("a socket");
    let mut in_flight: HashMap<PacketId, Name> = HashMap::new();
    let (mut last, mut acknowledged) = (0, Vec::new());
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        match driver.next_event(Some(Instant::now() + Duration::from_millis(2))) {
            Some(Event::Published {
                packet_id, reason, ..
            }) => {
                let name = in_flight.remove(&packet_id).expect("it was sent");
                // PUBREL was repeated, and the broker had done its part before it was killed.
                let is_done = reason == ReasonCode::PacketIdentifierNotFound;
                assert!(is_done || !reason.is_error(), "{name:?}: {reason}");
                acknowledged.push(name);
                deadline = Instant::now() + PATIENCE;
            }
            Some(Event::Abandoned { packet_id, .. }) => {
                panic!("the Session of publisher {n} is lost, with {packet_id:?}");
            }
            Some(Event::Closed(_)) => {
                driver.reconnect(address.connect()).expect("a socket");
            }
            _ => {}
        }
        let go_on = publishing.load(Ordering::Relaxed);
        while go_on && in_flight.len() < IN_FLIGHT && driver.client().send_quota() > 0 {
            last += 1;
            let message = message(n, last);
            let name = (message.topic.clone(), last);
            let sent = driver.client().publish(message).expect("there is quota");
            in_flight.insert(sent.expect("QoS 1 or 2"), name);
        }
        if !go_on && in_flight.is_empty() {
            return Sent { acknowledged, last };
        }
        assert!(Instant::now() < deadline, "not acknowledged: {in_flight:?}");
    }
}

/// Plain topics and those of the group with QoS 1 and 2 in turn, and now and then a state.
fn message(n: usize, number: u64) -> Message {
    let (topic, qos) = match number % 9 {
        0 => (format!("kept/{n}"), QoS::AtLeastOnce),
        it if it % 4 == 0 => (format!("q1/{n}"), QoS::AtLeastOnce),
        it if it % 4 == 1 => (format!("q2/{n}"), QoS::ExactlyOnce),
        it if it % 4 == 2 => (format!("s1/{n}"), QoS::AtLeastOnce),
        _ => (format!("s2/{n}"), QoS::ExactlyOnce),
    };
    let retain = topic.starts_with("kept");
    let payload = format!("{number}{:>100}", "");
    Message {
        qos,
        retain,
        ..Message::new(topic, payload)
    }
}

/// Those of a durable Session.
pub(crate) fn options(client_id: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(ProtocolVersion::V5, client_id);
    options.clean_start = false;
    options
        .properties
        .push(Property::SessionExpiryInterval(3600));
    options
}
