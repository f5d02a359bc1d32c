//! Counting tests by what the test runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed, and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// The result of one check that is not made of tests.
    pub(crate) const ONE_PASSED: Tally = Tally {
        passed: 1,
        failed: 0,
        skipped: 0,
    };

    /// Whether no test ran.
    pub(crate) fn is_empty(self) -> bool {
        self.passed + self.failed == 0
    }

    /// What `line` says about finished tests, if it is a runner's closing line: cargo's
    /// (`test result: ok. 3 passed; 0 failed; 1 ignored; ...`), node's (three lines such as
    /// `ℹ pass 3`) or the plain `3 passed, 0 failed` of the Python suites.
    pub(crate) fn read(line: &str) -> Tally {
        let mut tally = Tally::default();
        let words: Vec<&str> = line
            .split_whitespace()
            .map(|w| w.trim_end_matches([',', ';']))
            .collect();
        if let ["ℹ" | "#", word, count] = words[..] {
            tally.count(word, count);
        } else if line.starts_with("test result: ")
            || line.starts_with(|c: char| c.is_ascii_digit())
        {
            for pair in words.windows(2) {
                tally.count(pair[1], pair[0]);
            }
        }
        tally
    }

    fn count(&mut self, word: &str, count: &str) {
        let Ok(count) = count.parse::<u64>() else {
            return;
        };
        match word {
            "passed" | "pass" => self.passed += count,
            "failed" | "fail" | "cancelled" => self.failed += count,
            "skipped" | "ignored" | "todo" => self.skipped += count,
            _ => {}
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The closing line that tools which collect test results understand.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn cargo_closing_line() {
        let line = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 9 filtered out";
        assert_eq!(Tally::read(line), tally(3, 1, 2));
    }

    #[test]
    fn node_closing_lines() {
        assert_eq!(Tally::read("ℹ pass 7"), tally(7, 0, 0));
        assert_eq!(Tally::read("# fail 2"), tally(0, 2, 0));
        assert_eq!(Tally::read("ℹ tests 9"), tally(0, 0, 0));
    }

    #[test]
    fn plain_closing_line() {
        assert_eq!(
            Tally::read("12 passed, 3 failed, 1 skipped"),
            tally(12, 3, 1)
        );
        assert_eq!(Tally::read(&tally(4, 5, 6).to_string()), tally(4, 5, 6));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert!(Tally::read("test keeps_3 passed messages ... ok").is_empty());
        assert!(Tally::read("").is_empty());
    }
}
