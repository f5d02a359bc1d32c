//! `dunlin -c mosquitto.conf`.

use crate::server::{Directory, Server, dunlin};

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
