//! A process without free file descriptors: accepting stops, is named, does not spin, and goes on
//! by itself. In a process of its own, whose limit it lowers.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::env;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use dunlin_net::{
    Accepted, Closed, ConnectionId, Handler, ListenerId, ListenerOptions, Reactor, ReactorConfig,
    Refused, bind,
};

const TEST: &str = "a_process_without_descriptors_goes_on_when_it_has_one";
const LIMITED: &str = "DUNLIN_TEST_DESCRIPTORS_LIMITED";

#[derive(Default)]
struct Heard {
    accepted: Vec<ConnectionId>,
    received: Vec<u8>,
    refused: Vec<String>,
}

impl Handler for Heard {
    fn accepted(&mut self, connection: ConnectionId, _: &Accepted) {
        self.accepted.push(connection);
    }
    fn received(&mut self, _: ConnectionId, bytes: &[u8]) {
        self.received.extend(bytes);
    }
    fn writable(&mut self, _: ConnectionId) {}
    fn closed(&mut self, _: ConnectionId, _: &Closed) {}
    fn woken(&mut self) {}
    fn refused(&mut self, _: ListenerId, cause: &Refused) {
        assert!(matches!(cause, Refused::ProcessFileLimit), "{cause}");
        self.refused.push(cause.to_string());
    }
}

#[test]
fn a_process_without_descriptors_goes_on_when_it_has_one() {
    if env::var_os(LIMITED).is_some() {
        return exhaust();
    }
    let limited = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
        .arg(env::current_exe().unwrap())
        .arg(TEST)
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

fn exhaust() {
    let listener = bind(([127, 0, 0, 1], 0).into(), 16).unwrap();
    let address = listener.local_addr().unwrap();
    let mut reactor = Reactor::new(ReactorConfig::default()).unwrap();
    let mut heard = Heard::default();
    reactor
        .listen(listener, ListenerOptions::new(ListenerId(0)).into())
        .unwrap();

    let first = TcpStream::connect(address).unwrap();
    while heard.accepted.is_empty() {
        reactor.turn(None, &mut heard).unwrap();
    }
    // The second one waits in the backlog, because no descriptor is left for it.
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(b"patience").unwrap();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    reactor.turn(None, &mut heard).unwrap();
    assert_eq!(heard.refused.len(), 1);
    assert!(heard.refused[0].contains("ulimit -n"));

    // It does not spin: the next attempt is 100 ms away, and the turn waits for it.
    let started = Instant::now();
    let mut turns = 0;
    while heard.refused.len() == 1 {
        reactor.turn(None, &mut heard).unwrap();
        turns += 1;
    }
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(turns <= 3, "{turns} turns for one pause");

    // A connection that ends gives its descriptor to the one that waits, at once.
    reactor.abort(heard.accepted[0]);
    reactor.turn(Some(Duration::ZERO), &mut heard).unwrap();
    assert_eq!(heard.accepted.len(), 2);
    while heard.received != b"patience" {
        reactor.turn(None, &mut heard).unwrap();
    }
    assert_eq!(
        reactor.counters().accept_failures,
        heard.refused.len() as u64
    );

    // Descriptors that others free are found by the clock.
    let third = TcpStream::connect(address);
    assert!(third.is_err(), "the client side needs a descriptor, too");
    hoard.pop();
    let _third = TcpStream::connect(address).unwrap();
    let refusals = heard.refused.len();
    while heard.refused.len() == refusals {
        reactor.turn(None, &mut heard).unwrap();
    }
    hoard.clear();
    while heard.accepted.len() == 2 {
        reactor.turn(None, &mut heard).unwrap();
    }
    drop(first);
}
