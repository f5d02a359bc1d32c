//! A running `dunlin` for the interop suites.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::command::Task;
use crate::workspace;

/// How long the server may take to say where it listens.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// What the server prints before an address.
const ANNOUNCEMENT: &str = "listening on ";

/// A `dunlin` process of the release build, on a port of its own choice; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    log: PathBuf,
    copier: Option<JoinHandle<()>>,
    /// The ports that it has named and nobody has asked for.
    ports: mpsc::Receiver<u16>,
}

impl Server {
    /// Starts the server and waits until it listens. What it prints goes to
    /// `target/interop/dunlin-NAME.log`.
    ///
    /// # Errors
    /// It cannot be started, or does not say in time where it listens.
    pub(crate) fn start(name: &str) -> anyhow::Result<Server> {
        Server::start_with(name, &["-p", "0"])
    }

    /// The same, with these options.
    pub(crate) fn start_with(name: &str, options: &[&str]) -> anyhow::Result<Server> {
        let program = workspace::server();
        let log = workspace::interop_target().join(format!("dunlin-{name}.log"));
        fs::create_dir_all(workspace::interop_target())?;
        let log_file =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let (output, stdout) = std::io::pipe()?;
        let data = workspace::interop_target().join(format!("data-{name}"));
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let child = Command::new(&program)
            .args(options)
            .arg("--data-dir")
            .arg(data)
            .stdin(Stdio::null())
            .stderr(stdout.try_clone()?)
            .stdout(stdout)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (found, port) = mpsc::channel();
        let copier = thread::spawn(move || copy_output(output, log_file, &found));
        let mut server = Server {
            child,
            address: String::new(),
            log,
            copier: Some(copier),
            ports: port,
        };
        server.address = server.next_address()?;
        Ok(server)
    }

    /// Where it listens next, in the order of its configuration.
    ///
    /// # Errors
    /// It does not say so in time.
    pub(crate) fn next_address(&mut self) -> anyhow::Result<String> {
        let Ok(port) = self.ports.recv_timeout(START_DEADLINE) else {
            bail!(
                "dunlin printed no \"{ANNOUNCEMENT}127.0.0.1:PORT\" within {START_DEADLINE:?}\n{}",
                self.end()
            );
        };
        Ok(format!("127.0.0.1:{port}"))
    }

    /// Where what it prints is written.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks the server to stop, as an operator would.
    ///
    /// # Errors
    /// It had already ended, or does not end well when asked.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "dunlin ended during the tests with {status}\n{}",
                self.end()
            );
        }
        Task::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .read()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!(
                "dunlin ended with {status} when asked to stop\n{}",
                self.end()
            );
        }
        Ok(())
    }

    /// Ends the process and returns the last lines that it printed.
    pub(crate) fn end(&mut self) -> String {
        // Fails only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(copier) = self.copier.take() {
            let _ = copier.join();
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(20)..];
        format!("the end of {}:\n{}", self.log.display(), last.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies what the server prints into `log`, and sends the port as soon as it is named.
fn copy_output(output: PipeReader, mut log: File, found: &mpsc::Sender<u16>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // A full disk must not stop the server, which would block on a pipe nobody reads.
        let _ = writeln!(log, "{line}");
        if let Some(port) = announced_port(&line) {
            let _ = found.send(port);
        }
    }
}

fn announced_port(line: &str) -> Option<u16> {
    let (_, place) = line.split_once(ANNOUNCEMENT)?;
    let place = place.split(' ').next()?;
    let address: SocketAddrV4 = place.parse().ok()?;
    Some(address.port())
}

#[cfg(test)]
mod tests {
    use super::announced_port;

    #[test]
    fn the_port_is_found_in_a_log_line() {
        assert_eq!(
            announced_port("info listening on 127.0.0.1:41883 (mqtt)"),
            Some(41883)
        );
        assert_eq!(announced_port("listening on 0.0.0.0:8883"), Some(8883));
        assert_eq!(announced_port("listening on [::1]:1883"), None);
    }
}
