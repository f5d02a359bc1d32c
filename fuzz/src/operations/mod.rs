//! Any bytes at all, read as operations on one to three shards and the connections to them.
//!
//! | file | what it has |
//! |---|---|
//! | `input` | choices out of bytes |
//! | `packets` | Clients' packets, whole and from small alphabets, so that they have to do with each other |
//! | `world` | the shards with all that a driver does for them, one step at a time |
//! | `seat` | one connection as its Client sees it: what is promised there |

mod input;
mod packets;
mod seat;
mod world;

use input::Input;
use world::World;

/// Operations that are carried out of one input.
const OPERATIONS: usize = 300;

/// Panics where the shards break a promise.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new(&mut input);
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.operate(&mut input);
        world.check();
    }
    world.settle();
    world.check_settled();
    world.end();
}
