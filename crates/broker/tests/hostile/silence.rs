//! Clients that say nothing, or only half of it.

use std::time::{Duration, Instant};

use dunlin_packet::{Packet, ProtocolVersion, QoS, ReasonCode};

use crate::broker::{Broker, PATIENCE};
use crate::client::{Client, Options, WellBehaved, publish};

#[test]
fn half_a_connect_and_then_silence_is_closed_in_time() {
    let broker = Broker::start("shards = 1\n[limits]\nconnect_timeout = 1\n");
    let mut whole = Vec::new();
    let connect = dunlin_packet::Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        client_id: "half",
        will: None,
        user_name: None,
        password: None,
        properties: dunlin_packet::Properties::EMPTY,
    };
    Packet::Connect(connect).encode(ProtocolVersion::V5, &mut whole);
    let begin = Instant::now();
    let mut clients: Vec<_> = (0..whole.len())
        .map(|length| {
            let mut client = Client::open(&broker);
            client.send(&whole[..length]);
            client
        })
        .collect();
    for client in &mut clients {
        assert_eq!(client.expect_close_with_reason(), None);
        let ending = broker.ending_of_peer(client.address());
        assert!(ending.contains("no CONNECT in time"), "{ending}");
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900), "closed after {took:?}");
}

#[test]
fn ten_thousand_that_never_send_connect_are_closed_and_nobody_else_notices() {
    const SILENT: usize = 10_000;
    let broker = Broker::start("[limits]\nconnect_timeout = 1\n");
    raise_descriptor_limit();
    let mut others = WellBehaved::start(&broker);
    let mut silent = Vec::with_capacity(SILENT);
    for n in 0..SILENT {
        silent.push(Client::open(&broker));
        if n % 100 == 0 {
            others.exchange();
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while broker.count(&["no CONNECT in time"]) < SILENT {
        assert!(Instant::now() < deadline, "they are not closed in time");
        others.exchange();
    }
    for client in &mut silent {
        client.expect_close();
    }
    others.exchange();
    broker.assert_memory_below(100 << 20);
}

#[test]
fn many_halves_of_large_packets_do_not_fill_the_memory() {
    const ATTACKERS: usize = 40;
    // There is room for 32 halves.
    let broker = Broker::start("shards = 1\n[limits]\npartial_bytes = 16777216\n");
    let mut others = WellBehaved::start(&broker);
    let payload = vec![0; 1_000_000];
    let mut half = publish(ProtocolVersion::V5, "bomb", &payload, QoS::AtMostOnce);
    half.truncate(512 * 1024);
    let mut attackers = Vec::new();
    for n in 0..ATTACKERS {
        let mut attacker = Client::connect(&broker, &format!("attacker {n}"));
        attacker.send(&half);
        attackers.push(attacker);
        others.exchange_in_pieces();
    }
    let why = "there is no room for further incomplete packets";
    broker.wait_for_count(8, &[why]);
    broker.assert_memory_below(100 << 20);
    let mut ended = 0;
    for (n, attacker) in attackers.iter_mut().enumerate() {
        if broker.count(&[&format!("client_id=\"attacker {n}\" ending={why}")]) > 0 {
            assert_eq!(
                attacker.expect_close_with_reason(),
                Some(ReasonCode::QuotaExceeded)
            );
            ended += 1;
        }
    }
    assert!((8..16).contains(&ended), "{ended} are closed");
    assert_eq!(broker.count(&[why]), ended, "nobody else is");
}

#[test]
fn silence_beyond_the_keep_alive_ends_the_connection() {
    let broker = Broker::start("[limits]\nkeep_alive = 1\n");
    let mut client = Client::connect_with(&broker, &Options::new("quiet"));
    // Half a packet is no sign of life of its own for ever.
    client.send(&[0xC0]);
    assert_eq!(
        client.expect_close_with_reason(),
        Some(ReasonCode::KeepAliveTimeout)
    );
    assert!(broker.ending_of("quiet").contains("Keep Alive timeout"));
}

/// This process needs one for every Client.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum it may be raised");
}
