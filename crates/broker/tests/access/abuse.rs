//! Clients that guess.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use dunlin_packet::ReasonCode;

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

#[test]
fn guessing_becomes_slow_and_harms_nobody_else() {
    let folder = Folder::new();
    let users = [("anna", "right", "argon2id"), ("sven", "right", "sha512")];
    let passwords = folder.passwords("passwords", &users);
    let server = Server::start(folder, &format!("password_file = '{passwords}'"));
    Client::connect(server.address, Who::user("anna", "right"));
    // Each is answered later than the one before: the sixth after more than a second.
    let start = Instant::now();
    for _ in 0..4 {
        let (_, reason) = Client::try_connect(server.address, Who::user("sven", "wrong"));
        assert_eq!(reason, ReasonCode::NotAuthorized);
    }
    assert!(
        start.elapsed() > Duration::from_millis(1400),
        "{:?}",
        start.elapsed()
    );
    let mut guesses: Vec<_> = (0..200)
        .map(|_| {
            let mut client = Client::open(server.address, V5);
            client.send_connect(Who::user("anna", "wrong"));
            client
        })
        .collect();
    // Whoever was right before is let in at once.
    Client::connect(server.address, Who::user("anna", "right"));
    let refused = guesses.iter_mut().map(Client::connack);
    let busy = refused
        .filter(|reason| *reason == ReasonCode::ServerBusy)
        .count();
    assert!(
        busy > 100,
        "{busy} of 200 are turned away without being looked at"
    );
}

#[test]
fn slowness_is_for_those_who_guess_and_can_be_turned_off() {
    let folder = Folder::new();
    let passwords = folder.passwords("passwords", &[("anna", "right", "argon2id")]);
    let config = format!("password_file = '{passwords}'\n");
    let server = Server::start(folder, &config);
    let guess = || {
        let (_, reason) = Client::try_connect(server.address, Who::user("anna", "wrong"));
        assert_eq!(reason, ReasonCode::NotAuthorized);
    };
    guess();
    guess();
    server.wait_for(&[
        "WARN",
        "127.0.0.1",
        "wrong credentials come again and again",
    ]);
    Client::connect(server.address, Who::user("anna", "right"));
    let off = format!("{config}[limits]\nlogin_delay = 0\n");
    server.folder.write("dunlin.toml", &off);
    server.reload();
    let start = Instant::now();
    (0..40).for_each(|_| guess());
    // Each of the last would take 4 s.
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// How many guesses there are; `DUNLIN_WRONG_PASSWORDS=100000` is for those who have two minutes.
fn guesses() -> u32 {
    let wanted = std::env::var("DUNLIN_WRONG_PASSWORDS");
    wanted.map_or(5_000, |count| count.parse().expect("a number"))
}

/// Guesses that are under way at the same time.
const UNDER_WAY: usize = 200;

/// A connection by a proxy, which says that the Client is at this address.
fn from(server: &Server, address: Ipv4Addr) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever goes away here is gone at once, so that there are ports for all.
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    write!(stream, "PROXY TCP4 {address} 127.0.0.1 4000 1883\r\n").unwrap();
    stream
}

fn guess(server: &Server, address: Ipv4Addr, who: Who<'_>) -> Client {
    let mut client = Client::over(from(server, address), V5);
    client.send_connect(who);
    client
}

/// Half of them come from ever new addresses, and are answered; the other half from a few, for a
/// password whose hash takes its time, and most of these go away before they are.
#[test]
fn very_many_wrong_passwords_let_nobody_in_and_harm_nobody() {
    let count = guesses();
    let folder = Folder::new();
    let users = [
        ("anna", "right", "argon2id"),
        ("paul", "right", "argon2id"),
        ("sven", "right", "sha512"),
    ];
    let passwords = folder.passwords("passwords", &users);
    let config = format!("proxy_protocol = true\npassword_file = '{passwords}'");
    let server = Server::start(folder, &config);
    let home = Ipv4Addr::new(198, 51, 100, 1);
    let right = |user| {
        let mut client = guess(&server, home, Who::user(user, "right"));
        assert_eq!(client.connack(), ReasonCode::Success, "{user}");
        client
    };
    let mut reader = right("anna");
    reader.subscribe("#");
    let before = server.resident_kib();
    let mut under_way = VecDeque::new();
    for n in 0..count {
        let new = Ipv4Addr::from_bits(0x0a00_0000 + n);
        let reason = guess(&server, new, Who::user("sven", "wrong")).connack();
        assert_eq!(reason, ReasonCode::NotAuthorized);
        let one_of_few = Ipv4Addr::new(192, 0, 2, (n % 10) as u8);
        under_way.push_back(guess(&server, one_of_few, Who::user("anna", "wrong")));
        if under_way.len() > UNDER_WAY {
            under_way.pop_front();
        }
        // Somebody whose password has never been seen gets a turn among all these.
        if n == count / 2 {
            right("paul");
        }
        if n % 500 == 0 {
            let mut writer = right("sven");
            assert_eq!(writer.publish("a"), ReasonCode::Success);
            assert_eq!(reader.next_topic(), "a");
        }
    }
    for guess in &mut under_way {
        let reason = guess.connack();
        let refused = [ReasonCode::NotAuthorized, ReasonCode::ServerBusy];
        assert!(refused.contains(&reason), "{reason:?}");
    }
    let after = server.resident_kib();
    assert!(
        after < before + 64 * 1024,
        "{before} KiB became {after} KiB"
    );
    let log = server.log_so_far();
    assert!(
        !log.contains("wrong\"") && !log.contains("right"),
        "a password is in the log"
    );
}
