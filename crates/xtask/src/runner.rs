//! Running chosen steps one after the other, timing each, and the summary at the end.

use std::time::{Duration, Instant};

use crate::tally::Tally;

/// One thing that `cargo xtask test` checks.
pub(crate) struct Step {
    /// What the command line calls it.
    pub(crate) name: &'static str,
    /// One line for `cargo xtask steps`.
    pub(crate) about: &'static str,
    /// Whether it must report tests of its own; a step that reports none has then failed.
    pub(crate) kind: Kind,
    /// Does it. The tally is what test runners reported.
    pub(crate) run: fn() -> anyhow::Result<Tally>,
}

/// What a step is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It passes or fails as a whole, and counts as one test.
    Check,
    /// It runs tests, at least one.
    Tests,
}

/// What to do with the remaining steps when one has failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Leave them out; the summary says so.
    Stop,
    /// Run them all the same.
    KeepGoing,
}

/// The steps to run, in their order.
pub(crate) struct Selection {
    steps: Vec<&'static Step>,
}

impl Selection {
    /// The steps of `all` that begin with one of `names`; every step if `names` is empty.
    ///
    /// # Errors
    /// A name that no step begins with.
    pub(crate) fn new(all: &'static [Step], names: &[String]) -> anyhow::Result<Selection> {
        for name in names {
            if !all.iter().any(|step| step.name.starts_with(name.as_str())) {
                anyhow::bail!("no step is called {name}; `cargo xtask steps` lists them");
            }
        }
        let chosen = |step: &&Step| {
            names.is_empty()
                || names
                    .iter()
                    .any(|name| step.name.starts_with(name.as_str()))
        };
        Ok(Selection {
            steps: all.iter().filter(chosen).collect(),
        })
    }
}

/// How one step ended.
struct Outcome {
    name: &'static str,
    took: Duration,
    tally: Tally,
}

/// Runs the steps and prints the summary; true if all of them passed.
pub(crate) fn run(selection: &Selection, on_failure: OnFailure) -> bool {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for step in &selection.steps {
        println!("\n== {}: {}", step.name, step.about);
        let outcome = run_step(step);
        let failed = outcome.tally.failed > 0;
        println!(
            "== {}: {} in {:.1} s",
            step.name,
            outcome.tally,
            outcome.took.as_secs_f64()
        );
        outcomes.push(outcome);
        if failed && on_failure == OnFailure::Stop {
            break;
        }
    }
    summarise(&selection.steps, &outcomes)
}

fn run_step(step: &'static Step) -> Outcome {
    let start = Instant::now();
    let tally = match ((step.run)(), step.kind) {
        (Ok(tally), Kind::Check) if tally.failed == 0 => Tally::ONE_PASSED,
        (Ok(tally), Kind::Tests) if tally.is_empty() => {
            println!("error: step {} ran no test", step.name);
            Tally { failed: 1, ..tally }
        }
        (Ok(tally), _) => tally,
        (Err(error), _) => {
            println!("error: step {} failed: {error:#}", step.name);
            Tally {
                failed: 1,
                ..Tally::default()
            }
        }
    };
    Outcome {
        name: step.name,
        took: start.elapsed(),
        tally,
    }
}

fn summarise(steps: &[&Step], outcomes: &[Outcome]) -> bool {
    let mut total = Tally::default();
    println!("\n== summary");
    for outcome in outcomes {
        let seconds = outcome.took.as_secs_f64();
        println!("{:20} {seconds:7.1} s   {}", outcome.name, outcome.tally);
        total += outcome.tally;
    }
    for step in &steps[outcomes.len()..] {
        println!("{:20}       not run", step.name);
    }
    if let Some(failed) = outcomes.iter().find(|outcome| outcome.tally.failed > 0) {
        println!(
            "\nTo repeat what failed first: cargo xtask test {}",
            failed.name
        );
    }
    println!("\n{total}");
    total.failed == 0
}
