//! One child process: its output is shown as it comes, and the tests that it reports are counted.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::tally::Tally;
use crate::workspace;

/// A command line to run from the root of the repository.
pub(crate) struct Task {
    command: Command,
}

impl Task {
    /// `program` without arguments.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Task {
        let mut command = Command::new(program);
        command.current_dir(workspace::root()).stdin(Stdio::null());
        Task { command }
    }

    /// The cargo that runs this program, with arguments given as one line of words.
    pub(crate) fn cargo(line: &str) -> Task {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Task::new(cargo).args(line.split_whitespace())
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Task {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Task {
        self.command.env(name, value);
        self
    }

    /// Runs in `directory` instead of the repository's root.
    pub(crate) fn directory(mut self, directory: &Path) -> Task {
        self.command.current_dir(directory);
        self
    }

    /// Runs to the end, showing the output. The tally is what the command printed of its tests:
    /// empty for a command that runs none.
    ///
    /// # Errors
    /// The command cannot be started, or reports no failed test and yet exits with a failure.
    pub(crate) fn run(mut self) -> anyhow::Result<Tally> {
        println!("$ {}", self.line());
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.line()))?;
        let output = child.stdout.take().expect("stdout is piped");
        let mut tally = Tally::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("reading the command's output")?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally += Tally::read(line.trim_end());
        }
        let status = child.wait()?;
        if !status.success() && tally.failed == 0 {
            bail!("{} ended with {status}", self.line());
        }
        Ok(tally)
    }

    /// Runs to the end and shows the output only if that fails: for installers, which talk a lot.
    ///
    /// # Errors
    /// The command cannot be started or exits with a failure.
    pub(crate) fn run_quietly(mut self) -> anyhow::Result<()> {
        println!("$ {}", self.line());
        let line = self.line();
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot start {line}"))?;
        if !output.status.success() {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            print!("{}", String::from_utf8_lossy(&output.stderr));
            bail!("{line} ended with {}", output.status);
        }
        Ok(())
    }

    /// Runs to the end without showing the output, and returns what was written to stdout.
    ///
    /// # Errors
    /// The command cannot be started or exits with a failure; its stderr is shown by then.
    pub(crate) fn read(mut self) -> anyhow::Result<String> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.line()))?;
        if !output.status.success() {
            bail!("{} ended with {}", self.line(), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the command can be started and succeeds; nothing is shown.
    pub(crate) fn works(mut self) -> bool {
        let status = self
            .command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// The command as a person would type it.
    fn line(&self) -> String {
        let program = Path::new(self.command.get_program());
        let program = program.strip_prefix(workspace::root()).unwrap_or(program);
        let program = match program.file_name() {
            Some(name) if program.is_absolute() => Path::new(name),
            _ => program,
        };
        let mut line = program.display().to_string();
        for argument in self.command.get_args() {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }
}
