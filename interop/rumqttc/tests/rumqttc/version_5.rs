//! What only MQTT 5.0 has.

use crate::peer::{Message, Peer, Setup, unique};
use crate::v5::Version50;

#[test]
fn a_request_is_answered_on_its_response_topic() {
    let mut alice = Peer::<Version50>::connect(&Setup::new());
    let mut bob = Peer::<Version50>::connect(&Setup::new());
    let base = unique("request");
    let (requests, replies) = (format!("{base}/requests"), format!("{base}/replies"));
    alice.subscribe(&replies, 1);
    bob.subscribe(&requests, 1);
    alice.publish(&Message {
        response_topic: Some(replies),
        correlation_data: Some(vec![0, 42, 255]),
        ..Message::new(&requests, "question", 1)
    });
    let request = bob.next();
    let response_topic = request
        .response_topic
        .expect("the request has a Response Topic");
    bob.publish(&Message {
        correlation_data: request.correlation_data,
        ..Message::new(&response_topic, "answer", 1)
    });
    let response = alice.next();
    assert_eq!(response.payload, "answer");
    assert_eq!(response.correlation_data, Some(vec![0, 42, 255]));
}
