//! SIGHUP and `dunlin reload`.

use crate::server::{Directory, Server, dunlin};

#[test]
fn what_has_changed_counts_and_what_needs_a_restart_is_told() {
    let directory = Directory::new();
    let text = "listen = ['127.0.0.1:0']\npid_file = 'pid'\n";
    directory.write("d.toml", text);
    let server = Server::start(&directory, &["-c", "d.toml"]);
    directory.write(
        "d.toml",
        &format!("{text}shards = 1\n[limits]\npacket_size = 200\n"),
    );
    let reload = dunlin(&directory, &["reload", "-c", "d.toml"]);
    assert!(reload.status.success(), "{reload:?}");
    let line = server.logs("shards");
    assert!(line.contains("needs a restart"), "{line}");
    server.logs("reloaded: limits.packet_size: \"1MiB\" -> \"200B\"");
    let refused = server.tool_fails(&[
        "pub",
        "-V",
        "5",
        "-t",
        "a",
        "-q",
        "1",
        "-m",
        &"x".repeat(300),
    ]);
    assert!(refused, "a packet beyond the new limit was accepted");
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let directory = Directory::new();
    let text = "listen = ['127.0.0.1:0']\npid_file = 'pid'\n[limits]\n";
    directory.write("d.toml", text);
    let server = Server::start(&directory, &["-c", "d.toml"]);
    directory.write("d.toml", &format!("{text}packet_size = 200\nsesions = 7\n"));
    // With the file, the command itself says what is wrong; without it, the server does.
    let reload = dunlin(&directory, &["reload", "-c", "d.toml"]);
    assert!(!reload.status.success());
    let told = String::from_utf8(reload.stderr).unwrap();
    assert!(
        told.contains("d.toml:5") && told.contains("limits.sessions"),
        "{told}"
    );
    assert!(
        dunlin(&directory, &["reload", "--pid-file", "pid"])
            .status
            .success()
    );
    server.logs("stays as it is");
    server.tool(&["pub", "-t", "a", "-q", "1", "-m", &"x".repeat(300)]);
}

#[test]
fn a_log_file_that_was_moved_away_is_opened_anew() {
    let directory = Directory::new();
    directory.write(
        "m.conf",
        "pid_file pid\nlog_dest file log\nlog_dest stderr\nallow_anonymous true\n",
    );
    let server = Server::start(&directory, &["-c", "m.conf", "-p", "0"]);
    server.tool(&["pub", "-i", "before", "-t", "a", "-m", "x"]);
    server.logs("before");
    std::fs::rename(directory.path("log"), directory.path("log.1")).unwrap();
    assert!(
        dunlin(&directory, &["reload", "-c", "m.conf"])
            .status
            .success()
    );
    server.logs("nothing has changed");
    server.tool(&["pub", "-i", "after", "-t", "a", "-m", "x"]);
    server.logs("after");
    let read = |name: &str| std::fs::read_to_string(directory.path(name)).unwrap();
    assert!(read("log.1").contains("before") && !read("log.1").contains("after"));
    assert!(read("log").contains("after"));
}
