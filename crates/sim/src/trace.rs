//! What happened, line by line: for a person to read, and as a hash that tells two runs apart.

use std::fmt;

/// Receives every line of a run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    shown: bool,
    line: String,
}

impl Trace {
    /// A trace of which only the hash is kept.
    pub fn hidden() -> Self {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            shown: false,
            line: String::new(),
        }
    }

    /// A trace that is also printed.
    pub fn shown() -> Self {
        Trace {
            shown: true,
            ..Self::hidden()
        }
    }

    /// Adds a line, at a virtual time in milliseconds.
    pub fn log(&mut self, now: u64, what: fmt::Arguments<'_>) {
        self.line.clear();
        fmt::write(&mut self.line, format_args!("{now:>7} ms  {what}"))
            .expect("a String takes everything");
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.shown {
            println!("{}", self.line);
        }
    }

    /// FNV-1a of all lines.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
