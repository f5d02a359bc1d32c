//! SCRAM-SHA-256 by AUTH packets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dunlin_packet::{Packet, Property, ReasonCode};
use ring::{digest, hmac, pbkdf2};

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::Server;

const METHOD: &str = "SCRAM-SHA-256";
const FIRST: &str = "n,,n=alice,r=a nonce";

fn server() -> Server {
    let folder = Folder::new();
    let users = [
        ("alice", "pencil", "scram-sha-256"),
        ("bob", "b", "scram-sha-256"),
    ];
    let passwords = folder.passwords("passwords", &users);
    Server::start(folder, &format!("password_file = '{passwords}'"))
}

/// What comes of a step: the Reason Code and the Authentication Data.
fn answer(client: &mut Client) -> (ReasonCode, Vec<u8>) {
    client.receive(|packet| {
        let (reason, properties) = match packet {
            Packet::ConnAck(connack) => (connack.reason, connack.properties),
            Packet::Auth(auth) => (auth.reason, auth.properties),
            Packet::Disconnect(disconnect) => (disconnect.reason, disconnect.properties),
            _ => return None,
        };
        let data = properties.authentication_data().unwrap_or_default();
        Some((reason, data.to_vec()))
    })
}

/// The Client's last message, and what the Server must say to it.
fn proof(password: &str, first: &str, challenge: &[u8]) -> (String, String) {
    let challenge = std::str::from_utf8(challenge).unwrap();
    let field = |name| challenge.split(',').find_map(|it| it.strip_prefix(name));
    let salt = STANDARD.decode(field("s=").unwrap()).unwrap();
    let rounds = field("i=").unwrap().parse().unwrap();
    let mut salted = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, rounds, &salt, password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text).as_ref().to_vec()
    };
    let client_key = mac(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, &client_key);
    let last = format!("c=biws,r={}", field("r=").unwrap());
    let all = format!("{},{challenge},{last}", &first[3..]);
    let signature = mac(stored.as_ref(), all.as_bytes());
    let proof: Vec<_> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    let server = mac(&mac(&salted, b"Server Key"), all.as_bytes());
    let last = format!("{last},p={}", STANDARD.encode(proof));
    (last, format!("v={}", STANDARD.encode(server)))
}

/// Connects with this password; gives the answer to the proof, and what it should be.
fn connect(server: &Server, password: &str) -> (Client, (ReasonCode, Vec<u8>), String) {
    let mut client = Client::open(server.address, V5);
    client.send_connect(Who {
        properties: &[
            Property::AuthenticationMethod(METHOD),
            Property::AuthenticationData(FIRST.as_bytes()),
        ],
        ..Who::client("a client")
    });
    let (reason, challenge) = answer(&mut client);
    assert_eq!(reason, ReasonCode::ContinueAuthentication);
    let (last, expected) = proof(password, FIRST, &challenge);
    client.auth(ReasonCode::ContinueAuthentication, METHOD, last.as_bytes());
    let answer = answer(&mut client);
    (client, answer, expected)
}

#[test]
fn a_proof_opens_the_connection_and_can_be_given_again() {
    let server = server();
    let (mut client, told, expected) = connect(&server, "pencil");
    assert_eq!(told, (ReasonCode::Success, expected.into_bytes()));
    server.wait_for(&["connected", "user_name=\"alice\""]);
    client.auth(ReasonCode::ReAuthenticate, METHOD, FIRST.as_bytes());
    let (reason, challenge) = answer(&mut client);
    assert_eq!(reason, ReasonCode::ContinueAuthentication);
    assert_eq!(
        client.publish("a"),
        ReasonCode::NoMatchingSubscribers,
        "all else goes on"
    );
    let (last, expected) = proof("pencil", FIRST, &challenge);
    client.auth(ReasonCode::ContinueAuthentication, METHOD, last.as_bytes());
    assert_eq!(
        answer(&mut client),
        (ReasonCode::Success, expected.into_bytes())
    );
    // Another user's proof is none.
    let bob = "n,,n=bob,r=another";
    client.auth(ReasonCode::ReAuthenticate, METHOD, bob.as_bytes());
    let (_, challenge) = answer(&mut client);
    let (last, _) = proof("b", bob, &challenge);
    client.auth(ReasonCode::ContinueAuthentication, METHOD, last.as_bytes());
    assert_eq!(answer(&mut client).0, ReasonCode::NotAuthorized);
}

#[test]
fn no_proof_no_connection() {
    let server = server();
    let (_, told, _) = connect(&server, "pen");
    assert_eq!(told.0, ReasonCode::NotAuthorized);
    let mut client = Client::open(server.address, V5);
    client.send_connect(Who {
        properties: &[Property::AuthenticationMethod("OTHER")],
        ..Who::client("a client")
    });
    assert_eq!(answer(&mut client).0, ReasonCode::BadAuthenticationMethod);
}

#[test]
fn the_same_users_may_show_their_password() {
    let server = server();
    Client::connect(server.address, Who::user("alice", "pencil"));
    let (_, reason) = Client::try_connect(server.address, Who::user("alice", "pen"));
    assert_eq!(reason, ReasonCode::NotAuthorized);
}
