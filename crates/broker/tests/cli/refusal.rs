//! Error texts and exit codes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;

use crate::harness::dunlin;

/// Runs a tool that fails before it connects; its one line on standard error.
#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = dunlin().args(args).output().expect("the tool starts");
    failed(&output, 1)
}

#[track_caller]
fn failed(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// Runs a tool against a server that answers each packet with the next of `answers` and then closes.
fn against(args: &[&str], answers: &'static [&'static [u8]]) -> Output {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the tool connects");
        for answer in answers {
            read_packet(&mut stream);
            stream.write_all(answer).expect("the tool listens");
        }
        // Until the tool has said goodbye.
        stream.read_to_end(&mut Vec::new()).expect("an orderly end");
    });
    let output = dunlin()
        .args(args)
        .args(["-h", "127.0.0.1", "-p", &port])
        .output();
    server.join().expect("no panic");
    output.expect("the tool starts")
}

/// Reads one packet of less than 128 bytes.
fn read_packet(stream: &mut TcpStream) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a packet");
    stream
        .read_exact(&mut vec![0; head[1].into()])
        .expect("a whole packet");
}

#[test]
fn flags_that_make_no_sense_are_named() {
    for (args, part) in [
        (&["pub", "-t", "a"][..], "topic and message"),
        (&["pub", "-m", "x"], "topic and message"),
        (&["pub", "-t", "a/#", "-m", "x"], "'a/#'"),
        (
            &["pub", "-t", "a", "-m", "x", "-n"],
            "Only one type of message",
        ),
        (
            &["pub", "-t", "a", "-m", "x", "-l"],
            "Only one type of message",
        ),
        (
            &["pub", "-t", "a", "-m", "x", "-q", "3"],
            "Invalid QoS given: 3",
        ),
        (
            &["pub", "-t", "a", "-m", "x", "-k", "2"],
            "between 5 and 65535",
        ),
        (&["pub", "-t", "a", "-m", "x", "-c"], "client id"),
        (
            &["pub", "-t", "a", "-m", "x", "-i", "a", "-I", "b"],
            "cannot be used with",
        ),
        (&["pub", "-t", "a", "-m", "x", "-V", "6"], "mqttv311"),
        (&["pub", "-t", "a", "-m", "x", "-P", "secret"], "password"),
        (
            &["pub", "-t", "a", "-m", "x", "--will-payload", "x"],
            "will topic",
        ),
        (
            &[
                "pub",
                "-t",
                "a",
                "-m",
                "x",
                "-D",
                "publish",
                "receive-maximum",
                "1",
            ],
            "not allowed",
        ),
        (
            &["pub", "-t", "a", "-f", "/does/not/exist"],
            "/does/not/exist",
        ),
        (&["pub", "-t", "a", "-m"], "--message"),
        (&["pub", "--nonsense"], "Unknown option '--nonsense'"),
        (&["sub"], "specify a topic"),
        (&["sub", "-t", "a#"], "'a#'"),
        (&["sub", "-t", "a", "-F", "%y"], "'y'"),
        (&["sub", "-t", "a", "-C", "0"], "-C"),
        (&["sub", "-t", "a", "-W", "0"], "Invalid timeout"),
        (
            &["sub", "-t", "a", "-R", "--retained-only"],
            "--retained-only",
        ),
        (&["sub", "-L", "http://host/a"], "URL scheme"),
        (&["sub", "-o", "/does/not/exist"], "/does/not/exist"),
    ] {
        let error = refused(args);
        assert!(error.contains(part), "{args:?}: {error}");
    }
}

#[test]
fn flags_of_other_transports_are_refused_by_name() {
    for flag in ["--cafile", "--psk", "--ws", "--unix", "--proxy"] {
        let error = refused(&["pub", "-t", "a", "-m", "x", flag, "value"]);
        assert!(
            error.contains(flag) && error.contains("not supported"),
            "{error}"
        );
    }
}

#[test]
fn quiet_means_quiet() {
    let output = dunlin()
        .args(["pub", "-t", "a/#", "-m", "x", "--quiet"])
        .output();
    let output = output.expect("the tool starts");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(1), &b""[..])
    );
}

#[test]
fn help_and_version_are_no_failures() {
    for (args, part) in [
        (["rr", "--help"], "--latency"),
        (["sub", "--version"], "dunlin sub "),
    ] {
        let output = dunlin().args(args).output().expect("the tool starts");
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(part));
    }
}

#[test]
fn a_server_that_is_not_there_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    drop(listener);
    for tool in ["pub", "sub"] {
        let args: &[&str] = &[tool, "-h", "127.0.0.1", "-p", &port, "-t", "a"];
        let message: &[&str] = if tool == "pub" { &["-m", "x"] } else { &[] };
        let error = refused(&[args, message].concat());
        assert!(error.contains("Connection refused"), "{error}");
    }
}

#[test]
fn a_refused_connection_gives_its_code() {
    let publish = ["pub", "-t", "a", "-m", "x"];
    let error = failed(&against(&publish, &[&[0x20, 2, 0, 5]]), 5);
    assert!(error.contains("Not authorized"), "{error}");
    let connack: &[&[u8]] = &[&[0x20, 3, 0, 0x87, 0]];
    failed(&against(&["sub", "-t", "a", "-V", "5"], connack), 0x87);
}

#[test]
fn a_refused_publish_or_subscription_gives_its_code() {
    const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];
    let publish = ["pub", "-t", "a", "-m", "x", "-q", "1", "-V", "5"];
    let error = failed(&against(&publish, &[CONNACK, &[0x40, 3, 0, 1, 0x97]]), 0x97);
    assert!(error.contains("Quota exceeded"), "{error}");
    let subscribe = ["sub", "-t", "a", "-V", "5"];
    failed(
        &against(&subscribe, &[CONNACK, &[0x90, 4, 0, 1, 0, 0x87]]),
        0x87,
    );
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_on() {
    let error = failed(&against(&["sub", "-t", "a"], &[&[0xd0, 0]]), 2);
    assert!(error.contains("MQTT-3.2.0-1"), "{error}");
}
