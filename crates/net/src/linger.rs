//! Which closed connections still wait for the peer's FIN, oldest first.
//!
//! A socket that is closed while bytes from the peer are unread, or before they arrive, answers
//! them with RST, and RST destroys what we wrote last before the peer has read it. So a closed
//! connection sends its FIN and stays, discarding, until the peer's FIN or a limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ConnectionId;
use crate::table::Table;

/// The waiting line. Connections that end by themselves stay in it as dead entries, which are
/// skipped, and swept out before they outnumber the live ones.
#[derive(Debug)]
pub(crate) struct Linger {
    time: Duration,
    line: VecDeque<(Instant, ConnectionId)>,
    live: usize,
}

impl Linger {
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            time,
            line: VecDeque::new(),
            live: 0,
        }
    }

    /// How many connections linger.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn push(&mut self, id: ConnectionId, table: &Table) {
        if self.line.len() > 2 * self.live + 64 {
            self.line.retain(|&(_, id)| table.contains(id));
        }
        self.line.push_back((Instant::now() + self.time, id));
        self.live += 1;
    }

    /// One connection of the line was taken out of the table.
    pub(crate) fn ended(&mut self) {
        self.live -= 1;
    }

    /// The next connection to cut, if its time is over.
    pub(crate) fn expired(&mut self, now: Instant, table: &Table) -> Option<ConnectionId> {
        let (deadline, id) = self.oldest(table)?;
        (deadline <= now).then_some(id)
    }

    /// The connection that lingers longest, and until when it may.
    pub(crate) fn oldest(&mut self, table: &Table) -> Option<(Instant, ConnectionId)> {
        while let Some(&(deadline, id)) = self.line.front() {
            if table.contains(id) {
                return Some((deadline, id));
            }
            self.line.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::table::Connection;

    fn connection() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Connection::new(stream.into(), None)
    }

    #[test]
    fn the_line_stays_short_behind_one_that_does_not_end() {
        let mut table = Table::default();
        let mut linger = Linger::new(Duration::from_secs(3600));
        let stubborn = table.insert(connection());
        linger.push(stubborn, &table);
        for _ in 0..1000 {
            let brief = table.insert(connection());
            linger.push(brief, &table);
            table.remove(brief).unwrap();
            linger.ended();
        }
        assert_eq!(linger.live(), 1);
        assert!(linger.line.len() <= 100, "{} entries", linger.line.len());
        assert_eq!(linger.oldest(&table).unwrap().1, stubborn);
    }
}
