//! A broker as a process: Dunlin, or Mosquitto with the same files.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::folder::Folder;

/// Longer than anything takes on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Those of all listeners, in their order.
    pub(crate) listeners: Vec<SocketAddr>,
    /// Lines of standard error.
    log: Receiver<String>,
    pub(crate) folder: Folder,
}

impl Server {
    /// A Dunlin with this configuration, on a port of its own.
    pub(crate) fn start(folder: Folder, config: &str) -> Self {
        Self::start_with(folder, config, &[])
    }

    pub(crate) fn start_with(folder: Folder, config: &str, options: &[&str]) -> Self {
        let path = folder.write("dunlin.toml", config);
        let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
            .args(["-p", "0", "-v", "--durability", "none", "-c", &path])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dunlin starts");
        let log = lines(child.stderr.take().unwrap());
        let output = lines(child.stdout.take().unwrap());
        let told = output.iter().take_while(|line| !line.is_empty());
        let places = told.filter_map(|line| line.strip_prefix("listening on ")?.parse().ok());
        let listeners: Vec<_> = places.filter(SocketAddr::is_ipv4).collect();
        let Some(&address) = listeners.first() else {
            let log: Vec<_> = log.iter().collect();
            panic!("dunlin does not start: {log:#?}");
        };
        Server {
            child,
            address,
            listeners,
            log,
            folder,
        }
    }

    /// A Mosquitto with this configuration behind its listener.
    pub(crate) fn mosquitto(folder: Folder, config: &str) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr();
        let address = port.unwrap();
        let config = format!(
            "listener {} 127.0.0.1\nuser root\n{config}\n",
            address.port()
        );
        folder.write("mosquitto.conf", &config);
        Self::command("mosquitto", folder, address)
    }

    /// `PROGRAM -v -c mosquitto.conf`, within the folder, to whose file this address belongs.
    pub(crate) fn command(program: &str, folder: Folder, address: SocketAddr) -> Self {
        let mut child = Command::new(program)
            .args(["-v", "-c", "mosquitto.conf"])
            .current_dir(folder.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is installed");
        let log = lines(child.stderr.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{program} does not listen");
            std::thread::yield_now();
        }
        Server {
            child,
            address,
            listeners: vec![address],
            log,
            folder,
        }
    }

    /// Ends it as an operator does; gives its exit code, and the folder.
    pub(crate) fn stop(mut self) -> (Option<i32>, Folder) {
        self.signal("TERM");
        let code = self.child.wait().unwrap().code();
        (code, std::mem::replace(&mut self.folder, Folder::new()))
    }

    /// Waits for a line of the log with all of these in it, after those that were waited for.
    #[track_caller]
    pub(crate) fn wait_for(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(rest) = deadline.checked_duration_since(Instant::now()) {
            let Ok(line) = self.log.recv_timeout(rest) else {
                break;
            };
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {parts:?} in {seen:#?}");
    }

    /// Everything that the log has said since it was last looked at.
    pub(crate) fn log_so_far(&self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }

    /// Has it read its files again, and waits until it has.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.signal("HUP");
        self.wait_for(&["reloaded: users and rules"]);
    }

    /// The user whose each thread is, by number.
    pub(crate) fn users_of_threads(&self) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let user = |thread: std::io::Result<std::fs::DirEntry>| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status"));
            let status = status.unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
            line.unwrap().split_whitespace().next().unwrap().to_owned()
        };
        threads.map(user).collect()
    }

    /// Memory of the process.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // Nobody may be listening any more; the other side must be able to write all the same.
            let _ = sender.send(line);
        }
    });
    receiver
}
