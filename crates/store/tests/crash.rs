//! Crashes at every kind of moment: what was stable is there again, in order, and nothing half.

mod model;

use dunlin_store::{Error, Log};
use model::{Model, options};

/// Runs a log until the power fails, over and over.
fn crash_often(seed: u64) {
    let mut model = Model::new(seed);
    let disk = model.disk.clone();
    for _ in 0..12 {
        let operations = 1 + model.random.below(400) as u64;
        disk.crash_at(disk.operations() + operations);
        // It may fail while the log is opened, too.
        let opened = Log::open(disk.files(), options(), |_| ());
        if let Ok((mut log, _)) = opened {
            while model.step(&mut log).is_ok() {}
        }
        disk.reboot();
        let (log, _) = model.reopen();
        drop(log);
    }
}

#[test]
fn what_was_stable_is_there_after_every_crash() {
    for seed in 0..400 {
        crash_often(seed);
    }
}

#[test]
fn what_was_written_is_there_after_the_process_was_killed() {
    for seed in 0..50 {
        let mut model = Model::new(seed);
        let disk = model.disk.clone();
        for _ in 0..5 {
            let (mut log, _) = model.reopen();
            for _ in 0..model.random.below(200) {
                model.step(&mut log).expect("nothing fails");
            }
            disk.restart();
            model.stable = model.frames.len();
        }
        model.reopen();
    }
}

#[test]
fn a_failed_sync_is_the_last_thing_that_happens() {
    for seed in 0..200 {
        let mut model = Model::new(seed);
        let disk = model.disk.clone();
        let (mut log, _) = model.reopen();
        disk.fail_sync_at(disk.operations() + model.random.below(300) as u64);
        let error = loop {
            if let Err(error) = model.step(&mut log) {
                break error;
            }
        };
        assert!(matches!(error, Error::Io { action: "sync", .. }), "{error}");
        assert!(matches!(log.sync(), Err(Error::Poisoned)));
        assert!(matches!(model.append(&mut log, &[]), Err(Error::Poisoned)));
        drop(log);
        disk.reboot();
        model.reopen();
    }
}
