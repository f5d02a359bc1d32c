//! Clients that get no further than TLS or WebSocket, and certificates that change under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::broker::{Broker, PATIENCE};
use crate::client::WellBehaved;

/// CONNECT of 3.1.1 without a Client Identifier, and the CONNACK that lets it in.
const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

/// PUBLISH at QoS 1 with Packet Identifier 7, and its PUBACK.
const PUBLISH: &[u8] = b"\x32\x0a\x00\x04swap\x00\x07hi";
const PUBACK: &[u8] = b"\x40\x02\x00\x07";

/// Files that `dunlin tls` has made.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("{name}-{}", std::process::id()));
        let authority = Self { folder };
        authority.make_certificate();
        authority
    }

    /// Makes another certificate for the server.
    fn make_certificate(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
        let command = command.args(["tls", "init"]).arg(&self.folder);
        let status = command.stdout(Stdio::null()).status();
        assert!(status.expect("dunlin runs").success());
    }

    /// Lines of a configuration that has the broker use them.
    fn keys(&self) -> String {
        let file = |name: &str| self.folder.join(name);
        let (certificate, key) = (file("server.pem"), file("server.key"));
        format!("tls.certfile = {certificate:?}\ntls.keyfile = {key:?}\n")
    }

    fn trusting(&self) -> Arc<ClientConfig> {
        let file = self.folder.join("ca.pem");
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(file).expect("a certificate");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_root_certificates(roots);
        Arc::new(builder.with_no_client_auth())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

fn open(broker: &Broker) -> TcpStream {
    let stream = TcpStream::connect(broker.address).expect("the broker accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// A Client in TLS that has been let in.
fn connect(
    broker: &Broker,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut stream = StreamOwned::new(client(config), open(broker));
    stream.write_all(CONNECT).expect("the broker reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(answer, CONNACK);
    stream
}

/// What a Client sends first.
fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(config).write_tls(&mut bytes).expect("into memory");
    bytes
}

#[test]
fn whoever_gets_no_further_than_a_layer_is_closed_in_time() {
    let authority = Authority::new("halves");
    let limits = "shards = 1\n[limits]\nconnect_timeout = 1\n";
    let broker = Broker::start(&format!("{}{limits}", authority.keys()));
    let mut others = WellBehaved::start(&broker);
    let hello = client_hello(&authority.trusting());
    let request = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n";
    let beginnings = [
        &hello[..1],
        &hello[..5],
        &hello[..100],
        &hello[..],
        &request[..1],
        &request[..60],
        &request[..],
        &[&request[..], b"\x82\xfe\x7f\xff"].concat(),
        &[&request[..], b"\x82\xfe\x7f\xff\0\0\0\0\x10\x0c"].concat(),
    ];
    let begin = Instant::now();
    let mut silent: Vec<TcpStream> = beginnings
        .iter()
        .map(|bytes| {
            let mut stream = open(&broker);
            stream.write_all(bytes).expect("the broker reads");
            stream
        })
        .collect();
    others.exchange();
    for stream in &mut silent {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("closed in order");
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900), "closed after {took:?}");
    broker.wait_for_count(beginnings.len(), &["no CONNECT in time"]);
    others.exchange();
}

#[test]
fn a_flood_of_handshakes_is_borne() {
    const FLOOD: usize = 2000;
    let authority = Authority::new("flood");
    let limits = "[limits]\nconnect_timeout = 2\n";
    let broker = Broker::start_quiet(&format!("{}{limits}", authority.keys()));
    let mut others = WellBehaved::start(&broker);
    let config = authority.trusting();
    let mut flood = Vec::with_capacity(FLOOD);
    for n in 0..FLOOD {
        let mut stream = open(&broker);
        let hello = client_hello(&config);
        stream.write_all(&hello).expect("the broker reads");
        flood.push(stream);
        if n % 100 == 0 {
            others.exchange();
        }
    }
    others.exchange();
    connect(&broker, &config);
    for stream in &mut flood {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("closed in order");
        assert_eq!(answer.first(), Some(&0x16), "a handshake was begun");
    }
    others.exchange();
    broker.assert_memory_below(100 << 20);
}

#[test]
fn a_flood_of_nonsense_in_tls_is_borne() {
    const FLOOD: usize = 2000;
    let authority = Authority::new("nonsense");
    let limits = "[limits]\nconnect_timeout = 2\n";
    let broker = Broker::start_quiet(&format!("{}{limits}", authority.keys()));
    let mut others = WellBehaved::start(&broker);
    let config = authority.trusting();
    let hello = client_hello(&config);
    let mut flood = Vec::with_capacity(FLOOD);
    for n in 0..FLOOD {
        let mut sent = match n % 4 {
            // A record of the handshake with something else in it.
            0 => [&b"\x16\x03\x01\x00\x40"[..], &[n as u8; 64]].concat(),
            // One that is longer than any may be.
            1 => b"\x16\x03\x01\xff\xff".to_vec(),
            // A hello of which a byte is wrong, and one with something behind it that is not encrypted.
            2 => hello.clone(),
            _ => [&hello[..], b"\x17\x03\x03\x00\x10nonsensenonsense"].concat(),
        };
        if n % 4 == 2 {
            sent[5 + n % 40] ^= 0x55;
        }
        let mut stream = open(&broker);
        stream.write_all(&sent).expect("the broker reads");
        flood.push(stream);
        if n % 100 == 0 {
            others.exchange();
        }
    }
    connect(&broker, &config);
    for stream in &mut flood {
        // Closed in order, or reset, as not all was read.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    others.exchange();
    broker.assert_memory_below(100 << 20);
}

#[test]
fn certificates_are_exchanged_under_load_without_losing_a_connection() {
    const CLIENTS: usize = 8;
    const EXCHANGES: usize = 5;
    let authority = Authority::new("swap");
    let broker = Broker::start(&authority.keys());
    let config = authority.trusting();
    let (stop, published) = (AtomicBool::new(false), AtomicUsize::new(0));
    let shown = |config| {
        let stream = connect(&broker, config);
        let chain = stream.conn.peer_certificates().expect("it has shown one");
        chain[0].to_vec()
    };
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut stream = connect(&broker, &config);
            let (stop, published) = (&stop, &published);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(PUBLISH).expect("it stays open");
                    let mut answer = [0; 4];
                    stream.read_exact(&mut answer).expect("it stays open");
                    assert_eq!(answer, PUBACK);
                    published.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut last = shown(&config);
        for n in 1..=EXCHANGES {
            authority.make_certificate();
            broker.hang_up();
            broker.wait_for_count(n, &["certificates read again"]);
            let now = shown(&config);
            assert_ne!(now, last, "the new one is shown");
            last = now;
            let before = published.load(Ordering::Relaxed);
            while published.load(Ordering::Relaxed) < before + CLIENTS {
                thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
