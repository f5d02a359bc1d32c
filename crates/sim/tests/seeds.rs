//! A fixed set of seeds, with everything that can go wrong.

use dunlin_core::Durability;
use dunlin_sim::run;
use dunlin_sim::trace::Trace;

#[test]
fn every_promise_is_kept_with_200_seeds() {
    for seed in 0..200 {
        let violations = run(seed, Durability::Memory, Trace::hidden()).violations;
        assert!(
            violations.is_empty(),
            "{violations:#?}\ncargo run -p dunlin-sim --release -- --seed {seed} --trace"
        );
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in 0..10 {
        assert_eq!(
            run(seed, Durability::Memory, Trace::hidden()),
            run(seed, Durability::Memory, Trace::hidden()),
            "seed {seed}"
        );
    }
}
