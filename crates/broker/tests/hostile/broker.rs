//! The broker as a process, with what it says about itself.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A broker of one test's own.
pub(crate) struct Broker {
    child: Child,
    config: PathBuf,
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
}

/// Lines of standard error, in order.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Broker {
    /// Starts one with this configuration that logs every connection.
    pub(crate) fn start(config: &str) -> Self {
        Self::spawn(config, &["-v"])
    }

    /// Starts one that logs only what an operator should know.
    pub(crate) fn start_quiet(config: &str) -> Self {
        Self::spawn(config, &[])
    }

    fn spawn(config: &str, options: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hostile-{}-{number}.toml", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        write(&path, config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .args(["-p", "0", "--durability", "none", "-c"])
            .arg(&path)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dunlin starts");
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("piped");
        let writer = Arc::clone(&log);
        std::thread::spawn(move || writer.follow(stderr));
        let mut stdout = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = stdout
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ")?.parse().ok())
            .expect("the broker says where it listens");
        // Lets it go on writing.
        std::thread::spawn(move || stdout.for_each(drop));
        Broker {
            child,
            config: path,
            address,
            log,
        }
    }

    /// Why the connection of the Client with this Client Identifier ended, as the log says it.
    #[track_caller]
    pub(crate) fn ending_of(&self, client_id: &str) -> String {
        self.ending(&format!("client_id=\"{client_id}\" ending="))
    }

    /// As [`ending_of`](Self::ending_of), for a connection without CONNECT to a broker with one
    /// shard: by the address that it came from.
    #[track_caller]
    pub(crate) fn ending_of_peer(&self, peer: SocketAddr) -> String {
        let peer = format!("peer={peer}");
        let opened = self.wait_for(&["connection opened", &peer]);
        let (_, connection) = opened.split_once(" connection=").expect("its name");
        let (connection, _) = connection.split_once(' ').expect("the peer follows");
        self.ending(&format!("connection={connection} client_id=\"\" ending="))
    }

    #[track_caller]
    fn ending(&self, whose: &str) -> String {
        let line = self.wait_for(&["disconnected", whose]);
        let (_, ending) = line.split_once(whose).expect("it was found");
        ending.to_owned()
    }

    /// How many lines so far contain all of these.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        let lines = self.log.lines.lock().expect("no panic");
        lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    }

    /// Waits until as many lines contain all of these.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, count: usize, parts: &[&str]) {
        let found = Cell::new(0);
        let is_last = |line: &str| {
            found.set(found.get() + usize::from(parts.iter().all(|part| line.contains(part))));
            found.get() == count
        };
        let last = self.log.wait_for(0, is_last);
        assert!(last.is_some(), "{} lines with {parts:?}", found.get());
    }

    /// The first line of the log with all of these, when it is there.
    #[track_caller]
    pub(crate) fn wait_for(&self, parts: &[&str]) -> String {
        let found = self
            .log
            .wait_for(0, |line| parts.iter().all(|part| line.contains(part)));
        found.unwrap_or_else(|| panic!("the log has no line with {parts:?}"))
    }

    /// Gives it another configuration, and has it read that.
    pub(crate) fn reconfigure(&self, config: &str) {
        write(&self.config, config);
        self.hang_up();
    }

    /// Has it read files again.
    pub(crate) fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process");
        let id = rustix::process::Pid::from_raw(id).expect("a process");
        rustix::process::kill_process(id, signal).expect("it lives");
    }

    /// A number that stands before these words in the broker's counters, as they are now.
    #[track_caller]
    pub(crate) fn counter(&self, words: &str) -> u64 {
        let from = self.log.lines.lock().expect("no panic").len();
        self.signal(rustix::process::Signal::USR1);
        let last = "deliveries: ";
        let complete = self.log.wait_for(from, |line| line.contains(last));
        assert!(complete.is_some(), "no counters on SIGUSR1");
        let lines = self.log.lines.lock().expect("no panic");
        let numbers = lines[from..].iter().filter_map(|line| {
            let (before, _) = line.split_once(words)?;
            before.trim_end().rsplit(' ').next()?.parse().ok()
        });
        numbers.into_iter().next().unwrap_or(0)
    }

    /// Bytes of memory that the process has.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("Linux, and the broker lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        kilobytes.expect("a number of kB") * 1024
    }

    #[track_caller]
    pub(crate) fn assert_memory_below(&self, bytes: u64) {
        let resident = self.resident_bytes();
        assert!(
            resident < bytes,
            "{resident} bytes resident, {bytes} allowed"
        );
    }
}

fn write(path: &std::path::Path, config: &str) {
    // Its own messages would be counted with those of Clients.
    let config = format!("sys_interval = 0\n{config}");
    std::fs::write(path, config).expect("a folder for temporary files");
}

impl Log {
    fn follow(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().expect("no panic").push(line);
            self.grown.notify_all();
        }
    }

    fn wait_for(&self, mut from: usize, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().expect("no panic");
        loop {
            if let Some(line) = lines[from..].iter().find(|line| wanted(line)) {
                return Some(line.clone());
            }
            from = lines.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.grown.wait_timeout(lines, left).expect("no panic").0;
        }
    }
}

/// Whatever a test has done to it, the broker is alive at its end, and no part of it has failed.
impl Drop for Broker {
    fn drop(&mut self) {
        let ended = self.child.try_wait().expect("our own child");
        // It may have ended just now.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
        if !std::thread::panicking() {
            assert_eq!(ended, None, "the broker has ended");
            assert_eq!(self.count(&["panicked"]), 0, "a shard has failed");
        }
    }
}
