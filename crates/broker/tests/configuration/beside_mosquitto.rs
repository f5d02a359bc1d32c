//! A Mosquitto in a directory, and what both must have in common.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

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

/// What is counted of the same Clients in the same way, once they have gone.
const SAME: &[&str] = &[
    "clients/connected",
    "clients/active",
    "clients/disconnected",
    "clients/inactive",
    "clients/total",
    "clients/expired",
    "publish/bytes/received",
    "publish/messages/dropped",
    "subscriptions/count",
    "shared_subscriptions/count",
];

/// All retained topics under `$SYS/broker`, with their values and QoS.
fn tree(port: u16) -> BTreeMap<String, (String, String)> {
    // The count of Clients changes with every reader, so that something comes that is not retained:
    // before that, all has come that is.
    let args = [
        "sub",
        "-q",
        "2",
        "-t",
        "$SYS/broker/#",
        "-F",
        "%r\t%t\t%q\t%p",
    ];
    let read = |count: &str| {
        let args = [&args[..], &["-C", count, "-W", "20"]].concat();
        tool(port, &args)
    };
    let mut count = 50;
    loop {
        let lines = read(&count.to_string());
        let lines: Vec<Vec<&str>> = lines.lines().map(|it| it.split('\t').collect()).collect();
        let retained = lines.iter().filter(|it| it[0] == "1");
        let is_whole = lines.iter().any(|it| it[0] == "0");
        if is_whole {
            let entry = |it: &Vec<&str>| {
                let topic = it[1].trim_start_matches("$SYS/broker/");
                (topic.to_owned(), (it[3].to_owned(), it[2].to_owned()))
            };
            return retained.map(entry).collect();
        }
        count += 10;
    }
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
    let deadline = Instant::now() + PATIENCE;
    let differences = || {
        let (theirs, ours) = (tree(theirs.port), tree(ours.port));
        for (topic, (_, qos)) in &theirs {
            let of_ours = ours.get(topic);
            assert_eq!(of_ours.map(|(_, qos)| qos), Some(qos), "{topic}");
        }
        let differs = |topic: &&&str| theirs[**topic].0 != ours[**topic].0;
        let differing = SAME.iter().filter(differs);
        let shown = differing.map(|topic| (*topic, theirs[*topic].clone(), ours[*topic].clone()));
        shown.collect::<Vec<_>>()
    };
    // Who reads is counted as well, if an interval ends meanwhile.
    let mut found = differences();
    while !found.is_empty() {
        assert!(Instant::now() < deadline, "{found:?}");
        found = differences();
    }
}
