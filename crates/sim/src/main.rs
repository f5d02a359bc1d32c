//! Runs seeds: `--seeds 1000 --from 0` many of them, `--seed 42 --trace` one for a person to read;
//! with `--durable` the broker has a log and crashes often.

use std::process::ExitCode;

use dunlin_core::Durability;
use dunlin_sim::trace::Trace;
use dunlin_sim::{Outcome, Tally, run};

const USAGE: &str = "usage: dunlin-sim [--from N] [--seeds N] | --seed N [--trace] [--durable]";

struct Arguments {
    from: u64,
    seeds: u64,
    trace: bool,
    durability: Durability,
}

fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut tally = Tally::default();
    let mut failed = 0;
    for seed in arguments.from..arguments.from + arguments.seeds {
        let trace = if arguments.trace {
            Trace::shown()
        } else {
            Trace::hidden()
        };
        let run = || run(seed, arguments.durability, trace);
        let Ok(outcome) = std::panic::catch_unwind(run) else {
            failed += 1;
            println!("seed {seed}: a panic");
            continue;
        };
        tally.add(&outcome.tally);
        if !outcome.violations.is_empty() {
            failed += 1;
            report(seed, arguments.durability, &outcome);
        }
    }
    println!("{} seeds, {failed} failed: {tally:?}", arguments.seeds);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments {
        from: 0,
        seeds: 100,
        trace: false,
        durability: Durability::Memory,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--durable" => arguments.durability = Durability::Log,
            "--trace" => arguments.trace = true,
            "--from" => arguments.from = words.next()?.parse().ok()?,
            "--seeds" => arguments.seeds = words.next()?.parse().ok()?,
            "--seed" => {
                arguments.from = words.next()?.parse().ok()?;
                arguments.seeds = 1;
            }
            _ => return None,
        }
    }
    Some(arguments)
}

fn report(seed: u64, durability: Durability, outcome: &Outcome) {
    println!("seed {seed}: {} promises broken", outcome.violations.len());
    for violation in outcome.violations.iter().take(5) {
        println!("  {}: {}", violation.checker, violation.what);
    }
    let durable = match durability {
        Durability::Memory => "",
        Durability::Log => " --durable",
    };
    println!("  cargo run -p dunlin-sim --release -- --seed {seed} --trace{durable}");
}
