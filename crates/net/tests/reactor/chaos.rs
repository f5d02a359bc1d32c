//! Random operations in a random order, from a seed: whatever happens to a connection, both
//! streams of bytes arrive whole and in order.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use dunlin_net::{ConnectionId, ReactorConfig, Transport, WriteState};

use crate::world::World;

/// xorshift64*: enough to shuffle operations.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (mixed >> 33) as usize % bound
    }
}

/// Byte `position` of every stream.
fn byte_at(position: usize) -> u8 {
    (position % 251 + position / 251) as u8
}

fn bytes_from(position: usize, length: usize) -> Vec<u8> {
    (position..position + length).map(byte_at).collect()
}

/// One connection, seen from both of its ends.
struct Pair {
    client: TcpStream,
    place: Place,
    blocked: bool,
    sent_up: usize,
    received_up: usize,
    sent_down: usize,
    received_down: usize,
}

enum Place {
    At(usize, ConnectionId),
    Between(Transport),
}

struct Chaos {
    worlds: [World; 2],
    pairs: Vec<Pair>,
    random: Random,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let world = || {
            World::new(ReactorConfig {
                scratch_bytes: 5000,
                ..ReactorConfig::default()
            })
        };
        let mut worlds = [world(), world()];
        let pairs = (0..6).map(|number| {
            let (client, id) = worlds[number % 2].connect();
            client.set_nonblocking(true).unwrap();
            Pair {
                client,
                place: Place::At(number % 2, id),
                blocked: false,
                sent_up: 0,
                received_up: 0,
                sent_down: 0,
                received_down: 0,
            }
        });
        let pairs = pairs.collect();
        Self {
            worlds,
            pairs,
            random: Random(seed),
        }
    }

    fn step(&mut self) {
        let which = self.random.below(self.pairs.len());
        let length = 1 + self.random.below(200_000);
        match self.random.below(9) {
            0 | 1 => self.client_writes(which, length),
            2 | 3 => self.client_reads(which, length),
            4 | 5 => self.server_writes(which, length),
            6 => self.pause_or_resume(which),
            7 => self.moves(which),
            _ => self.turn(),
        }
    }

    fn client_writes(&mut self, which: usize, length: usize) {
        let pair = &mut self.pairs[which];
        match pair.client.write(&bytes_from(pair.sent_up, length)) {
            Ok(count) => pair.sent_up += count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    fn client_reads(&mut self, which: usize, length: usize) {
        let pair = &mut self.pairs[which];
        let mut bytes = vec![0; length];
        match pair.client.read(&mut bytes) {
            Ok(count) => {
                assert_eq!(bytes[..count], bytes_from(pair.received_down, count));
                pair.received_down += count;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    fn server_writes(&mut self, which: usize, length: usize) {
        let pair = &mut self.pairs[which];
        let Place::At(world, id) = pair.place else {
            return;
        };
        let written = self.worlds[world].write(id, &bytes_from(pair.sent_down, length));
        pair.sent_down += written.bytes;
        assert_ne!(written.state, WriteState::Gone);
        let blocked = written.state == WriteState::Blocked;
        assert!(blocked || !pair.blocked, "blocked, and nobody was told");
        pair.blocked = blocked;
    }

    fn pause_or_resume(&mut self, which: usize) {
        let Place::At(world, id) = self.pairs[which].place else {
            return;
        };
        let reactor = &mut self.worlds[world].reactor;
        match self.random.below(2) {
            0 => reactor.pause(id),
            _ => reactor.resume(id),
        }
    }

    fn moves(&mut self, which: usize) {
        let to = self.random.below(2);
        let pair = &mut self.pairs[which];
        let stale = Place::At(usize::MAX, ConnectionId::new(u32::MAX, 0));
        pair.place = match std::mem::replace(&mut pair.place, stale) {
            Place::At(world, id) => {
                let transport = self.worlds[world].reactor.detach(id).unwrap();
                pair.blocked = false;
                Place::Between(transport)
            }
            Place::Between(transport) => {
                Place::At(to, self.worlds[to].reactor.attach(transport).unwrap())
            }
        };
    }

    fn turn(&mut self) {
        for (number, world) in self.worlds.iter_mut().enumerate() {
            let now = Some(Duration::ZERO);
            world.reactor.turn(now, &mut world.heard).unwrap();
            assert!(world.heard.closed.is_empty(), "{:?}", world.heard.closed);
            for pair in &mut self.pairs {
                let Place::At(place, id) = pair.place else {
                    continue;
                };
                if place != number {
                    continue;
                }
                if let Some(bytes) = world.heard.received.remove(&id) {
                    assert_eq!(bytes, bytes_from(pair.received_up, bytes.len()));
                    pair.received_up += bytes.len();
                }
                if world.heard.writable.contains(&id) {
                    assert!(pair.blocked, "writable without a block");
                    pair.blocked = false;
                }
            }
            world.heard.writable.clear();
            assert!(world.heard.received.is_empty(), "bytes of nobody");
        }
    }

    /// No more disturbance: everything that was sent has to arrive.
    fn finish(&mut self) {
        for which in 0..self.pairs.len() {
            if let Place::Between(_) = self.pairs[which].place {
                self.moves(which);
            }
            let Place::At(world, id) = self.pairs[which].place else {
                unreachable!("just attached");
            };
            self.worlds[world].reactor.resume(id);
        }
        for _ in 0..100_000 {
            self.turn();
            for which in 0..self.pairs.len() {
                self.client_reads(which, 200_000);
            }
            let arrived = |pair: &Pair| {
                pair.received_up == pair.sent_up
                    && pair.received_down == pair.sent_down
                    && !pair.blocked
            };
            if self.pairs.iter().all(arrived) {
                return;
            }
        }
        panic!("something did not arrive");
    }
}

#[test]
fn bytes_arrive_whole_and_in_order_whatever_happens() {
    for seed in 1..=8 {
        println!("seed {seed}"); // Shown when the test fails.
        let mut chaos = Chaos::new(seed);
        for _ in 0..1500 {
            chaos.step();
        }
        chaos.finish();
        assert!(chaos.pairs.iter().all(|pair| pair.received_up > 0));
    }
}
