//! The `$SYS` tree.

use crate::server::{Directory, Server};

#[test]
fn the_tree_is_retained_and_renewed_in_every_interval() {
    let directory = Directory::new();
    let server = Server::start(&directory, &["-p", "0", "--sys-interval", "100ms"]);
    let of = |topic: &str| server.tool(&["sub", "-t", topic, "-C", "1", "-W", "20"]);
    assert!(of("$SYS/broker/version").starts_with("dunlin version "));
    // Not the retained ones, but what comes in the next intervals.
    let lines = server.tool(&[
        "sub",
        "-R",
        "-t",
        "$SYS/broker/clients/total",
        "-C",
        "1",
        "-W",
        "20",
    ]);
    assert_eq!(lines, "1\n");
}

#[test]
fn a_leading_wildcard_does_not_match_it() {
    let directory = Directory::new();
    let server = Server::start(&directory, &["-p", "0", "--sys-interval", "100ms"]);
    // The tree is there now.
    server.tool(&["sub", "-t", "$SYS/broker/version", "-C", "1", "-W", "20"]);
    server.tool(&["pub", "-r", "-t", "house", "-m", "mine"]);
    let first = server.tool(&[
        "sub",
        "-v",
        "-t",
        "#",
        "-t",
        "+/broker/#",
        "-C",
        "1",
        "-W",
        "20",
    ]);
    assert_eq!(first, "house mine\n");
}
