//! `log_dest topic`: log lines as messages.

use crate::server::{Directory, Server, tool};

/// The first message that comes under this topic while Clients come and go.
fn first(server: &Server, topic: &'static str) -> String {
    let port = server.port;
    let wait = move || tool(port, &["sub", "-v", "-t", topic, "-C", "1", "-W", "20"]);
    let reading = std::thread::spawn(wait);
    while !reading.is_finished() {
        server.tool(&["pub", "-i", "passer-by", "-t", "a", "-m", "a"]);
    }
    reading.join().unwrap()
}

#[test]
fn lines_are_published_by_their_kind() {
    let directory = Directory::new();
    directory.write("m.conf", "log_dest topic\nlog_type all\n");
    let server = Server::start(&directory, &["-c", "m.conf", "-p", "0"]);
    let line = first(&server, "$SYS/broker/log/N");
    assert!(line.starts_with("$SYS/broker/log/N "), "{line}");
    assert!(line.contains("client_id="), "{line}");
    let line = first(&server, "$SYS/broker/log/M/subscribe");
    assert!(
        line.contains("filter=\"$SYS/broker/log/M/subscribe\""),
        "{line}"
    );
}

#[test]
fn errors_and_warnings_have_letters_of_their_own() {
    let directory = Directory::new();
    let conf = directory.write("m.conf", "log_dest topic\nlog_type error\n");
    let server = Server::start(&directory, &["-c", "m.conf", "-p", "0"]);
    let port = server.port;
    let wait = move || {
        let all = [
            "sub",
            "-v",
            "-q",
            "2",
            "-t",
            "$SYS/broker/log/#",
            "-C",
            "1",
            "-W",
            "20",
        ];
        tool(port, &all)
    };
    let reading = std::thread::spawn(wait);
    std::fs::write(conf, "no_such_option\n").unwrap();
    while !reading.is_finished() {
        server.signal("HUP");
        server.tool(&["pub", "-t", "a", "-m", "a"]);
    }
    let line = reading.join().unwrap();
    assert!(line.starts_with("$SYS/broker/log/E "), "{line}");
}
