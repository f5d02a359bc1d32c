//! `dunlin pub` and `dunlin sub` at any broker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::broker::PATIENCE;

fn dunlin(tool: &str, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.args([tool, "-p", &port.to_string()]);
    command
}

/// Publishes with these options.
#[track_caller]
pub(crate) fn publish(port: u16, args: &[&str]) {
    let output = dunlin("pub", port).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
}

/// Whether publishing with these options fails.
pub(crate) fn publish_fails(port: u16, args: &[&str]) -> bool {
    let status = dunlin("pub", port)
        .args(args)
        .stderr(Stdio::null())
        .status();
    !status.unwrap().success()
}

/// Publishes the numbers below `count` on one connection, each as a message.
pub(crate) fn publish_numbers(port: u16, topic: &str, qos: &str, count: usize) {
    let mut child = dunlin("pub", port)
        .args(["-l", "-t", topic, "-q", qos])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for number in 0..count {
        writeln!(stdin, "{number}").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// A `dunlin sub` that is subscribed.
pub(crate) struct Subscriber {
    child: Child,
    lines: Receiver<String>,
    /// Messages that came before SUBACK: a Session had them.
    early: RefCell<VecDeque<String>>,
}

impl Subscriber {
    /// Subscribes; each message is a line with RETAIN, topic and payload.
    #[track_caller]
    pub(crate) fn new(port: u16, args: &[&str]) -> Self {
        let mut child = dunlin("sub", port)
            .args(["-d", "-F", "%r %t %p"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let subscriber = Subscriber {
            child,
            lines,
            early: RefCell::default(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = subscriber.line(deadline);
            if line.contains("received SUBACK") {
                return subscriber;
            }
            if is_message(&line) {
                subscriber.early.borrow_mut().push_back(line);
            }
        }
    }

    #[track_caller]
    fn line(&self, deadline: Instant) -> String {
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).expect("a line in time")
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn next(&self) -> String {
        if let Some(line) = self.early.borrow_mut().pop_front() {
            return line;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.line(deadline);
            if is_message(&line) {
                return line;
            }
        }
    }

    /// The next `count` messages.
    #[track_caller]
    pub(crate) fn take(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Waits until this message comes; those before it.
    #[track_caller]
    pub(crate) fn until(&self, last: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let message = self.next();
            if message == last {
                return before;
            }
            before.push(message);
        }
    }

    /// Waits until a message with this payload comes.
    #[track_caller]
    pub(crate) fn until_payload(&self, payload: &str) {
        while !self.next().ends_with(&format!(" {payload}")) {}
    }

    /// Whether nothing comes for a while.
    pub(crate) fn is_silent(&self) -> bool {
        let deadline = Instant::now() + Duration::from_millis(1500);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if is_message(&line) => panic!("{line}"),
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }
}

/// Whether a line is no part of the packet log.
fn is_message(line: &str) -> bool {
    !line.starts_with("Client ") && !line.starts_with("Subscribed")
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the bridge with this Client Identifier says at a broker that it is up, or down.
#[track_caller]
pub(crate) fn wait_for_state(port: u16, bridge: &str, state: &str) {
    let topic = format!("$SYS/broker/connection/{bridge}/state");
    let subscriber = Subscriber::new(port, &["-t", &topic]);
    let deadline = Instant::now() + PATIENCE;
    while !subscriber.next().ends_with(&format!(" {state}")) {
        assert!(Instant::now() < deadline, "the bridge is not {state}");
    }
}
