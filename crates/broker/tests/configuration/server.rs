//! A server with a configuration in a directory of its own, and the tools to talk to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that goes with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("configuration-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Writes a file; gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `dunlin` with these arguments, in the directory, to its end.
pub(crate) fn dunlin(directory: &Directory, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .current_dir(&directory.0)
        .args(args)
        .output()
        .unwrap()
}

/// A client tool at the server with this port; gives what it wrote.
pub(crate) fn tool(port: u16, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args([args[0], "-p", &port.to_string()])
        .args(&args[1..])
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    log: Receiver<String>,
}

impl Server {
    /// Starts one in the directory, and waits until it listens.
    pub(crate) fn start(directory: &Directory, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .current_dir(&directory.0)
            .env("STATE_DIRECTORY", directory.0.join("state"))
            .args(args)
            .stdout(Stdio::piped())
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
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut lines = stdout.lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let address = line.strip_prefix("listening on ")?;
            address.rsplit_once(':')?.1.parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let Some(port) = port else {
            let told: Vec<String> = log.iter().collect();
            panic!("the server does not listen: {told:?}");
        };
        Server { child, port, log }
    }

    /// Waits for a line of the log that contains this.
    pub(crate) fn logs(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(_) => panic!("no line of the log says {part}"),
            }
        }
    }

    /// A client tool at this server; gives what it wrote.
    pub(crate) fn tool(&self, args: &[&str]) -> String {
        tool(self.port, args)
    }

    /// Whether a client tool fails at this server.
    pub(crate) fn tool_fails(&self, args: &[&str]) -> bool {
        let port = self.port.to_string();
        let status = Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .args([args[0], "-p", &port])
            .args(&args[1..])
            .stderr(Stdio::null())
            .status();
        !status.unwrap().success()
    }

    pub(crate) fn signal(&self, name: &str) {
        let number = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &number]).status();
        assert!(kill.unwrap().success());
    }

    /// Ends it by SIGTERM; gives its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
