//! A broker to test against, and the tools as child processes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// Ends a `dunlin sub` that waits for what never comes.
const PATIENCE_SECONDS: &str = "30";

/// Where the tools connect to.
pub(crate) struct Broker {
    pub(crate) port: u16,
    /// Ours, unless the environment names another one.
    child: Option<Child>,
}

impl Broker {
    /// The broker at `DUNLIN_TEST_BROKER` (a port on this machine, or `localhost:PORT`), or a new
    /// one. Topics have to differ between tests for the sake of the former.
    pub(crate) fn get() -> Self {
        match std::env::var("DUNLIN_TEST_BROKER") {
            Ok(address) => {
                let port = address
                    .rsplit(':')
                    .next()
                    .and_then(|port| port.parse().ok());
                let port = port.expect("DUNLIN_TEST_BROKER ends with a port");
                Self { port, child: None }
            }
            Err(_) => Self::start(0),
        }
    }

    /// A Dunlin of our own on `port`; 0 chooses one.
    pub(crate) fn start(port: u16) -> Self {
        Self::start_with(port, &[])
    }

    /// The same, with more flags.
    pub(crate) fn start_with(port: u16, flags: &[String]) -> Self {
        let is_durable = flags.iter().any(|flag| flag == "--durability");
        let mut child = dunlin()
            .args(["-p", &port.to_string()])
            .args(if is_durable {
                &[][..]
            } else {
                &["--durability", "none"]
            })
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dunlin starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("listening on 127.0.0.1:")
                    .map(|(_, port)| port.parse())
            })
            .expect("the broker says where it listens")
            .expect("a port");
        // Lets the broker go on writing.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            port,
            child: Some(child),
        }
    }

    /// Runs a tool to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, tool: &str, args: &[S]) -> Finished {
        self.run_with_input(tool, args, b"")
    }

    /// Runs a tool to its end, with this standard input.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(
        &self,
        tool: &str,
        args: &[S],
        input: &[u8],
    ) -> Finished {
        let mut command = self.command(tool, args);
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .expect("the tool starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_vec();
        // A tool that ends early does not read on.
        let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
        let output = child.wait_with_output().expect("the tool ends");
        writer.join().expect("no panic");
        Finished(output)
    }

    /// Publishes, which has to succeed.
    #[track_caller]
    pub(crate) fn publish<S: AsRef<OsStr>>(&self, args: &[S]) {
        self.run("pub", args).succeeded();
    }

    /// Starts `dunlin sub` and waits for its subscription.
    pub(crate) fn subscribe<S: AsRef<OsStr>>(&self, args: &[S]) -> Running {
        let mut command = self.command("sub", args);
        let mut child = command
            .arg("-d")
            .stdin(Stdio::null())
            .spawn()
            .expect("the tool starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut running = Running { child, lines };
        running.wait_for("received SUBACK");
        running
    }

    fn command<S: AsRef<OsStr>>(&self, tool: &str, args: &[S]) -> Command {
        let mut command = dunlin();
        command.arg(tool).args(["-p", &self.port.to_string()]);
        if tool != "pub" {
            command.args(["-W", PATIENCE_SECONDS]);
        }
        command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have been ended by the test.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The binary under test, not influenced by the user's own options files.
pub(crate) fn dunlin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin"));
    command.env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// A tool that has ended.
pub(crate) struct Finished(Output);

impl Finished {
    /// What it printed.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// It ended with code 0; what it printed.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(
            self.0.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&self.0.stderr)
        );
        self.output()
    }

    /// It ended with this code and one line on standard error; that line.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        let error = String::from_utf8_lossy(&self.0.stderr).into_owned();
        assert_eq!(self.0.status.code(), Some(code), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

/// A `dunlin sub` that is subscribed.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Reads on until the packet log says this.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let found = self
            .lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains(text));
        assert!(found, "the tool ended before '{text}'");
    }

    /// The next line that is not of the packet log.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let lines = self.lines.by_ref().map_while(Result::ok);
        lines.into_iter().find(|line| !line.starts_with("Client "))
    }

    /// Waits for its end; the lines that it printed on the way.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.next_line()).collect();
        assert_eq!(self.child.wait().expect("the tool ends").code(), Some(0));
        lines
    }

    /// Ends it without a chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, as Ctrl-C does.
    #[track_caller]
    pub(crate) fn interrupt(self) -> Vec<String> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        self.finish()
    }
}
