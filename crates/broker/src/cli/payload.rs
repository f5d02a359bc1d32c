//! Where the bytes to publish come from: `-m`, `-n`, `-f`, `-s` or `-l`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use super::failure::Failure;

/// Longest payload that fits into a packet.
const LONGEST: u64 = 268_435_455;

/// For several flags that each name a message.
pub(crate) const ONE_TYPE: &str = "Only one type of message can be sent at once.";

/// The flags as given; one of them is needed.
#[derive(Debug, clap::Args)]
pub(crate) struct PayloadArgs {
    /// Message to publish
    #[arg(short = 'm', long, value_name = "PAYLOAD")]
    message: Option<OsString>,
    /// Publish the content of a file as the message
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Publish an empty message
    #[arg(short = 'n', long)]
    null_message: bool,
    /// Publish all of standard input as one message
    #[arg(short = 's', long)]
    stdin_file: bool,
}

impl PayloadArgs {
    /// How many of the flags are given.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.message.is_some())
            + usize::from(self.file.is_some())
            + usize::from(self.null_message)
            + usize::from(self.stdin_file)
    }

    /// The payload to publish.
    pub(crate) fn read(self) -> Result<Vec<u8>, Failure> {
        if self.count() > 1 {
            return Err(Failure::usage(ONE_TYPE));
        }
        Ok(match (self.message, self.file) {
            (Some(message), _) => message.into_encoded_bytes(),
            (None, Some(path)) => {
                let name = path.display().to_string();
                let file = fs::File::open(path);
                file.and_then(read).map_err(|error| {
                    Failure::usage(format!("Unable to read file '{name}': {error}"))
                })?
            }
            (None, None) if self.stdin_file => read(io::stdin().lock()).map_err(|error| {
                Failure::usage(format!("Unable to read standard input: {error}"))
            })?,
            (None, None) if self.null_message => Vec::new(),
            (None, None) => {
                return Err(Failure::usage("Both topic and message must be supplied."));
            }
        })
    }
}

/// Reads to the end, and refuses what cannot be published anyway.
fn read(source: impl Read) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    source.take(LONGEST + 1).read_to_end(&mut payload)?;
    if payload.len() as u64 > LONGEST {
        return Err(io::Error::other(
            "the payload is longer than 268435455 bytes",
        ));
    }
    Ok(payload)
}

/// Lines of standard input, read only when it is known to be readable.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// What was read and not taken.
    buffer: Vec<u8>,
    /// Where in `buffer` the next line begins.
    start: usize,
    ended: bool,
}

impl Lines {
    /// Reads once from `input`.
    pub(crate) fn fill(&mut self, mut input: impl Read) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut chunk = [0; 16 * 1024];
        match input.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if self.buffer.len() as u64 > LONGEST {
            return Err(io::Error::other("a line is longer than 268435455 bytes"));
        }
        Ok(())
    }

    /// The next complete line without its end; what follows the last line end is one too.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let rest = &self.buffer[self.start..];
        let (line, used) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&rest[..end], end + 1),
            None if self.ended && !rest.is_empty() => (rest, rest.len()),
            None => return None,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.start += used;
        Some(line)
    }

    /// Whether there is nothing more to read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether there is and will be nothing more to take.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended && self.start == self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_reads_end() {
        let mut lines = Lines::default();
        lines.fill(&b"one\ntw"[..]).unwrap();
        assert_eq!(lines.take(), Some(b"one".to_vec()));
        assert_eq!(lines.take(), None);
        lines.fill(&b"o\r\n\nlast"[..]).unwrap();
        assert_eq!(lines.take(), Some(b"two".to_vec()));
        assert_eq!(lines.take(), Some(Vec::new()));
        assert_eq!(lines.take(), None);
        assert!(!lines.is_finished());
        lines.fill(&b""[..]).unwrap();
        assert_eq!(lines.take(), Some(b"last".to_vec()));
        assert!(lines.is_finished());
    }
}
