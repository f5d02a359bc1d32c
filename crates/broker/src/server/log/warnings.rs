//! What an operator should know of although Clients can cause it as often as they like: of each kind,
//! a line now and then.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use dunlin_core::{Ending, Event};
use dunlin_packet::ReasonCode;

/// The time for which one line stands.
const INTERVAL: Duration = Duration::from_secs(10);

/// The warnings of one thread.
#[derive(Debug, Default)]
pub(in crate::server) struct Warnings {
    turned_away: Ration,
    guessed: Ration,
    banned: Ration,
    refused: Ration,
    slowed: Ration,
    too_fast: Ration,
}

impl Warnings {
    /// A connection was not let in.
    pub(in crate::server) fn turned_away(&mut self, cause: &dyn Display) {
        match self.turned_away.take(Instant::now()) {
            Some(unsaid) => tracing::warn!(unsaid, "a connection was turned away: {cause}"),
            None => tracing::debug!("a connection was turned away: {cause}"),
        }
    }

    /// Wrong credentials have come from an address from which they came before.
    pub(in crate::server) fn guessed(&mut self, address: Option<IpAddr>) {
        let Some(unsaid) = self.guessed.take(Instant::now()) else {
            return;
        };
        let address = address.map_or("a Unix socket".to_owned(), |address| address.to_string());
        tracing::warn!(%address, unsaid, "wrong credentials come again and again: they are answered late");
    }

    /// Something has happened, which may be worth a warning.
    pub(in crate::server) fn hear(&mut self, event: &Event) {
        let (ration, client_id, what) = match event {
            Event::Banned { client_id } => {
                let what = "has connected too often, and is banned for a while";
                (&mut self.banned, client_id, what)
            }
            Event::Refused {
                client_id,
                reason: ReasonCode::Banned,
                ..
            } => {
                let what = "is banned, and was refused";
                (&mut self.refused, client_id, what)
            }
            Event::Slowed { client_id } => {
                let what = "sends too fast, and is slowed down";
                (&mut self.slowed, client_id, what)
            }
            Event::Disconnected {
                client_id,
                ending: Ending::MessageRateTooHigh | Ending::ByteRateTooHigh,
                ..
            } => {
                let what = "went on sending too fast, and is disconnected";
                (&mut self.too_fast, client_id, what)
            }
            _ => return,
        };
        if let Some(unsaid) = ration.take(Instant::now()) {
            tracing::warn!(client_id = &**client_id, unsaid, "a Client {what}");
        }
    }
}

/// One line in an interval.
#[derive(Debug, Default)]
struct Ration {
    next: Option<Instant>,
    unsaid: u64,
}

impl Ration {
    /// Something has happened. If it is to be written, says how often it was not since it was.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.unsaid += 1;
            return None;
        }
        self.next = Some(now + INTERVAL);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_now_and_then() {
        let (mut ration, start) = (Ration::default(), Instant::now());
        assert_eq!(ration.take(start), Some(0));
        for _ in 0..1000 {
            assert_eq!(ration.take(start + Duration::from_secs(9)), None);
        }
        assert_eq!(ration.take(start + INTERVAL), Some(1000));
    }
}
