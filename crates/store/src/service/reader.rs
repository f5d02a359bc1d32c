//! The thread that reads entries back.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::{Client, News};
use crate::files::File;
use crate::key::Key;
use crate::read::Reading;

/// Entries to be read.
pub(super) struct Order<F> {
    pub(super) client: usize,
    pub(super) tag: u64,
    pub(super) reading: Reading<F>,
    /// Entries that could not be written yet.
    pub(super) unwritten: Vec<(Key, Vec<u8>)>,
}

pub(super) struct Reader<F, C> {
    orders: Receiver<Order<F>>,
    clients: Arc<[C]>,
}

impl<F: File, C: Client> Reader<F, C> {
    pub(super) fn new(orders: Receiver<Order<F>>, clients: Arc<[C]>) -> Self {
        Reader { orders, clients }
    }

    /// Reads until the log thread has ended.
    pub(super) fn run(self) {
        for order in self.orders {
            let mut found = order.reading.run();
            found.complete(|key| {
                let entry = order.unwritten.iter().find(|(other, _)| *other == key);
                entry.map(|(_, content)| &content[..])
            });
            self.clients[order.client].tell(News::Found {
                tag: order.tag,
                found,
            });
        }
    }
}
