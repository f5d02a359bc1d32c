//! The driver against a server on a loopback socket.

mod script;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dunlin_client::{Client, Closed, ConnectOptions, Direction, Driver, Event};
use dunlin_packet::{PropertiesBuf, ProtocolVersion, ReasonCode};
use script::{CONNACK_3, bytes};

/// A 3.1.1 CONNECT with client identifier "c" has so many bytes.
const CONNECT_LENGTH: usize = 15;

/// A server that accepts one connection, and the driver connected to it.
fn serve(
    behaviour: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> (Driver, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream
            .read_exact(&mut [0; CONNECT_LENGTH])
            .expect("CONNECT");
        behaviour(stream)
    });
    let client = Client::new(ConnectOptions::new(ProtocolVersion::V3_1_1, "c"));
    let stream = TcpStream::connect(address).expect("a server");
    (
        Driver::new(client.expect("valid options"), stream).expect("socket options"),
        server,
    )
}

#[test]
fn events_come_in_order_and_disconnect_arrives_although_bytes_are_unread() {
    let (mut driver, server) = serve(|mut stream| {
        let publish = "30 04 00 01 74 78 ".repeat(10_000);
        stream
            .write_all(&bytes(&format!("{CONNACK_3} {publish}")))
            .expect("a reader");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("an orderly end");
        received
    });
    assert!(matches!(
        driver.next_event(None),
        Some(Event::Connected { .. })
    ));
    assert!(matches!(driver.next_event(None), Some(Event::Message(_))));
    driver
        .client()
        .disconnect(ReasonCode::Success, &PropertiesBuf::default());
    driver.flush();
    let closed = std::iter::from_fn(|| driver.client().poll_event())
        .find(|event| matches!(event, Event::Closed(_)));
    assert!(matches!(closed, Some(Event::Closed(Closed::ByClient))));
    assert_eq!(server.join().expect("no panic"), bytes("e0 00"));
}

#[test]
fn a_wait_ends_in_time_and_a_lost_connection_is_an_event() {
    let (mut driver, server) = serve(|mut stream| {
        stream.write_all(&bytes(CONNACK_3)).expect("a reader");
        let mut byte = [0; 2];
        stream.read_exact(&mut byte).expect("PINGREQ or the like");
        byte.to_vec()
    });
    let mut sent = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    driver.observe(move |direction, bytes| {
        sender
            .send((direction, bytes.to_vec()))
            .expect("the test listens");
    });
    assert!(matches!(
        driver.next_event(None),
        Some(Event::Connected { .. })
    ));
    assert!(
        driver
            .next_event(Some(Instant::now() + Duration::from_millis(5)))
            .is_none()
    );
    driver
        .client()
        .unsubscribe(&["a"], &PropertiesBuf::default())
        .expect("connected");
    assert!(matches!(
        driver.next_event(None),
        Some(Event::Closed(Closed::Lost))
    ));
    assert_eq!(server.join().expect("no panic"), bytes("a2 05"));
    drop(driver);
    for (direction, bytes) in receiver {
        if direction == Direction::Sent {
            sent.extend(bytes);
        }
    }
    assert!(sent.ends_with(&bytes("a2 05 00 01 00 01 61")));
}
