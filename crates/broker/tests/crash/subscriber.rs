//! Subscribers with durable Sessions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin_client::{Client, Driver, Event, ReceivedMessage};
use dunlin_packet::{PropertiesBuf, SubscriptionOptions};

use crate::Name;
use crate::broker::{Address, PATIENCE};
use crate::publisher::options;

/// All is there when nothing has come for that long.
const CALM: Duration = Duration::from_secs(3);

pub(crate) struct Subscription {
    name: &'static str,
    filters: Vec<&'static str>,
}

impl Subscription {
    pub(crate) fn new(name: &'static str, filters: &[&'static str]) -> Self {
        Subscription {
            name,
            filters: filters.to_vec(),
        }
    }
}

/// What a subscriber has received, in order.
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) messages: Vec<Name>,
}

/// A Session that has subscribed, and has no connection.
pub(crate) struct Session {
    driver: Driver,
    heard: Heard,
}

/// Subscribes with QoS 2, and disconnects.
pub(crate) fn subscribe(address: &Address, subscription: Subscription) -> Session {
    let Subscription { name, filters } = subscription;
    let client = Client::new(options(name)).expect("valid options");
    let mut driver = Driver::new(client, address.connect()).expect("a socket");
    let qos2 = SubscriptionOptions::from_byte(2).expect("QoS 2");
    let filters: Vec<_> = filters.into_iter().map(|filter| (filter, qos2)).collect();
    let deadline = Instant::now() + PATIENCE;
    let mut heard = Heard {
        name: name.to_owned(),
        messages: Vec::new(),
    };
    loop {
        match driver
            .next_event(Some(deadline))
            .expect("an answer in time")
        {
            Event::Connected { .. } => {
                let none = PropertiesBuf::default();
                driver
                    .client()
                    .subscribe(&filters, &none)
                    .expect("connected");
            }
            Event::Subscribed { reasons, .. } => {
                assert!(
                    !reasons.iter().any(|reason| reason.is_error()),
                    "{reasons:?}"
                );
                let none = PropertiesBuf::default();
                let normal = dunlin_packet::ReasonCode::Success;
                driver.client().disconnect(normal, &none);
            }
            Event::Message(message) => heard.messages.push(name_of(&message)),
            Event::Closed(_) => return Session { driver, heard },
            _ => {}
        }
    }
}

impl Session {
    /// Receives until it is to stop and nothing comes any more.
    pub(crate) fn listen(mut self, address: &Address, stop: &AtomicBool) -> Heard {
        let mut heard = self.heard;
        self.driver.reconnect(address.connect()).expect("a socket");
        let mut calm_since = Instant::now();
        loop {
            let until = Instant::now() + Duration::from_millis(100);
            match self.driver.next_event(Some(until)) {
                Some(Event::Connected {
                    session_present, ..
                }) => {
                    assert!(session_present, "the Session of {} is lost", heard.name);
                    calm_since = Instant::now();
                }
                Some(Event::Message(message)) => {
                    heard.messages.push(name_of(&message));
                    calm_since = Instant::now();
                }
                Some(Event::Closed(_)) => {
                    self.driver.reconnect(address.connect()).expect("a socket");
                    calm_since = Instant::now();
                }
                _ => {}
            }
            if stop.load(Ordering::Relaxed) && calm_since.elapsed() > CALM {
                return heard;
            }
        }
    }
}

/// The Retained Messages that match a filter.
pub(crate) fn retained(address: &Address, filter: &'static str) -> Heard {
    let session = subscribe(address, Subscription::new("reader", &[filter]));
    session.listen(address, &AtomicBool::new(true))
}

fn name_of(message: &ReceivedMessage) -> Name {
    let payload = std::str::from_utf8(&message.message.payload).expect("a number");
    let number = payload.trim().parse().expect("a number");
    (message.message.topic.clone(), number)
}
