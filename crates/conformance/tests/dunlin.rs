//! Every case against the `dunlin` binary of this workspace, a named test per statement.
//!
//! The binary is the one in `DUNLIN_BIN`, or else built here.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use dunlin_conformance::{Broker, cases, runner};
use libtest_mimic::{Arguments, Trial};

/// Whether `dunlin` speaks MQTT over WebSocket; while it does not, those cases are shown as ignored.
const SERVES_WEBSOCKET: bool = true;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The cases wait for the network far more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(16));
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&Arc::new(unreachable_broker()))).exit_code();
    }
    let server = Server::start();
    let broker = Arc::new(Broker::new(server.address, Some(server.address)));
    let conclusion = libtest_mimic::run(&arguments, trials(&broker));
    drop(server);
    conclusion.exit_code()
}

fn trials(broker: &Arc<Broker>) -> Vec<Trial> {
    cases::all()
        .map(|case| {
            let broker = Arc::clone(broker);
            let not_served = cases::needs_websocket(&case) && !SERVES_WEBSOCKET;
            Trial::test(case.full_name(), move || {
                runner::run_one(&broker, &case)
                    .map_err(|report| format!("{}\n    {report}", case.title).into())
            })
            .with_ignored_flag(not_served)
        })
        .collect()
}

/// For `--list`, which runs nothing.
fn unreachable_broker() -> Broker {
    Broker::new(SocketAddr::from(([127, 0, 0, 1], 1)), None)
}

/// A running `dunlin` on a port of its own, stopped when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    data: PathBuf,
}

impl Server {
    fn start() -> Self {
        let data = std::env::temp_dir().join(format!("dunlin-conformance-{}", std::process::id()));
        std::fs::create_dir_all(&data).expect("a directory for the broker");
        let mut process = Command::new(binary())
            .args(["-p", "0", "--data-dir"])
            .arg(&data)
            .current_dir(&data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("dunlin starts");
        let output = process.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(output).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| address_in(&line))
            .expect("dunlin prints `listening on 127.0.0.1:PORT`");
        // Whatever it prints later is read, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            process,
            address,
            data,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as stopped.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let rest = line.split_once("listening on ")?.1;
    rest.split_whitespace()
        .next()?
        .trim_end_matches([',', '.'])
        .parse()
        .ok()
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("DUNLIN_BIN") {
        return path.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "dunlin-broker"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "dunlin does not build");
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/PROFILE/deps");
    profile.join("dunlin")
}
