//! `dunlin -c mosquitto.conf`.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::server::{Directory, PATIENCE, Server, dunlin};

#[test]
fn a_file_without_a_listener_opens_the_port_of_the_command_line() {
    let directory = Directory::new();
    directory.write("m.conf", "include_dir conf.d\npid_file m.pid\n");
    directory.write("conf.d/limits.conf", "max_packet_size 300\n");
    let server = Server::start(&directory, &["-c", "m.conf", "-p", "0"]);
    assert!(directory.path("m.pid").exists());
    server.tool(&["pub", "-t", "a", "-q", "1", "-m", &"x".repeat(200)]);
    assert!(server.tool_fails(&["pub", "-t", "a", "-q", "1", "-m", &"x".repeat(300)]));
    assert_eq!(server.terminate(), Some(0));
    assert!(!directory.path("m.pid").exists());
}

#[test]
fn check_tells_every_line_and_refuses_as_the_server_does() {
    let directory = Directory::new();
    directory.write(
        "m.conf",
        "# mine\nlistener 1883\nallow_anonymous true\nautosave_interval 60\nplugin x.so\n",
    );
    let check = dunlin(&directory, &["check", "m.conf"]);
    assert_eq!(check.status.code(), Some(1));
    let text = String::from_utf8(check.stdout).unwrap();
    let words: Vec<_> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(words, ["accepted", "accepted", "ignored", "refused", "the"]);
    let serve = dunlin(&directory, &["-c", "m.conf"]);
    assert_eq!(serve.status.code(), Some(1));
    let told = String::from_utf8(serve.stderr).unwrap();
    assert!(told.contains("m.conf:5: `plugin x.so`"), "{told}");
}

#[test]
fn what_import_writes_starts_the_same_server() {
    let directory = Directory::new();
    directory.write("m.conf", "max_packet_size 300\nlog_type all\n");
    let import = dunlin(&directory, &["import", "m.conf"]);
    assert!(import.status.success(), "{import:?}");
    let text = String::from_utf8(import.stdout).unwrap();
    directory.write("d.toml", &text.replace("127.0.0.1:1883", "127.0.0.1:0"));
    let check = dunlin(&directory, &["check", "d.toml"]);
    assert!(check.status.success(), "{check:?}");
    let server = Server::start(&directory, &["-c", "d.toml"]);
    server.tool(&["pub", "-t", "a", "-q", "1", "-m", &"x".repeat(200)]);
    assert!(server.tool_fails(&["pub", "-t", "a", "-q", "1", "-m", &"x".repeat(300)]));
}

#[test]
fn nothing_is_said_when_that_is_wanted() {
    let directory = Directory::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["-v", "-q", "-p", "0", "--pid-file"])
        .arg(directory.path("pid"))
        .env("STATE_DIRECTORY", directory.path("state"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    // What comes last before it serves, and takes signals.
    while !directory.path("pid").exists() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let output = child.wait_with_output().unwrap();
    assert_eq!((&*output.stdout, &*output.stderr), (&b""[..], &b""[..]));
}

#[test]
fn the_configuration_can_be_tested_alone() {
    let directory = Directory::new();
    directory.write("good.conf", "allow_anonymous true\n");
    directory.write("bad.conf", "allow_anonymous perhaps\n");
    let test = |file| {
        dunlin(&directory, &["-c", file, "--test-config"])
            .status
            .code()
    };
    assert_eq!(test("good.conf"), Some(0));
    assert_eq!(test("bad.conf"), Some(1));
}
