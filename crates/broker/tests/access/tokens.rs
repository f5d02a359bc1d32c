//! Tokens as passwords.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dunlin_packet::ReasonCode;
use ring::hmac;
use serde_json::json;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

const SECRET: &str = "not very secret";

fn token(claims: &serde_json::Value) -> String {
    signed(&json!({"alg": "HS256"}), claims, SECRET)
}

fn signed(header: &serde_json::Value, claims: &serde_json::Value, secret: &str) -> String {
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn in_seconds(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() as i64 + seconds
}

fn server(more: &str) -> Server {
    let config = format!("[auth.jwt]\nsecret = '{SECRET}'\nleeway = 0\n{more}");
    Server::start(Folder::new(), &config)
}

#[test]
fn a_token_names_the_user_and_brings_its_rules() {
    let server = server("");
    let claims =
        json!({"sub": "alice", "exp": in_seconds(600), "acl": {"pub": ["a/%u"], "sub": ["b"]}});
    let mut alice = Client::connect(server.address, Who::user("jwt", &token(&claims)));
    assert_eq!(alice.publish("a/alice"), ReasonCode::NoMatchingSubscribers);
    assert_eq!(alice.publish("a/jwt"), ReasonCode::NotAuthorized);
    assert_eq!(alice.subscribe("b"), 0);
    assert_eq!(alice.subscribe("#"), ReasonCode::NotAuthorized as u8);
    server.wait_for(&["connected", "user_name=\"alice\""]);
    server.reload();
    assert_eq!(
        alice.publish("a/alice"),
        ReasonCode::NoMatchingSubscribers,
        "rules stay"
    );
    assert_eq!(alice.publish("x"), ReasonCode::NotAuthorized);
}

#[test]
fn wrong_tokens_are_refused() {
    let server = server("");
    let claims = json!({"sub": "alice", "exp": in_seconds(600)});
    let good = token(&claims);
    let expired = token(&json!({"sub": "alice", "exp": in_seconds(-1)}));
    let broken = format!("{}x", &good[..good.len() - 1]);
    for wrong in [&expired, &broken, "no token", ""] {
        let (_, reason) = Client::try_connect(server.address, Who::user("alice", wrong));
        assert_eq!(reason, ReasonCode::NotAuthorized, "{wrong}");
    }
    Client::connect(server.address, Who::user("alice", &good));
    let log = server.log_so_far();
    assert!(!log.contains(&good) && !log.contains(SECRET), "{log}");
}

/// A server that has a key set; what it answers can be changed.
struct KeyServer {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start(names: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, key_set(names))));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                let (status, text) = answers.lock().unwrap().clone();
                count.fetch_add(1, Ordering::SeqCst);
                let length = text.len();
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                let _ = (&stream).write_all(format!("{head}{text}").as_bytes());
            }
        });
        KeyServer { url, answer, asked }
    }

    fn answers(&self, status: u16, text: String) {
        *self.answer.lock().unwrap() = (status, text);
    }

    fn broker(&self, refresh: u64) -> Server {
        let config = format!(
            "[auth.jwt]\nkey_set = '{}'\nkey_set_refresh = {refresh}\n",
            self.url
        );
        Server::start(Folder::new(), &config)
    }
}

/// A set of secrets with these names; each is its own name.
fn key_set(names: &[&str]) -> String {
    let key = |name: &&str| json!({"kty": "oct", "kid": name, "k": URL_SAFE_NO_PAD.encode(name)});
    json!({"keys": names.iter().map(key).collect::<Vec<_>>()}).to_string()
}

fn shown(server: &Server, kid: &str) -> ReasonCode {
    let header = json!({"alg": "HS256", "kid": kid});
    let claims = json!({"sub": "alice", "exp": in_seconds(600)});
    let token = signed(&header, &claims, kid);
    Client::try_connect(server.address, Who::user("alice", &token)).1
}

#[test]
fn a_new_key_is_asked_for_when_it_is_named() {
    let keys = KeyServer::start(&["first"]);
    let server = keys.broker(3600);
    assert_eq!(shown(&server, "first"), ReasonCode::Success);
    keys.answers(200, key_set(&["first", "second"]));
    assert_eq!(shown(&server, "second"), ReasonCode::Success);
    assert_eq!(keys.asked.load(Ordering::SeqCst), 2);
    // Whoever makes up names does not have it asked each time.
    for name in ["third", "fourth", "fifth"] {
        assert_eq!(shown(&server, name), ReasonCode::NotAuthorized);
    }
    assert_eq!(keys.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_key_set_is_renewed_in_time_and_kept_if_it_cannot_be() {
    let keys = KeyServer::start(&["first"]);
    let server = keys.broker(1);
    let asked_again = || {
        let before = keys.asked.load(Ordering::SeqCst);
        let deadline = Instant::now() + PATIENCE;
        while keys.asked.load(Ordering::SeqCst) == before {
            assert!(Instant::now() < deadline, "the server is not asked again");
            assert_eq!(shown(&server, "first"), ReasonCode::Success);
        }
        shown(&server, "first")
    };
    keys.answers(500, String::new());
    assert_eq!(asked_again(), ReasonCode::Success);
    keys.answers(200, "nonsense".to_owned());
    assert_eq!(asked_again(), ReasonCode::Success);
    keys.answers(200, key_set(&["second"]));
    let deadline = Instant::now() + PATIENCE;
    while shown(&server, "first") == ReasonCode::Success {
        assert!(Instant::now() < deadline, "a key that is gone still counts");
    }
    assert_eq!(shown(&server, "second"), ReasonCode::Success);
}

#[test]
fn the_connection_ends_with_its_token() {
    let server = server("");
    let claims = json!({"sub": "alice", "exp": in_seconds(2)});
    let mut alice = Client::connect(server.address, Who::user("alice", &token(&claims)));
    assert_eq!(alice.disconnected(), ReasonCode::MaximumConnectTime);
}
