//! Tokens as passwords.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dunlin_packet::ReasonCode;
use ring::hmac;
use serde_json::json;

use crate::client::{Client, Who};
use crate::folder::Folder;
use crate::server::Server;

const SECRET: &str = "not very secret";

fn token(claims: &serde_json::Value) -> String {
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
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

#[test]
fn the_connection_ends_with_its_token() {
    let server = server("");
    let claims = json!({"sub": "alice", "exp": in_seconds(2)});
    let mut alice = Client::connect(server.address, Who::user("alice", &token(&claims)));
    assert_eq!(alice.disconnected(), ReasonCode::MaximumConnectTime);
}
