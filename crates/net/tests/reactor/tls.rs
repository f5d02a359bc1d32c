//! TLS, with rustls as the client. A client blocks, so it has a thread of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dunlin_net::{
    Carrier, ClientCertificates, ListenerOptions, Peer, ReactorConfig, TlsError, TlsServer,
    TlsSession, TlsVersion, WriteState,
};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::pki::{Authority, Identity, stream};
use crate::world::{LISTENER, World, pattern};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn serving(tls: &TlsServer) -> World {
    let options = ListenerOptions {
        tls: Some(tls.clone()),
        ..ListenerOptions::new(LISTENER)
    };
    World::serving(ReactorConfig::default(), options)
}

/// An authority, and a listener that asks for certificates as `clients` says.
fn set_up(clients: ClientCertificates) -> (Authority, TlsServer, World) {
    let authority = Authority::new();
    let settings = authority.settings(&authority.server(7), clients);
    let tls = TlsServer::load(settings).unwrap();
    let world = serving(&tls);
    (authority, tls, world)
}

/// Runs `body` with a client in a thread of its own.
fn client<T: Send + 'static>(
    world: &World,
    config: &Arc<ClientConfig>,
    body: impl FnOnce(Stream) -> T + Send + 'static,
) -> JoinHandle<T> {
    let config = Arc::clone(config);
    let socket = TcpStream::connect(world.address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    thread::spawn(move || body(stream(socket, &config)))
}

/// Turns until the thread has ended; gives what it came to.
fn join<T>(world: &mut World, thread: JoinHandle<T>) -> T {
    world.until("the client is done", |_| thread.is_finished());
    thread.join().unwrap()
}

/// A client that says hello and stays.
fn greet(mut stream: Stream) -> std::io::Result<Stream> {
    stream.write_all(b"hello")?;
    stream.flush()?;
    Ok(stream)
}

/// The peer of the last connection that got as far as MQTT.
fn last_peer(world: &World) -> &Peer {
    &world.heard.introduced.last().unwrap().1
}

#[test]
fn both_versions_carry_bytes_both_ways() {
    for (version, expected) in [
        (&rustls::version::TLS12, TlsVersion::V1_2),
        (&rustls::version::TLS13, TlsVersion::V1_3),
    ] {
        let (authority, _, mut world) = set_up(ClientCertificates::NotAsked);
        let config = authority.trusting(None, &[version]);
        let sent = pattern(300_000);
        let expected_there = sent.clone();
        let thread = client(&world, &config, move |mut stream| {
            stream.write_all(&pattern(300_000)).unwrap();
            let mut received = vec![0; 300_000];
            stream.read_exact(&mut received).unwrap();
            received
        });
        world.until("accepted", |world| !world.heard.accepted.is_empty());
        let id = world.heard.accepted[0].0;
        world.until_received(id, &expected_there);
        let mut taken = 0;
        world.until("written", |world| {
            let written = world.write(id, &sent[taken..]);
            taken += written.bytes;
            written.state == WriteState::Complete
        });
        assert!(join(&mut world, thread) == sent);
        let session = TlsSession {
            version: expected,
            certificate: None,
        };
        assert_eq!(last_peer(&world).tls, Some(session));
        assert_eq!(last_peer(&world).carrier, Carrier::Stream);
    }
}

#[test]
fn a_listener_still_serves_what_is_not_in_tls() {
    let (_authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    let (mut plain, id) = world.connect();
    plain.write_all(&[0x10, 0]).unwrap();
    world.until_received(id, &[0x10, 0]);
    assert_eq!(last_peer(&world).tls, None);
}

#[test]
fn websocket_works_in_tls() {
    let (authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let thread = client(&world, &config, |mut stream| {
        let request = "GET / HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n";
        let frame = [0x82, 0x82, 0, 0, 0, 0, b'h', b'i'];
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(&frame).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        response
    });
    world.until("received", |world| !world.heard.received.is_empty());
    let id = world.heard.accepted[0].0;
    world.until_received(id, b"hi");
    assert_eq!(last_peer(&world).carrier, Carrier::WebSocket);
    assert!(last_peer(&world).tls.is_some());
    assert_eq!(world.write(id, b"there").state, WriteState::Complete);
    world.reactor.close(id);
    let response = join(&mut world, thread);
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    assert!(
        response.ends_with(b"\x82\x05there\x88\x02\x03\xe8"),
        "{response:02x?}"
    );
}

#[test]
fn a_client_is_known_by_its_certificate() {
    for clients in [ClientCertificates::Optional, ClientCertificates::Required] {
        let (authority, _, mut world) = set_up(clients);
        let identity = authority.client("alice", 1);
        let config = authority.trusting(Some(&identity), rustls::ALL_VERSIONS);
        let thread = client(&world, &config, greet);
        world.until("introduced", |world| !world.heard.introduced.is_empty());
        let session = last_peer(&world).tls.clone().unwrap();
        assert_eq!(session.certificate.as_deref(), Some(&identity.der()[..]));
        join(&mut world, thread).unwrap();
    }
}

#[test]
fn without_a_certificate_only_some_listeners_let_in() {
    for (clients, is_let_in) in [
        (ClientCertificates::NotAsked, true),
        (ClientCertificates::Optional, true),
        (ClientCertificates::Required, false),
    ] {
        let (authority, _, mut world) = set_up(clients);
        let config = authority.trusting(None, rustls::ALL_VERSIONS);
        let thread = client(&world, &config, |stream| {
            let mut stream = greet(stream)?;
            stream.read(&mut [0])
        });
        if is_let_in {
            world.until("introduced", |world| !world.heard.introduced.is_empty());
            world.reactor.close(world.heard.accepted[0].0);
            assert_eq!(join(&mut world, thread).unwrap(), 0);
        } else {
            let error = join(&mut world, thread).unwrap_err().to_string();
            assert!(error.contains("CertificateRequired"), "{error}");
            let id = world.heard.accepted[0].0;
            let cause = world.until_closed(id);
            assert!(cause.contains("NoCertificatesPresented"), "{cause}");
            assert!(world.heard.introduced.is_empty());
        }
    }
}

#[test]
fn certificates_of_others_and_revoked_ones_are_refused() {
    let authority = Authority::new();
    let mut settings = authority.settings(&authority.server(7), ClientCertificates::Required);
    settings.revocations = Some(authority.revoke(13));
    let mut world = serving(&TlsServer::load(settings).unwrap());
    let stranger = Authority::new().client("mallory", 1);
    for (identity, fault) in [
        (stranger, "UnknownIssuer"),
        (authority.client("eve", 13), "Revoked"),
    ] {
        let config = authority.trusting(Some(&identity), rustls::ALL_VERSIONS);
        let before = world.heard.accepted.len();
        let thread = client(&world, &config, |stream| greet(stream)?.read(&mut [0]));
        assert!(join(&mut world, thread).is_err());
        let id = world.heard.accepted[before].0;
        let cause = world.until_closed(id);
        assert!(cause.contains(fault), "{cause}");
    }
    let good = authority.client("alice", 14);
    let config = authority.trusting(Some(&good), rustls::ALL_VERSIONS);
    let thread = client(&world, &config, greet);
    world.until("introduced", |world| !world.heard.introduced.is_empty());
    join(&mut world, thread).unwrap();
}

#[test]
fn certificates_of_version_1_are_judged_too() {
    let (authority, tls, mut world) = set_up(ClientCertificates::Required);
    let stranger = Authority::new();
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let mut attempt = |identity: Identity| {
            let config = authority.trusting(Some(&identity), versions);
            let before = world.heard.accepted.len();
            let thread = client(&world, &config, |stream| greet(stream)?.read(&mut [0]));
            world.until("accepted", |world| world.heard.accepted.len() > before);
            let id = world.heard.accepted[before].0;
            world.until("judged", |world| {
                world.heard.received.contains_key(&id) || world.heard.closing_of(id).is_some()
            });
            world.reactor.close(id);
            let _ = join(&mut world, thread);
            match world.heard.closing_of(id) {
                Some(cause) => Err(cause.to_owned()),
                None => Ok(last_peer(&world).tls.clone().unwrap().certificate),
            }
        };
        let alice = authority.client_version_1("alice", 2096);
        let der = alice.der();
        assert_eq!(attempt(alice).unwrap().as_deref(), Some(&der[..]));
        let mut refused = |identity, why: &str| {
            let cause = attempt(identity).unwrap_err();
            assert!(cause.contains(why), "{cause}");
        };
        refused(stranger.client_version_1("mallory", 2096), "UnknownIssuer");
        refused(authority.client_version_1("old", 2021), "Expired");
        let forged = authority
            .client_version_1("forged", 2096)
            .with_key_of_another();
        refused(forged, "BadSignature");
        let changed = authority.client_version_1("alicf", 2096).with_name("alice");
        refused(changed, "BadSignature");
    }
    // With a revocation list they are refused, as they are not looked up in it.
    let mut settings = authority.settings(&authority.server(7), ClientCertificates::Required);
    settings.revocations = Some(authority.revoke(13));
    tls.replace(settings).unwrap();
    let identity = authority.client_version_1("alice", 2096);
    let config = authority.trusting(Some(&identity), rustls::ALL_VERSIONS);
    let thread = client(&world, &config, |stream| greet(stream)?.read(&mut [0]));
    assert!(join(&mut world, thread).is_err());
}

#[test]
fn a_new_certificate_is_for_new_handshakes() {
    let (authority, tls, mut world) = set_up(ClientCertificates::NotAsked);
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let shown = |world: &mut World| {
        let thread = client(world, &config, greet);
        let stream = join(world, thread).unwrap();
        let shown = stream.conn.peer_certificates().unwrap()[0].clone();
        (stream, shown)
    };
    let (mut first, old) = shown(&mut world);

    let fresh = authority.server(8);
    let settings = authority.settings(&fresh, ClientCertificates::NotAsked);
    let changed = fs::File::options()
        .append(true)
        .open(&settings.key)
        .unwrap();
    changed
        .set_modified(std::time::SystemTime::now() + Duration::from_secs(5))
        .unwrap();
    assert!(tls.files_have_changed());
    tls.reload().unwrap();
    assert!(!tls.files_have_changed());
    let (_second, new) = shown(&mut world);
    assert_ne!(old, new);
    assert_eq!(new, fresh.der());

    // What was there before goes on.
    let id = world.heard.accepted[0].0;
    first.write_all(b" again").unwrap();
    world.until_received(id, b"hello again");

    // What is broken is not taken over.
    authority.write("server.key", "nonsense");
    assert!(matches!(tls.reload(), Err(TlsError::NotThere { .. })));
    let (_third, still) = shown(&mut world);
    assert_eq!(still, fresh.der());
}

#[test]
fn broken_files_are_named() {
    let authority = Authority::new();
    let other = authority.settings(&authority.server(1), ClientCertificates::NotAsked);
    let key_of_another = authority.folder().join("other.key");
    fs::copy(&other.key, &key_of_another).unwrap();
    let good = authority.settings(&authority.server(2), ClientCertificates::Required);
    let told = |settings| TlsServer::load(settings).unwrap_err().to_string();
    let mut settings = good.clone();
    settings.key = key_of_another;
    assert!(told(settings).contains("is not that of the certificate"));
    let mut settings = good.clone();
    settings.certificate = authority.folder().join("none.pem");
    assert!(told(settings).contains("none.pem"));
    let mut settings = good.clone();
    settings.authorities = None;
    assert!(told(settings).contains("no authority"));
    let mut settings = good.clone();
    settings.ciphers = vec!["RC4-MD5".into()];
    assert!(told(settings).contains("RC4-MD5"));
    let mut settings = good.clone();
    settings.key = authority.write(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n",
    );
    assert!(told(settings).contains("encrypted"));
    let mut settings = good.clone();
    settings.ciphers = vec!["TLS_AES_128_GCM_SHA256".into()];
    assert!(told(settings).contains("TLS_AES_128_GCM_SHA256"));
    let mut settings = good;
    settings.ciphers = vec!["ECDHE-ECDSA-AES128-GCM-SHA256".into()];
    settings.ciphers_tls13 = vec!["TLS_AES_128_GCM_SHA256".into()];
    assert!(TlsServer::load(settings).is_ok());
}

/// Passes bytes on to the world one at a time, and what comes back as it comes.
#[test]
fn a_handshake_may_come_in_single_bytes() {
    let (authority, tls, mut world) = set_up(ClientCertificates::NotAsked);
    // Whether the peer is an authority that asks this is not known before its first message is whole.
    let answer = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = answer.signing_key.serialize_der();
    tls.answer_challenge("localhost", answer.cert.der(), &key)
        .unwrap();
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let name = "localhost".try_into().unwrap();
    let mut tls = ClientConnection::new(config, name).unwrap();
    let (mut socket, id) = world.connect();
    tls.writer().write_all(b"hello").unwrap();
    socket.set_nonblocking(true).unwrap();
    world.until("hello", |world| {
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        for byte in out {
            socket.write_all(&[byte]).unwrap();
            world.settle();
        }
        if tls.read_tls(&mut socket).is_ok() {
            tls.process_new_packets().unwrap();
        }
        world.heard.bytes_of(id) == b"hello"
    });
}

/// The authority that issues certificates comes by the same port as everybody else.
#[test]
fn an_authority_is_shown_what_it_has_asked_for() {
    let (authority, tls, mut world) = set_up(ClientCertificates::Required);
    let answer = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (
        answer.cert.der().clone(),
        answer.signing_key.serialize_der(),
    );
    tls.answer_challenge("localhost", &certificate, &key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut asking = ClientConfig::clone(&authority.trusting(None, rustls::ALL_VERSIONS));
    asking.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    asking.dangerous().set_certificate_verifier(
        rustls::client::WebPkiServerVerifier::builder(roots.into())
            .build()
            .unwrap(),
    );
    let asking = Arc::new(asking);
    let see = |mut stream: Stream| {
        stream.flush()?;
        let shown = stream
            .conn
            .peer_certificates()
            .map(|chain| chain[0].clone());
        let agreed = stream.conn.alpn_protocol() == Some(b"acme-tls/1");
        // Nobody comes in by that way.
        let _ = stream.write_all(b"hello");
        let _ = stream.flush();
        let end = stream.read(&mut [0; 10]);
        std::io::Result::Ok((shown, agreed, end.is_ok_and(|count| count > 0)))
    };
    let thread = client(&world, &asking, see);
    let seen = join(&mut world, thread).unwrap();
    assert_eq!(seen, (Some(certificate), true, false));
    assert!(world.heard.introduced.is_empty());

    // Others are served as ever, in whatever parts they say what they want.
    let identity = authority.client("press-7", 9);
    let known = authority.trusting(Some(&identity), rustls::ALL_VERSIONS);
    let thread = client(&world, &known, greet);
    let _known = join(&mut world, thread).unwrap();
    world.until("hello", |world| !world.heard.introduced.is_empty());

    tls.end_challenge();
    let thread = client(&world, &asking, see);
    assert!(
        join(&mut world, thread).is_err(),
        "the name is not asked for any more"
    );
}

#[test]
fn a_connection_moves_within_a_record() {
    let (authority, tls, mut here) = set_up(ClientCertificates::NotAsked);
    let mut there = serving(&tls);
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let thread = client(&here, &config, greet);
    let Stream { mut conn, mut sock } = join(&mut here, thread).unwrap();
    let id = here.heard.accepted[0].0;
    here.until_received(id, b"hello");
    let mut record = Vec::new();
    conn.writer().write_all(b"in two halves").unwrap();
    conn.write_tls(&mut record).unwrap();
    let (start, end) = record.split_at(9);
    sock.write_all(start).unwrap();
    let before = here.reactor.counters().bytes_in;
    here.until("half", |here| {
        here.reactor.counters().bytes_in == before + 9
    });
    let transport = here.reactor.detach(id).unwrap();
    sock.write_all(end).unwrap();
    let moved = there.reactor.attach(transport).unwrap();
    there.until_received(moved, b"in two halves");
    assert_eq!(there.write(moved, b"yes").state, WriteState::Complete);
    let mut answer = [0; 3];
    Stream { conn, sock }.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"yes");
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    let (authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let thread = client(&world, &config, |stream| {
        let mut stream = greet(stream).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    world.until("accepted", |world| !world.heard.accepted.is_empty());
    let id = world.heard.accepted[0].0;
    world.until_received(id, b"hello");
    let sent = pattern(8_000_000);
    let mut taken = 0;
    world.until("all taken", |world| {
        let written = world.write(id, &sent[taken..]);
        taken += written.bytes;
        written.state == WriteState::Complete
    });
    // Whatever has not left yet leaves before the end.
    world.reactor.close(id);
    assert!(join(&mut world, thread) == sent);
}

#[test]
fn the_end_of_the_client_is_the_end_of_the_connection() {
    let (authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    let config = authority.trusting(None, rustls::ALL_VERSIONS);
    let thread = client(&world, &config, |stream| {
        let mut stream = greet(stream).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.read(&mut [0]).unwrap()
    });
    assert_eq!(join(&mut world, thread), 0);
    let id = world.heard.accepted[0].0;
    assert_eq!(world.until_closed(id), "ByPeer");
    assert_eq!(world.heard.bytes_of(id), b"hello");
}

#[test]
fn nonsense_is_answered_with_an_alert() {
    let (_authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    for nonsense in [
        &b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16nonsense of some length, which is no record at all",
    ] {
        let (mut socket, id) = world.connect();
        socket.write_all(nonsense).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let cause = world.until_closed(id);
        assert!(cause.starts_with("Layer(Tls("), "{cause}");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.first(), Some(&0x15), "{answer:02x?}");
    }
    assert!(world.heard.introduced.is_empty());
}

#[test]
fn a_listener_without_a_certificate_says_so() {
    let mut world = World::serving(ReactorConfig::default(), ListenerOptions::new(LISTENER));
    let (mut socket, id) = world.connect();
    socket.write_all(b"\x16\x03\x01").unwrap();
    assert_eq!(world.until_closed(id), "Layer(NotServed(Mqtts))");
}

#[test]
fn writing_before_the_handshake_is_over_does_nothing() {
    let (_authority, _, mut world) = set_up(ClientCertificates::NotAsked);
    let (mut socket, id) = world.connect();
    // A record with the beginning of a ClientHello.
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x01\x00\x03";
    socket.write_all(hello).unwrap();
    world.until("read", |world| world.reactor.counters().bytes_in == 10);
    let written = world.write(id, b"too soon");
    assert_eq!((written.bytes, written.state), (8, WriteState::Complete));
    world.reactor.close(id);
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{answer:02x?}");
}
