//! The thread that reads entries back.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::{Client, News};
use crate::files::File;
use crate::history::History;
use crate::key::Key;
use crate::read::Reading;

/// What is to be read, and for whom.
pub(super) struct Order<F> {
    pub(super) client: usize,
    pub(super) tag: u64,
    pub(super) what: What<F>,
}

/// What is to be read.
pub(super) enum What<F> {
    /// Entries by their keys.
    Entries {
        reading: Reading<F>,
        /// Entries that could not be written yet.
        unwritten: Vec<(Key, Vec<u8>)>,
    },
    /// A part of the log.
    History(History<F>),
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
        for Order { client, tag, what } in self.orders {
            let news = match what {
                What::Entries { reading, unwritten } => {
                    let mut found = reading.run();
                    found.complete(|key| {
                        let entry = unwritten.iter().find(|(other, _)| *other == key);
                        entry.map(|(_, content)| &content[..])
                    });
                    News::Found { tag, found }
                }
                What::History(history) => News::Past {
                    tag,
                    past: history.run(),
                },
            };
            self.clients[client].tell(news);
        }
    }
}
