//! The broker as a process that is killed.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the broker listens now: each process has a port of its own.
#[derive(Clone)]
pub(crate) struct Address(Arc<Mutex<SocketAddr>>);

impl Address {
    fn get(&self) -> SocketAddr {
        *self.0.lock().expect("no panic")
    }

    /// A connection to whichever process there is, as soon as there is one.
    pub(crate) fn connect(&self) -> TcpStream {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpStream::connect(self.get()) {
                Ok(stream) => {
                    stream.set_nodelay(true).expect("an open socket");
                    return stream;
                }
                Err(error) => assert!(Instant::now() < deadline, "no broker: {error}"),
            }
            // It is being started again.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A broker, and the data that outlive its process.
pub(crate) struct Broker {
    child: Child,
    directory: PathBuf,
    address: Address,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let name = format!("crash-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a folder for temporary files");
        let limits = "sys_interval = 0\n[limits]\nqueued_messages = 1000000\ngroup_messages = 1000000\n\
                      queued_bytes = 1000000000\ngroup_bytes = 1000000000\n";
        std::fs::write(directory.join("dunlin.toml"), limits).expect("the folder is there");
        let (child, address) = spawn(&directory);
        Broker {
            child,
            directory,
            address: Address(Arc::new(Mutex::new(address))),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// SIGKILL, wherever it is in what it does.
    pub(crate) fn kill_and_start_again(&mut self) {
        self.child.kill().expect("it is alive");
        self.child.wait().expect("our own child");
        let (child, address) = spawn(&self.directory);
        self.child = child;
        *self.address.0.lock().expect("no panic") = address;
    }

    /// Ends it, and removes its data.
    pub(crate) fn stop(mut self) {
        let ended = self.child.try_wait().expect("our own child");
        assert_eq!(ended, None, "the broker has ended");
        self.child.kill().expect("it is alive");
        self.child.wait().expect("our own child");
        std::fs::remove_dir_all(&self.directory).expect("our own folder");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &std::path::Path) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dunlin"))
        .args(["-p", "0", "--shards", "2", "-c"])
        .arg(directory.join("dunlin.toml"))
        .arg("--data-dir")
        .arg(directory.join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("dunlin starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on ")?.parse().ok())
        .expect("the broker says where it listens");
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}
