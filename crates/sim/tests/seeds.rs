//! A fixed set of seeds, with everything that can go wrong.

use dunlin_core::Durability;
use dunlin_sim::run;
use dunlin_sim::trace::Trace;

fn keeps_every_promise(durability: Durability) {
    for seed in 0..200 {
        let violations = run(seed, durability, Trace::hidden()).violations;
        let durable = match durability {
            Durability::Memory => "",
            Durability::Log => " --durable",
        };
        assert!(
            violations.is_empty(),
            "{violations:#?}\ncargo run -p dunlin-sim --release -- --seed {seed} --trace{durable}"
        );
    }
}

#[test]
fn every_promise_is_kept_with_200_seeds() {
    keeps_every_promise(Durability::Memory);
}

#[test]
fn every_promise_is_kept_over_crashes_with_200_seeds() {
    keeps_every_promise(Durability::Log);
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..10 {
        let again = || run(seed, Durability::Log, Trace::hidden());
        assert_eq!(again(), again(), "seed {seed}");
    }
}
