//! Runs cases in parallel and prints a line for each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::case::{Case, Failure};
use crate::scene::{Broker, Scene};

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that the broker kept.
    pub passed: usize,
    /// Cases that it did not.
    pub failed: usize,
}

/// A failure and all that went over the wire before it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was expected and what came.
    pub failure: Failure,
    /// A line per packet, in hex.
    pub transcript: Vec<String>,
}

/// How many lines of a transcript a report shows, the last ones.
const SHOWN: usize = 30;

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.failure)?;
        let earlier = self.transcript.len().saturating_sub(SHOWN);
        if earlier > 0 {
            write!(f, "\n      … {earlier} lines before")?;
        }
        for line in &self.transcript[earlier..] {
            write!(f, "\n      {line}")?;
        }
        Ok(())
    }
}

/// Runs one case in a scene of its own.
///
/// # Errors
/// The broker does not keep the statement.
pub fn run_one(broker: &Broker, case: &Case) -> Result<(), Box<Report>> {
    let scene = Scene::new(broker, case.version(), case.id);
    case.run(&scene).map_err(|failure| {
        Box::new(Report {
            failure,
            transcript: scene.transcript(),
        })
    })
}

/// Runs all cases on `jobs` threads, prints a line for each as it ends, and cleans up.
#[must_use]
pub fn run_all(broker: &Broker, cases: &[Case], jobs: usize) -> Summary {
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::default());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run_one(broker, case);
                    let mut summary = summary.lock().expect("no thread panics while it prints");
                    match result {
                        Ok(()) => {
                            summary.passed += 1;
                            println!("ok      {} {}", case.id, case.name);
                        }
                        Err(report) => {
                            summary.failed += 1;
                            println!(
                                "FAILED  {} {}\n    {}\n    {report}",
                                case.id, case.name, case.title
                            );
                        }
                    }
                }
            });
        }
    });
    if let Err(failure) = broker.clean_up() {
        println!("note: the clean-up did not end well: {failure}");
    }
    summary.into_inner().expect("no thread panicked")
}
