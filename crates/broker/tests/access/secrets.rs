//! What is secret is in no log, however much is logged.

use std::process::Command;

use dunlin_packet::ReasonCode;

use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::Server;

/// Begins every secret here, and nothing else.
const MARK: &str = "hunter2";

fn config(folder: &Folder, version: u8) -> String {
    let control = folder.path("control").display().to_string();
    let passwords = folder.path("passwords").display().to_string();
    let log = folder.path("log").display().to_string();
    format!(
        "log.destinations = ['stderr', 'file:{log}']\npassword_file = '{passwords}'\ncontrol_socket = '{control}'\n\
         [auth.jwt]\nsecret = '{MARK}-key-{version}'\n\
         [auth.http]\nurl = 'http://127.0.0.1:9/'\nheaders = {{ Authorization = 'Bearer {MARK}-{version}' }}\n\
         [[bridge]]\nname = 'b'\naddresses = ['127.0.0.1:9']\nremote_user_name = 'u'\nremote_password = '{MARK}-{version}'\n\
         [[bridge.topic]]\npattern = 'a'\n"
    )
}

#[test]
fn nothing_that_is_secret_is_in_the_log() {
    let folder = Folder::new();
    folder.passwords("passwords", &[("anna", "hunter2-right", "argon2id")]);
    let text = config(&folder, 1);
    let server = Server::start(folder, &text);
    let right = Who::user("anna", "hunter2-right");
    Client::connect(server.address, right);
    let token = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.{MARK}");
    for (user, wrong) in [
        ("anna", "hunter2-wrong"),
        ("bob", "hunter2-bob"),
        ("jwt", &token),
    ] {
        let (_, reason) = Client::try_connect(server.address, Who::user(user, wrong));
        assert_ne!(reason, ReasonCode::Success, "{user}");
    }
    // A password that belongs to no packet.
    let mut broken = Client::open(server.address, V5);
    broken.send_connect(right);
    broken.send_connect(right);
    assert_eq!(broken.connack(), ReasonCode::Success);
    broken.disconnected();
    let path = server.folder.path("dunlin.toml").display().to_string();
    let asked = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args([
            "explain",
            "-rc",
            &path,
            "-u",
            "anna",
            "-P",
            "hunter2-asked",
            "connect",
        ])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&asked.stdout).contains("has shown a wrong password"));
    // Other secrets, and a file that is broken where one is.
    server
        .folder
        .write("dunlin.toml", &config(&server.folder, 2));
    server.reload();
    let broken = config(&server.folder, 3).replace("key-3'", "key-3' x");
    server.folder.write("dunlin.toml", &broken);
    server.signal("HUP");
    let line = server.wait_for(&["stays as it is"]);
    assert!(!line.contains(MARK), "{line}");
    let (_, folder) = server.stop();
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    assert!(
        log.contains("wrong password") && log.contains("stopped"),
        "{log}"
    );
    assert!(!log.contains(MARK), "{log}");
}
