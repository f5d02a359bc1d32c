//! A Mosquitto in a directory, and what both must have in common.

use std::collections::{BTreeMap, HashMap};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use dunlin_packet::QoS;

use crate::client::Client;
use crate::server::{Directory, PATIENCE, Server, tool};

/// A running Mosquitto.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
}

impl Mosquitto {
    /// Starts one with this configuration, on a port of its own.
    pub(crate) fn start(directory: &Directory, conf: &str) -> Self {
        let place = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr();
        let port = place.unwrap().port();
        let conf = directory.write("theirs.conf", &format!("{conf}user root\n"));
        let child = Command::new("mosquitto")
            .args(["-c", &conf.display().to_string(), "-p", &port.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::yield_now();
        }
        Mosquitto { child, port }
    }

    /// Ends it, so that it saves what it has.
    pub(crate) fn stop(mut self) {
        let number = self.child.id().to_string();
        let kill = Command::new("kill").arg(number).status();
        assert!(kill.unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What both count of the same Clients, while somebody watches.
const COUNTS: &[(&str, &str)] = &[
    ("clients/connected", "1"),
    ("clients/active", "1"),
    ("clients/disconnected", "2"),
    ("clients/inactive", "2"),
    ("clients/total", "3"),
    ("clients/expired", "0"),
    ("publish/bytes/received", "13"),
    ("publish/messages/dropped", "0"),
    ("subscriptions/count", "2"),
    ("shared_subscriptions/count", "2"),
];

/// All topics under `$SYS/broker` and their QoS, as they are when all counts are what they should be.
fn tree(port: u16) -> BTreeMap<String, QoS> {
    let (mut watcher, _) = Client::connect(port, "watcher");
    watcher.subscribe("$SYS/broker/#", QoS::ExactlyOnce);
    let (mut values, mut tree) = (HashMap::new(), BTreeMap::new());
    let deadline = Instant::now() + PATIENCE;
    while !COUNTS
        .iter()
        .all(|(topic, value)| values.get(*topic).is_some_and(|it| it == value))
    {
        assert!(Instant::now() < deadline, "{values:?}");
        let got = watcher.take(1).remove(0);
        let topic = got.topic.trim_start_matches("$SYS/broker/");
        values.insert(topic.to_owned(), got.payload);
        tree.insert(topic.to_owned(), got.qos);
    }
    tree
}

/// The same Clients at a broker.
fn visit(port: u16) {
    for client_id in ["one", "two"] {
        let shared = [
            "sub",
            "-i",
            client_id,
            "-c",
            "-q",
            "1",
            "-t",
            "$share/g/x",
            "-E",
        ];
        tool(port, &shared);
    }
    tool(
        port,
        &["sub", "-i", "one", "-c", "-q", "1", "-t", "a/#", "-E"],
    );
    tool(port, &["pub", "-q", "1", "-t", "a/1", "-m", "hello"]);
    tool(port, &["pub", "-r", "-t", "b", "-m", "retained"]);
}

#[test]
#[ignore = "needs mosquitto: cargo xtask test configuration-mosquitto"]
fn the_sys_tree_has_all_that_theirs_has() {
    let conf = "sys_interval 1\nallow_anonymous true\n";
    let directory = Directory::new();
    directory.write("m.conf", conf);
    let theirs = Mosquitto::start(&directory, conf);
    let ours = Server::start(&directory, &["-c", "m.conf", "-p", "0"]);
    visit(theirs.port);
    visit(ours.port);
    let (theirs, ours) = (tree(theirs.port), tree(ours.port));
    for (topic, qos) in &theirs {
        assert_eq!(ours.get(topic), Some(qos), "{topic}");
    }
}
