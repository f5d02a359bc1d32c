//! Waking a reactor, and mailboxes, across threads.

use std::thread;
use std::time::{Duration, Instant};

use dunlin_net::mailbox::{ReceiverGone, mailbox};

use crate::world::World;

#[test]
fn a_sleeping_reactor_is_woken() {
    let mut world = World::default();
    world.settle();
    let waker = world.reactor.waker();
    thread::scope(|scope| {
        scope.spawn(move || waker.wake());
        while world.heard.woken == 0 {
            world.reactor.turn(None, &mut world.heard).unwrap();
        }
    });
    world.settle();
    assert_eq!(world.heard.woken, 1);
}

#[test]
fn wakes_before_a_turn_are_one_and_the_turn_does_not_wait() {
    let mut world = World::default();
    for _ in 0..5 {
        world.reactor.waker().wake();
    }
    // Would hang if the wake were lost: nobody else ends this wait.
    world.reactor.turn(None, &mut world.heard).unwrap();
    assert_eq!(world.heard.woken, 1);
    world.settle();
    assert_eq!(world.heard.woken, 1);
    world.reactor.waker().wake();
    world.turn();
    assert_eq!(world.heard.woken, 2);
}

#[test]
fn no_batch_is_lost_between_racing_senders_and_a_sleeping_receiver() {
    const SENDERS: u32 = 3;
    const BATCHES: u32 = 2000;
    let mut world = World::default();
    let (sender, mut receiver) = mailbox::<(u32, u32)>(world.reactor.waker());
    let mut all = Vec::new();
    thread::scope(|scope| {
        for name in 0..SENDERS {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..BATCHES {
                    let mut batch = vec![(name, 2 * number), (name, 2 * number + 1)];
                    sender.send(&mut batch).unwrap();
                    assert!(batch.is_empty());
                }
            });
        }
        let total = (SENDERS * BATCHES * 2) as usize;
        while all.len() < total {
            // A lost wake would show as a turn that nothing ends in time.
            let (started, long) = (Instant::now(), Duration::from_secs(10));
            world.reactor.turn(Some(long), &mut world.heard).unwrap();
            assert!(started.elapsed() < long, "nobody woke the receiver");
            receiver.take(&mut all);
        }
    });
    assert_eq!(sender.backlog(), 0);
    for name in 0..SENDERS {
        let of_one = all.iter().filter(|item| item.0 == name).map(|item| item.1);
        assert!(of_one.eq(0..2 * BATCHES), "order of one sender is kept");
    }
}

#[test]
fn only_the_first_batch_wakes_and_the_backlog_counts_items() {
    let mut world = World::default();
    let (sender, mut receiver) = mailbox(world.reactor.waker());
    sender.send(&mut vec![1, 2]).unwrap();
    world.turn();
    assert_eq!(world.heard.woken, 1);
    sender.send(&mut vec![3]).unwrap();
    sender.send(&mut Vec::new()).unwrap();
    world.settle();
    assert_eq!(world.heard.woken, 1);
    assert_eq!(sender.backlog(), 3);

    let mut taken = vec![0];
    receiver.take(&mut taken);
    assert_eq!(taken, [0, 1, 2, 3]);
    assert_eq!(sender.backlog(), 0);
    receiver.take(&mut taken);
    assert_eq!(taken.len(), 4);
}

#[test]
fn a_batch_for_a_receiver_that_is_gone_comes_back() {
    let world = World::default();
    let (sender, receiver) = mailbox(world.reactor.waker());
    sender.send(&mut vec![1]).unwrap();
    drop(receiver);
    assert_eq!(sender.backlog(), 0);
    let mut batch = vec![2, 3];
    assert_eq!(sender.send(&mut batch), Err(ReceiverGone));
    assert_eq!(batch, [2, 3]);
}
