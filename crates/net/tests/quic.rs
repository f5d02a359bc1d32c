//! MQTT over QUIC with quinn as the client, and a reactor at the other end of the pipe.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "reactor/pki.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod pki;

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use dunlin_net::{
    Accepted, Admission, Carrier, ClientCertificates, Closed, ConnectionId, Handler, ListenerId,
    Peer, Reactor, ReactorConfig, TlsServer, Transport, quic,
};
use quinn::crypto::rustls::QuicClientConfig;

use pki::Authority;

/// Sends back what it gets, and ends when a `!` comes.
#[derive(Default)]
struct Echo {
    received: Vec<(ConnectionId, Vec<u8>)>,
    closed: usize,
}

impl Handler for Echo {
    fn accepted(&mut self, _: ConnectionId, _: &Accepted) {}
    fn received(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.received.push((connection, bytes.to_vec()));
    }
    fn writable(&mut self, _: ConnectionId) {}
    fn closed(&mut self, _: ConnectionId, _: &Closed) {
        self.closed += 1;
    }
    fn woken(&mut self) {}
}

/// A thread with a reactor that echoes, for one connection after the other.
fn echo(pipes: Receiver<Transport>) {
    std::thread::spawn(move || {
        let mut reactor = Reactor::new(ReactorConfig::default()).unwrap();
        let mut echo = Echo::default();
        while let Ok(pipe) = pipes.recv() {
            let id = reactor.attach(pipe).unwrap();
            let before = echo.closed;
            let mut over = false;
            while !over && echo.closed == before {
                let moment = Some(Duration::from_millis(20));
                reactor.turn(moment, &mut echo).unwrap();
                for (_, bytes) in echo.received.drain(..) {
                    over |= bytes.ends_with(b"!");
                    let written = reactor.write(id, &[IoSlice::new(&bytes)]);
                    assert_eq!(written.bytes, bytes.len());
                }
            }
            reactor.close(id);
        }
    });
}

fn set_up(authority: &Authority, clients: ClientCertificates) -> (SocketAddr, Receiver<Peer>) {
    let tls = TlsServer::load(authority.settings(&authority.server(1), clients)).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (pipes, echoed) = channel();
    let (peers, known) = channel();
    quic::serve(
        socket,
        ListenerId(3),
        tls,
        Admission::default(),
        move |pipe, peer| {
            peers.send(peer).unwrap();
            pipes.send(pipe).unwrap();
        },
    )
    .unwrap();
    echo(echoed);
    (address, known)
}

fn endpoint(config: Arc<rustls::ClientConfig>, alpn: &str) -> quinn::Endpoint {
    let mut config = (*config).clone();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let config = QuicClientConfig::try_from(config).unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
    endpoint
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let limit = Duration::from_secs(20);
    runtime.block_on(async { tokio::time::timeout(limit, future).await.unwrap() })
}

#[test]
fn a_stream_carries_bytes_both_ways_until_the_broker_ends_it() {
    let authority = Authority::new();
    let (address, peers) = set_up(&authority, ClientCertificates::Required);
    let alice = authority.client("alice", 2);
    let config = authority.trusting(Some(&alice), &[&rustls::version::TLS13]);
    run(async {
        let endpoint = endpoint(config, "mqtt");
        let connection = endpoint
            .connect(address, "localhost")
            .unwrap()
            .await
            .unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let sent: Vec<u8> = (0..50_000u32).map(|n| (n % 251) as u8).collect();
        for piece in sent.chunks(20_000) {
            send.write_all(piece).await.unwrap();
            let mut back = vec![0; piece.len()];
            receive.read_exact(&mut back).await.unwrap();
            assert_eq!(back, piece);
        }
        send.write_all(b"bye!").await.unwrap();
        assert_eq!(receive.read_to_end(100).await.unwrap(), b"bye!");
    });
    let peer = peers.recv().unwrap();
    assert_eq!(
        (peer.listener, peer.carrier),
        (ListenerId(3), Carrier::Quic)
    );
    assert_eq!(
        peer.tls.unwrap().certificate.as_deref(),
        Some(&alice.der()[..])
    );
}

#[test]
fn the_end_of_the_stream_is_the_end_of_the_connection() {
    let authority = Authority::new();
    let (address, _peers) = set_up(&authority, ClientCertificates::NotAsked);
    let config = authority.trusting(None, &[&rustls::version::TLS13]);
    run(async {
        let endpoint = endpoint(config, "mqtt");
        // One after the other: the second is served only when the first has ended.
        for _ in 0..2 {
            let connection = endpoint
                .connect(address, "localhost")
                .unwrap()
                .await
                .unwrap();
            let (mut send, mut receive) = connection.open_bi().await.unwrap();
            send.write_all(b"hello").await.unwrap();
            let mut back = [0; 5];
            receive.read_exact(&mut back).await.unwrap();
            send.finish().unwrap();
            assert_eq!(receive.read_to_end(100).await.unwrap(), b"");
        }
    });
}

#[test]
fn another_protocol_and_nobody_without_a_certificate_are_let_in() {
    let authority = Authority::new();
    let (address, peers) = set_up(&authority, ClientCertificates::Required);
    let versions = [&rustls::version::TLS13];
    let stranger = authority.trusting(None, &versions);
    let alice = authority.client("alice", 2);
    let alice = authority.trusting(Some(&alice), &versions);
    run(async {
        let wrong = endpoint(alice, "h3");
        assert!(wrong.connect(address, "localhost").unwrap().await.is_err());
        let stranger = endpoint(stranger, "mqtt");
        // The client learns only after its own handshake that it is refused.
        if let Ok(connection) = stranger.connect(address, "localhost").unwrap().await {
            connection.closed().await;
        }
    });
    assert!(peers.try_recv().is_err());
}
