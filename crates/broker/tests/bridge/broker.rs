//! Brokers as processes, each with a configuration and a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A new directory.
pub(crate) fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("bridge-{}-{number}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A broker that runs.
pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
    log: Receiver<String>,
}

/// Which broker.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    Dunlin,
    Mosquitto,
}

impl Broker {
    /// Starts one with these lines of a `mosquitto.conf` behind a listener that lets everybody in.
    pub(crate) fn start(program: Program, port: u16, config: &str) -> Self {
        let directory = directory();
        let listener = format!("listener {port} 127.0.0.1\nallow_anonymous true\n");
        let file = directory.join("mosquitto.conf");
        std::fs::write(&file, format!("{listener}{config}\n")).unwrap();
        let executable = match program {
            Program::Dunlin => env!("CARGO_BIN_EXE_dunlin"),
            Program::Mosquitto => "mosquitto",
        };
        let mut child = Command::new(executable)
            .current_dir(&directory)
            .args(["-v", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let broker = Broker { child, port, log };
        broker.wait_until_it_listens();
        broker
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut told = Vec::new();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            told.extend(self.log.try_iter());
            assert!(Instant::now() < deadline, "nobody listens: {told:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a line of the log that contains this.
    #[track_caller]
    pub(crate) fn logs(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut told = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => told.push(line),
                Err(_) => panic!("no line says {part}: {told:#?}"),
            }
        }
    }

    /// Ends it by SIGTERM, so that it keeps what it keeps.
    pub(crate) fn stop(mut self) {
        let number = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &number]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
