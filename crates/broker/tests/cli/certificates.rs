//! `dunlin tls`: what it makes can be used, and is not lost by making it again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{Broker, dunlin};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dunlin-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tls(arguments: &[&str], folder: &Path) -> Output {
    let mut command: Command = dunlin();
    let output = command.arg("tls").args(arguments).arg(folder).output();
    output.expect("dunlin runs")
}

#[test]
fn an_authority_is_made_once_and_certificates_again() {
    let folder = Folder::new("tls-init");
    let path = |name: &str| folder.0.join(name);
    let first = tls(&["init"], &folder.0);
    assert!(first.status.success(), "{first:?}");
    let told = String::from_utf8(first.stdout).expect("text");
    assert!(told.contains("mosquitto_sub --cafile"), "{told}");
    let read = |name: &str| fs::read_to_string(path(name)).expect(name);
    let (authority, server) = (read("ca.pem"), read("server.pem"));
    let again = tls(&["init", "--name", "broker.example.org"], &folder.0);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(read("ca.pem"), authority);
    assert_ne!(read("server.pem"), server);
    assert!(tls(&["client", "alice"], &folder.0).status.success());
    for key in ["ca.key", "server.key", "alice.key"] {
        let mode = fs::metadata(path(key)).expect(key).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn a_client_needs_an_authority_and_a_name_that_is_free() {
    let folder = Folder::new("tls-client");
    let refused = tls(&["client", "alice"], &folder.0);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("dunlin tls init"));
    assert!(tls(&["init"], &folder.0).status.success());
    for name in ["ca", "server", "../alice", ""] {
        assert!(
            !tls(&["client", name], &folder.0).status.success(),
            "{name}"
        );
    }
}

#[test]
fn the_broker_starts_with_what_was_made() {
    let folder = Folder::new("tls-start");
    assert!(tls(&["init"], &folder.0).status.success());
    let file = |name: &str| folder.0.join(name).display().to_string();
    let flags = [
        format!("--tls-certfile={}", file("server.pem")),
        format!("--tls-keyfile={}", file("server.key")),
        format!("--tls-cafile={}", file("ca.pem")),
        "--tls-require-certificate".to_owned(),
    ];
    let broker = Broker::start_with(0, &flags);
    assert_ne!(broker.port, 0);
}
