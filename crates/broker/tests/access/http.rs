//! A server that is asked about Clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dunlin_packet::ReasonCode;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

/// A server that answers each question as `answer` says; gives its URL and how often it was asked.
fn web(
    answer: impl Fn(&serde_json::Value) -> (u16, String) + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                let header = line.to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                continue;
            }
            count.fetch_add(1, Ordering::SeqCst);
            let (status, text) = answer(&serde_json::from_slice(&body).unwrap());
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                text.len()
            );
            let _ = (&stream).write_all(format!("{head}{text}").as_bytes());
        }
    });
    (url, asked)
}

fn reason(server: &Server, who: Who<'_>) -> ReasonCode {
    Client::try_connect(server.address, who).1
}

#[test]
fn it_says_yes_and_no_and_who_may_do_what() {
    let (url, _) = web(|question| match question["password"].as_str() {
        Some("right") => {
            let user = question["user_name"].as_str().unwrap();
            let answer = format!(r#"{{"result": "allow", "acl": {{"publish": ["{user}/#"]}}}}"#);
            (200, answer)
        }
        _ => (403, String::new()),
    });
    let server = Server::start(Folder::new(), &format!("[auth.http]\nurl = '{url}'"));
    let mut alice = Client::connect(server.address, Who::user("alice", "right"));
    assert_eq!(alice.publish("alice/a"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(alice.publish("bob/a"), ReasonCode::NotAuthorized);
    assert_eq!(
        reason(&server, Who::user("alice", "wrong")),
        ReasonCode::NotAuthorized
    );
}

#[test]
fn answers_are_kept_as_long_as_they_hold() {
    let (url, asked) = web(|_| (204, String::new()));
    let config = format!("[auth.http]\nurl = '{url}'\ncache = 600");
    let server = Server::start(Folder::new(), &config);
    for _ in 0..5 {
        assert_eq!(
            reason(&server, Who::user("alice", "a")),
            ReasonCode::Success
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        reason(&server, Who::user("alice", "b")),
        ReasonCode::Success
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2, "another password");
}

#[test]
fn a_server_that_fails_is_left_alone() {
    let (url, asked) = web(|_| (500, String::new()));
    let server = Server::start(Folder::new(), &format!("[auth.http]\nurl = '{url}'"));
    for _ in 0..10 {
        let reason = reason(&server, Who::user("alice", "a"));
        assert_eq!(reason, ReasonCode::ServerUnavailable);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

#[test]
fn a_server_that_is_not_there_holds_up_nobody() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    // It accepts and never answers.
    let config = format!("allow_anonymous = true\n[auth.http]\nurl = '{url}'\ntimeout = 1");
    let server = Server::start(Folder::new(), &config);
    let mut waiting = Client::open(server.address, crate::client::V5);
    waiting.send_connect(Who::user("alice", "a"));
    assert_eq!(waiting.connack(), ReasonCode::ServerUnavailable);
    drop(gone);
}
