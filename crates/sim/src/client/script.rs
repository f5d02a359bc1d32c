//! What a Client does next: a draw from everything that it can do.

use super::{Client, Desk, Phase};
use crate::plan::{Faults, Role};
use crate::rng::Rng;

/// What a Client does that concerns its connection as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing of that kind.
    Nothing,
    /// Opens a connection; another one that it has is left to itself.
    Connect,
    /// Has said DISCONNECT, with this Session Expiry Interval.
    Disconnect(Option<u32>),
    /// The connection breaks.
    Break,
    /// Does not read for a while.
    Stall,
}

impl Client {
    /// Does something.
    pub fn act(
        &mut self,
        desk: &mut Desk<'_>,
        faults: &Faults,
        one_retainer: Option<usize>,
    ) -> Deed {
        let calm = faults.breaks == 0 && faults.takeovers == 0;
        match self.phase {
            Phase::Offline => return Deed::Connect,
            // Some do not wait for CONNACK to come, and may be taken over by what they said before.
            Phase::Connecting if desk.rng.percent(20) && !calm => return Deed::Connect,
            Phase::Connecting => return Deed::Nothing,
            Phase::Online => {}
        }
        if self.draining {
            return Deed::Nothing;
        }
        if self.wire.silent {
            self.wire.silent = desk.rng.percent(95);
            return Deed::Nothing;
        }
        if let Some(deed) = self.mischief(desk.rng, faults) {
            return deed;
        }
        if self.plan.role == Role::Reader && desk.rng.percent(60) {
            self.read_again(desk);
            return Deed::Nothing;
        }
        let is_worker = self.plan.role != Role::Peer;
        let publishing = if is_worker { 0 } else { 60 };
        let subscribing = if self.plan.role == Role::Reader {
            0
        } else if self.memory.filters.is_empty() {
            40
        } else {
            10
        };
        let leaving = if calm { 0 } else { 3 };
        match desk
            .rng
            .weighted(&[publishing, subscribing, 4, 3, 8, leaving])
        {
            0 => {
                for _ in 0..1 + desk.rng.below(4) {
                    self.publish(desk, one_retainer);
                }
            }
            1 => self.subscribe(desk),
            2 => self.unsubscribe(desk),
            3 => self.ping(desk),
            4 => {
                let holding = !self.wire.holding;
                self.hold(desk, holding);
            }
            _ => return Deed::Disconnect(self.disconnect(desk)),
        }
        Deed::Nothing
    }

    fn mischief(&mut self, rng: &mut Rng, faults: &Faults) -> Option<Deed> {
        let Faults {
            breaks,
            stalls,
            silences,
            takeovers,
            ..
        } = *faults;
        match rng.bits() % 1000 {
            n if n < breaks => Some(Deed::Break),
            n if n < breaks + stalls => Some(Deed::Stall),
            n if n < breaks + stalls + silences => {
                self.wire.silent = true;
                Some(Deed::Nothing)
            }
            n if n < breaks + stalls + silences + takeovers => Some(Deed::Connect),
            _ => None,
        }
    }

    /// The run is to end: everything that was kept back goes out, and nothing new begins.
    pub fn drain(&mut self, desk: &mut Desk<'_>) {
        self.draining = true;
        self.wire.silent = false;
        if self.phase == Phase::Online {
            self.hold(desk, false);
        }
    }
}
