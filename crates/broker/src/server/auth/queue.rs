//! What waits to be judged: one of each address in turn, so that whoever asks much waits for it alone.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// A queue for each address; those over a Unix socket have one together. Whoever is next in its queue
/// waits for as many others as there are addresses, and not for all that wait.
pub(super) struct FairQueue<T> {
    waiting: HashMap<Option<IpAddr>, VecDeque<T>>,
    /// Addresses of which something waits, each once.
    turns: VecDeque<Option<IpAddr>>,
    length: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        FairQueue {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            length: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many of this address wait.
    pub(super) fn len_of(&self, address: Option<IpAddr>) -> usize {
        self.waiting.get(&address).map_or(0, VecDeque::len)
    }

    pub(super) fn push(&mut self, address: Option<IpAddr>, item: T) {
        let queue = self.waiting.entry(address).or_default();
        if queue.is_empty() {
            self.turns.push_back(address);
        }
        queue.push_back(item);
        self.length += 1;
    }

    /// The next one of the address whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let address = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&address)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&address);
        } else {
            self.turns.push_back(address);
        }
        self.length -= 1;
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_turn() {
        let mut queue = FairQueue::default();
        let [flood, quiet] = [1, 2].map(|n| Some(IpAddr::from([192, 0, 2, n])));
        (0..4).for_each(|n| queue.push(flood, n));
        queue.push(quiet, 10);
        queue.push(None, 20);
        queue.push(quiet, 11);
        assert_eq!((queue.len(), queue.len_of(flood)), (7, 4));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 10, 20, 1, 11, 2, 3]);
        assert_eq!((queue.len(), queue.len_of(flood)), (0, 0));
        queue.push(flood, 5);
        assert_eq!(queue.pop(), Some(5));
    }
}
