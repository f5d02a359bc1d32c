//! What a listener serves is changed while Clients are there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dunlin_packet::ReasonCode;

use crate::authority::Authority;
use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

#[test]
fn a_reload_changes_tls_for_those_who_come_later() {
    let authority = Authority::new();
    let folder = Folder::new();
    let server = Server::start(folder, "allow_anonymous = true\n");
    let mut plain = Client::connect(server.address, Who::client("plain"));
    assert!(authority.shown_by(&server).is_err(), "there is no TLS yet");

    let own = authority.issue("broker", "localhost");
    let files = authority.write_server(&server.folder, &own);
    let config = format!("allow_anonymous = true\n[tls]\n{files}");
    server.folder.write("dunlin.toml", &config);
    server.reload();
    server.wait_for(&["reloaded: tls.certfile"]);
    assert_eq!(authority.shown_by(&server).unwrap(), *own.0.der());

    let cafile = authority.write_own(&server.folder);
    let config = format!("{config}{cafile}require_certificate = true\n");
    let config = format!("protocols = ['mqtts']\n{config}");
    server.folder.write("dunlin.toml", &config);
    server.reload();
    server.wait_for(&["reloaded: tls.require_certificate"]);
    let mut known = authority.connect(&server, authority.issue("press-7", "x"));
    known.send_connect(Who::client("known"));
    assert_eq!(known.connack(), ReasonCode::Success);
    let mut late = Client::open(server.address, V5);
    late.send_connect(Who::client("late"));
    assert_eq!(late.try_connack(), None, "not without TLS any more");
    // Whoever was there is there still.
    assert_eq!(plain.publish("x"), ReasonCode::NoMatchingSubscribers);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let authority = Authority::new();
    let folder = Folder::new();
    let own = authority.issue("broker", "localhost");
    let files = authority.write_server(&folder, &own);
    let server = Server::start(folder, &format!("[tls]\n{files}"));
    let broken = server.folder.write("broken.pem", "nonsense");
    let config = format!(
        "max_qos = 1\n[limits]\npacket_size = 200\n[tls]\ncertfile = '{broken}'\nkeyfile = '{broken}'\n"
    );
    server.folder.write("dunlin.toml", &config);
    server.signal("HUP");
    let line = server.wait_for(&["stays as it is"]);
    assert!(line.contains("broken.pem"), "{line}");
    assert_eq!(authority.shown_by(&server).unwrap(), *own.0.der());
    let mut client = Client::connect(server.address, Who::client("a"));
    let long = "x".repeat(300);
    assert_eq!(client.publish(&long), ReasonCode::NoMatchingSubscribers);
}

#[test]
fn a_reload_changes_origins_and_the_proxy_protocol() {
    let server = Server::start(Folder::new(), "allow_anonymous = true\n");
    let upgrade = |head: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{head}GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nOrigin: https://example.org\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        match stream.read_exact(&mut answer) {
            Ok(()) => String::from_utf8(answer.to_vec()).unwrap(),
            Err(_) => "nothing".to_owned(),
        }
    };
    assert_eq!(upgrade(""), "HTTP/1.1 101");
    let strict = "allow_anonymous = true\norigins = ['https://example.com']\n";
    server.folder.write("dunlin.toml", strict);
    server.reload();
    server.wait_for(&["reloaded: origins"]);
    assert_eq!(upgrade(""), "HTTP/1.1 403");
    let behind = "allow_anonymous = true\nproxy_protocol = true\n";
    server.folder.write("dunlin.toml", behind);
    server.reload();
    server.wait_for(&["reloaded: origins"]);
    assert_eq!(upgrade(""), "nothing", "a header is missing");
    assert_eq!(
        upgrade("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
        "HTTP/1.1 101"
    );
}

#[test]
fn the_end_of_a_certificate_is_told() {
    let authority = Authority::new();
    let folder = Folder::new();
    let soon = authority.issue_for(Duration::from_secs(10 * 86_400 + 3600));
    let files = authority.write_server(&folder, &soon);
    let config = format!("sys_interval = '100ms'\n[tls]\n{files}");
    let server = Server::start(folder, &config);
    server.wait_for(&["WARN", "the certificate expires soon", "days=10"]);
    let mut client = Client::connect(server.address, Who::client("a"));
    client.subscribe("$SYS/broker/listeners/+/certificate/days");
    assert_eq!(
        client.next_message(),
        (
            "$SYS/broker/listeners/127.0.0.1:0/certificate/days".to_owned(),
            "10".to_owned()
        )
    );
    authority.write_server(&server.folder, &authority.issue_for(Duration::ZERO));
    server.reload();
    server.wait_for(&["ERROR", "the certificate has expired"]);
    assert_eq!(client.next_message().1, "0");
}
