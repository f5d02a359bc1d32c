//! Where nothing says who may come in, those on this machine do.

use std::io::{Read, Write};
use std::net::TcpStream;

use dunlin_packet::ReasonCode;

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

/// A listener that is told where Clients are.
const BEHIND_A_PROXY: &str = "proxy_protocol = true\n";

fn open(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What a Client is told that comes by a proxy with this header.
fn behind(server: &Server, header: &str) -> ReasonCode {
    let mut stream = open(server);
    write!(stream, "{header}\r\n").unwrap();
    let mut client = Client::over(stream, V5);
    client.send_connect(Who::client("c"));
    client.connack()
}

const HERE: &str = "PROXY TCP4 127.0.0.5 127.0.0.1 4000 1883";
const ELSEWHERE: &str = "PROXY TCP4 10.1.2.3 127.0.0.1 4000 1883";

#[test]
fn the_address_counts_and_the_log_says_what_to_do() {
    let server = Server::start(Folder::new(), BEHIND_A_PROXY);
    server.wait_for(&["WARN", "nothing says who may come in", "reverse proxy"]);
    let unknown = "PROXY UNKNOWN";
    for header in [HERE, "PROXY TCP6 ::1 ::1 4000 1883", unknown] {
        assert_eq!(behind(&server, header), ReasonCode::Success, "{header}");
    }
    assert_eq!(behind(&server, ELSEWHERE), ReasonCode::NotAuthorized);
    let line = server.wait_for(&["WARN", "10.1.2.3"]);
    assert!(line.contains("allow_anonymous"), "{line}");
    assert!(line.contains("password_file"), "{line}");
}

#[test]
fn what_is_written_counts_for_all() {
    let server = |said: &str| Server::start(Folder::new(), &format!("{said}\n{BEHIND_A_PROXY}"));
    let nobody = server("allow_anonymous = false");
    assert_eq!(behind(&nobody, HERE), ReasonCode::NotAuthorized);
    assert_eq!(behind(&nobody, ELSEWHERE), ReasonCode::NotAuthorized);
    let everybody = server("allow_anonymous = true");
    assert_eq!(behind(&everybody, HERE), ReasonCode::Success);
    assert_eq!(behind(&everybody, ELSEWHERE), ReasonCode::Success);
}

#[test]
fn a_reload_ends_what_only_trust_has_let_in() {
    let server = Server::start(Folder::new(), BEHIND_A_PROXY);
    let mut stream = open(&server);
    write!(stream, "{HERE}\r\n").unwrap();
    let mut client = Client::over(stream, V5);
    client.send_connect(Who::client("c"));
    assert_eq!(client.connack(), ReasonCode::Success);
    server.reload();
    assert_eq!(client.publish("a"), ReasonCode::NoMatchingSubscribers);
    let text = format!("allow_anonymous = false\n{BEHIND_A_PROXY}");
    server.folder.write("dunlin.toml", &text);
    server.reload();
    assert_eq!(client.disconnected(), ReasonCode::NotAuthorized);
}

/// The status of the answer to a WebSocket handshake.
fn handshake(server: &Server, before: &str, origin: Option<&str>) -> String {
    let mut stream = open(server);
    let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
    write!(
        stream,
        "{before}GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{origin}\r\n"
    )
    .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[test]
fn pages_of_other_machines_are_not_trusted() {
    let origins = [
        (None, "101"),
        (Some("http://localhost:8080"), "101"),
        (Some("https://127.0.0.1"), "101"),
        (Some("https://example.org"), "403"),
        (Some("http://localhost.example.org"), "403"),
        (Some("null"), "403"),
    ];
    let header = format!("{HERE}\r\n");
    let cases = [(BEHIND_A_PROXY, header.as_str()), ("", "")];
    for (config, before) in cases {
        let server = Server::start(Folder::new(), config);
        for (origin, status) in origins {
            assert_eq!(handshake(&server, before, origin), status, "{origin:?}");
        }
        let named = format!("origins = ['https://example.org']\n{config}");
        let server = Server::start(Folder::new(), &named);
        let allowed = Some("https://example.org");
        assert_eq!(handshake(&server, before, allowed), "101");
        assert_eq!(handshake(&server, before, Some("null")), "403");
    }
    let open = Server::start(Folder::new(), "allow_anonymous = true");
    assert_eq!(handshake(&open, "", Some("https://example.org")), "101");
}

#[test]
fn a_reload_that_takes_the_word_back_trusts_no_pages() {
    let server = Server::start(Folder::new(), "allow_anonymous = true");
    let page = Some("https://example.org");
    assert_eq!(handshake(&server, "", page), "101");
    server.folder.write("dunlin.toml", "");
    server.reload();
    assert_eq!(handshake(&server, "", page), "403");
    assert_eq!(handshake(&server, "", None), "101");
}
