//! Where connections come from: through a Unix socket, or through a proxy.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use dunlin_net::{
    Address, ListenError, ListenerId, ListenerOptions, Protocol, Protocols, Proxies, ReactorConfig,
    WriteState, bind_unix,
};

use crate::world::{LISTENER, World};

fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dunlin-{}-{name}", std::process::id()))
}

#[test]
fn a_unix_socket_carries_bytes_both_ways() {
    let path = socket_path("both-ways");
    let listener = bind_unix(&path, 0o600, 16).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut world = World::default();
    let options = ListenerOptions::new(LISTENER);
    world.reactor.listen(listener, options.into()).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"\x10hello").unwrap();
    world.until("received", |world| !world.heard.received.is_empty());
    let (id, accepted) = world.heard.accepted[0].clone();
    assert_eq!(
        (accepted.peer, accepted.local),
        (Address::Local, Address::Local)
    );
    assert!(accepted.peer.is_loopback());
    assert_eq!(world.heard.bytes_of(id), b"\x10hello");
    assert_eq!(world.write(id, b"there").state, WriteState::Complete);
    world.reactor.close(id);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "there");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_unix_socket_of_a_process_that_has_ended_is_replaced() {
    let path = socket_path("replaced");
    drop(bind_unix(&path, 0o600, 16).unwrap());
    let listener = bind_unix(&path, 0o600, 16).unwrap();
    let error = bind_unix(&path, 0o600, 16).unwrap_err();
    assert!(matches!(error, ListenError::AddressInUse { .. }), "{error}");
    drop(listener);
    fs::remove_file(&path).unwrap();
    // But not any other file.
    fs::write(&path, "mine").unwrap();
    assert!(bind_unix(&path, 0o600, 16).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
}

fn behind_a_proxy(protocols: Protocols) -> World {
    let options = ListenerOptions {
        protocols,
        proxies: Proxies::Always,
        ..ListenerOptions::new(ListenerId(7))
    };
    World::serving(ReactorConfig::default(), options)
}

#[test]
fn a_proxy_says_who_is_behind_it() {
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 1883\r\n";
    for protocols in [Protocols::ALL, Protocols::of(&[Protocol::Mqtt])] {
        for size in [1, 10, 1000] {
            let mut world = behind_a_proxy(protocols);
            let (mut client, id) = world.connect();
            let bytes = [&header[..], b"\x10hello"].concat();
            for piece in bytes.chunks(size) {
                client.write_all(piece).unwrap();
                world.settle();
            }
            world.until_received(id, b"\x10hello");
            let peer = &world.heard.introduced[0].1;
            assert_eq!(peer.address.to_string(), "192.0.2.7:50000");
            assert_eq!(peer.local.to_string(), "198.51.100.1:1883");
            assert_eq!(peer.proxy, Some(client.local_addr().unwrap().into()));
            assert_eq!(world.write(id, b"there").state, WriteState::Complete);
        }
    }
}

#[test]
fn whoever_comes_round_the_proxy_is_closed() {
    let mut world = behind_a_proxy(Protocols::ALL);
    let (mut client, id) = world.connect();
    client.write_all(b"\x10\x0c\x00\x04MQTT").unwrap();
    assert_eq!(world.until_closed(id), "Layer(Proxy(Missing))");
    assert!(world.heard.introduced.is_empty());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}
