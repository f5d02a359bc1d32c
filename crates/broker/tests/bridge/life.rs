//! When bridges connect and disconnect, and what they say of it.

use std::process::Command;

use crate::broker::{Broker, Program, directory, free_port};
use crate::messages::{Pair, bridge, pair};
use crate::tools::{Subscriber, publish, publish_fails, publish_numbers, wait_for_state};

#[test]
fn the_state_is_told_on_both_sides() {
    let Pair { there, here } = pair(Program::Dunlin, "topic # out");
    wait_for_state(here.port, "site1", "1");
    let (at, topic) = (there.port, "$SYS/broker/connection/site1/state");
    let at_hq = Subscriber::new(at, &["-t", topic]);
    assert_eq!(at_hq.next(), format!("1 {topic} 1"));
    let port = there.port;
    here.stop();
    assert_eq!(at_hq.next(), format!("0 {topic} 0"));
    // Nobody there: the broker here tells it by itself.
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(port, "topic # out"));
    wait_for_state(here.port, "site1", "1");
    there.stop();
    wait_for_state(here.port, "site1", "0");
}

/// Slow enough that a subscriber is there before the bridge.
const LATER: &str = "restart_timeout 4\ntopic # out 2";

#[test]
fn what_is_published_while_the_other_broker_is_away_comes_later() {
    let port = free_port();
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(port, LATER));
    here.logs("bridge not connected");
    publish_numbers(here.port, "a", "1", 50);
    publish_numbers(here.port, "b", "2", 50);
    let there = Broker::start(Program::Dunlin, port, "");
    let at_hq = Subscriber::new(there.port, &["-q", "2", "-t", "+"]);
    let sent = |topic| (0..50).map(move |n| format!("0 {topic} {n}"));
    let sent: Vec<String> = sent("a").chain(sent("b")).collect();
    assert_eq!(at_hq.take(100), sent);
}

#[test]
fn what_waits_for_the_other_broker_outlives_this_one() {
    let (own, port) = (free_port(), free_port());
    let place = directory();
    let keeps = format!("persistence true\npersistence_location {}", place.display());
    let config = format!("{keeps}\n{}", bridge(port, LATER));
    let here = Broker::start(Program::Dunlin, own, &config);
    here.logs("bridge not connected");
    publish_numbers(here.port, "a", "2", 50);
    // By SIGKILL.
    drop(here);
    let here = Broker::start(Program::Dunlin, own, &config);
    here.logs("bridge not connected");
    let there = Broker::start(Program::Dunlin, port, "");
    let at_hq = Subscriber::new(there.port, &["-q", "2", "-t", "+"]);
    let sent: Vec<String> = (0..50).map(|n| format!("0 a {n}")).collect();
    assert_eq!(at_hq.take(50), sent);
}

#[test]
fn another_address_is_used_until_the_first_is_there() {
    let first = free_port();
    let second = Broker::start(Program::Dunlin, free_port(), "");
    let lines = format!(
        "connection hq\naddresses 127.0.0.1:{first} 127.0.0.1:{}\nremote_clientid site1\n\
         restart_timeout 1\ntopic # out 1",
        second.port
    );
    let here = Broker::start(Program::Dunlin, free_port(), &lines);
    wait_for_state(second.port, "site1", "1");
    let there = Broker::start(Program::Dunlin, first, "");
    wait_for_state(there.port, "site1", "1");
    wait_for_state(second.port, "site1", "0");
    publish(here.port, &["-t", "a", "-m", "x", "-q", "1"]);
    here.logs("the first address is there again");
}

#[test]
fn a_lazy_bridge_connects_when_enough_waits_and_not_before() {
    let there = Broker::start(Program::Dunlin, free_port(), "");
    let lines = "start_type lazy\nthreshold 3\nidle_timeout 1\ntopic # out 0";
    let here = Broker::start(Program::Dunlin, free_port(), &bridge(there.port, lines));
    let at_hq = Subscriber::new(there.port, &["-t", "+"]);
    wait_for_state(here.port, "site1", "0");
    publish(here.port, &["-t", "a", "-m", "1"]);
    publish(here.port, &["-t", "a", "-m", "2"]);
    assert!(at_hq.is_silent());
    publish(here.port, &["-t", "a", "-m", "3"]);
    assert_eq!(at_hq.take(3), ["0 a 1", "0 a 2", "0 a 3"]);
    here.logs("nothing to do");
    wait_for_state(there.port, "site1", "0");
}

#[test]
fn a_bridge_that_starts_once_does_not_come_back() {
    let lines = "start_type once\ntopic # out 1";
    let Pair { there, here } = pair(Program::Dunlin, lines);
    let port = there.port;
    there.stop();
    here.logs("bridge disconnected");
    let there = Broker::start(Program::Dunlin, port, "");
    let at_hq = Subscriber::new(there.port, &["-t", "#"]);
    publish(here.port, &["-t", "a", "-m", "x", "-q", "1"]);
    assert!(at_hq.is_silent());
}

#[test]
fn nobody_else_takes_its_place_here() {
    let Pair {
        there: _there,
        here,
    } = pair(Program::Dunlin, "topic # out 1");
    let args = ["-i", "local.site1", "-t", "a", "-m", "x"];
    assert!(publish_fails(here.port, &args));
}

#[test]
fn over_tls_the_other_broker_is_checked() {
    let place = directory();
    let made = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["tls", "init"])
        .arg(&place)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let file = |name: &str| place.join(name).display().to_string();
    let (plain, secret) = (free_port(), free_port());
    let listener = format!(
        "listener {secret} 127.0.0.1\ncertfile {}\nkeyfile {}",
        file("server.pem"),
        file("server.key"),
    );
    let there = Broker::start(Program::Dunlin, plain, &listener);
    let lines = |ca: &str| format!("bridge_cafile {ca}\ntopic # out 1");
    let config = bridge(secret, &lines(&file("ca.pem")));
    let here = Broker::start(Program::Dunlin, free_port(), &config);
    wait_for_state(there.port, "site1", "1");
    let at_hq = Subscriber::new(there.port, &["-t", "a"]);
    publish(here.port, &["-t", "a", "-m", "secret", "-q", "1"]);
    assert_eq!(at_hq.next(), "0 a secret");
    drop(here);
    // An authority that has nothing to do with it.
    let stranger = directory();
    let made = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["tls", "init"])
        .arg(&stranger)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let wrong = stranger.join("ca.pem").display().to_string();
    let config = bridge(secret, &lines(&wrong));
    let here = Broker::start(Program::Dunlin, free_port(), &config);
    here.logs("invalid peer certificate");
}
