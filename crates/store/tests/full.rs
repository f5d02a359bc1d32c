//! Disks without room: what is in the log stays, and a checkpoint makes room again.

mod model;

use std::collections::BTreeSet;

use dunlin_store::Error;
use model::Model;

#[test]
fn a_full_disk_loses_nothing_that_was_stable() {
    for seed in 0..200 {
        let mut model = Model::new(seed);
        let disk = model.disk.clone();
        model.options.segment = 64 << 10; // All frames fit.
        model.options.reserve = 192 << 10;
        let (mut log, _) = model.reopen();
        disk.set_capacity(400_000 + model.random.below(300_000));
        let mut steps = 0;
        let error = loop {
            steps += 1;
            let done = match steps {
                ..300 => model.step(&mut log),
                _ => model.append(&mut log, &[]),
            };
            if let Err(error) = done {
                break error;
            }
        };
        assert!(matches!(error, Error::Full(_)), "{error}");
        assert!(log.is_full(), "it was full before there was no room at all");
        model
            .sync(&mut log)
            .expect("what is written can be made stable");
        drop(log);
        disk.reboot();
        let (mut log, _) = model.reopen();
        // There is room again, and it goes on.
        disk.set_capacity(usize::MAX);
        log.make_room();
        assert!(!log.is_full());
        for _ in 0..50 {
            model.step(&mut log).expect("there is room");
        }
    }
}

#[test]
fn segments_are_written_again() {
    let mut model = Model::new(5);
    model.options.segment = 64 << 10; // All frames fit.
    model.options.reuse = 1 << 20;
    let (mut log, _) = model.reopen();
    let mut names = BTreeSet::new();
    for _ in 0..20 {
        for _ in 0..200 {
            model.append(&mut log, &[]).expect("there is room");
        }
        model.sync(&mut log).expect("it works");
        names.extend(model.disk.contents().into_keys());
        model.forget_all();
        model.checkpoint(&mut log).expect("it works");
        while log.clean(0).expect("it works") {}
        names.extend(model.disk.contents().into_keys());
    }
    let count = |suffix| names.iter().filter(|name| name.ends_with(suffix)).count();
    let numbers = names.iter().filter_map(|name| name.strip_prefix("new-"));
    let made = numbers.filter_map(|number| number.strip_suffix(".spare")?.parse().ok());
    let made: usize = made.max().expect("there is one in reserve");
    assert!(
        made * 4 < count(".log"),
        "{made} files were made for {names:?}"
    );
    assert!(model.disk.used() < 2 << 20, "{}", model.disk.used());
}

#[test]
fn the_reserve_is_enough_to_make_room() {
    let mut model = Model::new(3);
    let disk = model.disk.clone();
    model.options.segment = 64 << 10;
    model.options.reserve = 192 << 10;
    let (mut log, _) = model.reopen();
    disk.set_capacity(1_000_000);
    while !log.is_full() {
        model.append(&mut log, &[]).expect("there is the reserve");
    }
    model.sync(&mut log).expect("it works");
    model.forget_all();
    model.checkpoint(&mut log).expect("there is the reserve");
    while log.clean(0).expect("there is the reserve") {}
    log.make_room();
    assert!(!log.is_full());
    assert!(log.statistics().bytes < 20_000);
    assert!(disk.used() < 400_000, "{}", disk.used());
    drop(log);
    disk.reboot();
    model.reopen();
}

#[test]
fn the_limit_is_kept() {
    let mut model = Model::new(3);
    model.options.limit = 100_000;
    let (mut log, _) = model.reopen();
    let error = loop {
        if let Err(error) = model.append(&mut log, &[]) {
            break error;
        }
    };
    assert!(matches!(error, Error::Full(_)), "{error}");
    assert!(log.statistics().disk <= 100_000);
    assert!(model.disk.used() <= 100_000);
}
