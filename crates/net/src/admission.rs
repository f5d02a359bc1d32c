//! Who is let in before anything is read: how many connections there may be, how fast they may come,
//! and from where they may not.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::address_range::{AddressRange, counted_as};
use crate::{Address, ListenerId};

/// Addresses without a connection whose pace is remembered. One more, and the oldest is forgotten:
/// it may be as fast as one that was never seen.
const REMEMBERED: usize = 65_536;

/// What a rate is counted over; also what may come at once after some quiet.
const SECOND: Duration = Duration::from_secs(1);

/// The bounds of connections. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionRules {
    /// Connections at the same time.
    pub connections: Option<usize>,
    /// Connections at the same time that came in by one listener.
    pub connections_of_listener: HashMap<ListenerId, usize>,
    /// Connections at the same time from one address; of IPv6, from one /64.
    pub connections_per_address: Option<usize>,
    /// Connections that are accepted in a second. Further ones wait in the kernel.
    pub connect_rate: Option<u32>,
    /// Connections that are accepted from one address (of IPv6, from one /64) in a second. Further
    /// ones are closed at once.
    pub connect_rate_per_address: Option<u32>,
    /// Addresses from which nobody is let in.
    pub banned: Vec<AddressRange>,
}

/// Why a connection is closed before anything is read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// There are as many as there may be.
    #[error("the maximum of {0} connections is reached")]
    Full(usize),
    /// There are as many as the listener may have.
    #[error("the maximum of {0} connections of the listener is reached")]
    ListenerFull(usize),
    /// The address has as many as it may have.
    #[error("the maximum of {0} connections of an address is reached")]
    AddressFull(usize),
    /// They come too fast from its address.
    #[error("more than {0} connections in a second come from its address")]
    AddressTooFast(u32),
    /// The address is banned.
    #[error("its address is banned")]
    Banned,
}

/// How many connections were closed for each [`Denial`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DenialCounters {
    /// [`Denial::Full`] and [`Denial::ListenerFull`].
    pub full: u64,
    /// [`Denial::AddressFull`].
    pub address_full: u64,
    /// [`Denial::AddressTooFast`].
    pub address_too_fast: u64,
    /// [`Denial::Banned`].
    pub banned: u64,
}

/// Lets connections in, or not. All reactors of a process share one: a clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Admission(Arc<Mutex<Books>>);

impl Admission {
    /// One that keeps to `rules`.
    pub fn new(rules: AdmissionRules) -> Self {
        let admission = Self::default();
        admission.set_rules(rules);
        admission
    }

    /// Keeps to these rules from now on. Connections that are there stay, and count.
    pub fn set_rules(&self, rules: AdmissionRules) {
        self.books().rules = rules;
    }

    /// What was not let in so far.
    pub fn denials(&self) -> DenialCounters {
        self.books().denials
    }

    /// Until when nothing is to be accepted, as enough has been; `None`: something may be.
    pub(crate) fn closed_until(&self, now: Instant) -> Option<Instant> {
        let books = self.books();
        let rate = books.rules.connect_rate?;
        books.pace.closed_until(rate, now)
    }

    /// Lets a connection in that `listener` has accepted. Without an address, as a proxy is in between,
    /// [`Permit::identify`] has to follow.
    pub(crate) fn admit(
        &self,
        listener: ListenerId,
        address: Option<Address>,
        now: Instant,
    ) -> Result<Permit, Denial> {
        let address = address.and_then(Address::ip).map(|address| address.ip());
        let mut books = self.books();
        let outcome = books.enter(listener, address, now);
        books.count(outcome)?;
        drop(books);
        Ok(Permit {
            admission: self.clone(),
            listener,
            address,
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

/// One connection that was let in. Its place is free when this is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Admission,
    listener: ListenerId,
    address: Option<IpAddr>,
}

impl Permit {
    /// The proxy has said where the connection comes from. If that is denied it is to be closed.
    /// What is said again changes nothing.
    pub(crate) fn identify(&mut self, address: Address, now: Instant) -> Result<(), Denial> {
        let address = address.ip().map(|address| address.ip());
        let Some(address) = address.filter(|_| self.address.is_none()) else {
            return Ok(());
        };
        let mut books = self.admission.books();
        let outcome = books.enter_address(address, now);
        books.count(outcome)?;
        self.address = Some(address);
        Ok(())
    }

    /// Whether its address is banned by now.
    pub(crate) fn is_banned(&self) -> bool {
        let books = self.admission.books();
        self.address.is_some_and(|address| books.bans(address))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut books = self.admission.books();
        books.leave(self.listener, self.address, Instant::now());
    }
}

/// Who is there.
#[derive(Debug, Default)]
struct Books {
    rules: AdmissionRules,
    open: usize,
    of_listeners: HashMap<ListenerId, usize>,
    addresses: HashMap<IpAddr, Account>,
    /// Addresses without a connection, and when they can be forgotten.
    quiet: VecDeque<(Instant, IpAddr)>,
    pace: Pace,
    denials: DenialCounters,
}

/// What is known of one address.
#[derive(Debug, Default)]
struct Account {
    open: usize,
    pace: Pace,
}

impl Books {
    /// All or nothing.
    fn enter(
        &mut self,
        listener: ListenerId,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(), Denial> {
        let rules = &self.rules;
        if let Some(maximum) = rules.connections.filter(|maximum| self.open >= *maximum) {
            return Err(Denial::Full(maximum));
        }
        let of_listener = self.of_listeners.get(&listener).copied().unwrap_or(0);
        let maximum = rules.connections_of_listener.get(&listener).copied();
        if let Some(maximum) = maximum.filter(|maximum| of_listener >= *maximum) {
            return Err(Denial::ListenerFull(maximum));
        }
        if let Some(address) = address {
            self.enter_address(address, now)?;
        }
        if let Some(rate) = self.rules.connect_rate {
            self.pace.take(rate, now);
        }
        self.open += 1;
        *self.of_listeners.entry(listener).or_default() += 1;
        Ok(())
    }

    fn enter_address(&mut self, address: IpAddr, now: Instant) -> Result<(), Denial> {
        if self.bans(address) {
            return Err(Denial::Banned);
        }
        self.forget_quiet(now);
        let account = self.addresses.entry(counted_as(address)).or_default();
        let maximum = self.rules.connections_per_address;
        if let Some(maximum) = maximum.filter(|maximum| account.open >= *maximum) {
            return Err(Denial::AddressFull(maximum));
        }
        if let Some(rate) = self.rules.connect_rate_per_address {
            if account.pace.closed_until(rate, now).is_some() {
                return Err(Denial::AddressTooFast(rate));
            }
            account.pace.take(rate, now);
        }
        account.open += 1;
        Ok(())
    }

    fn leave(&mut self, listener: ListenerId, address: Option<IpAddr>, now: Instant) {
        self.open -= 1;
        if let Some(count) = self.of_listeners.get_mut(&listener) {
            *count -= 1;
        }
        let Some(address) = address.map(counted_as) else {
            return;
        };
        if let Some(account) = self.addresses.get_mut(&address) {
            account.open -= 1;
            if account.open == 0 {
                let until = account.pace.due.unwrap_or(now);
                self.quiet.push_back((until, address));
                self.forget_quiet(now);
            }
        }
    }

    /// Forgets addresses whose pace means nothing any more, and the oldest if there are too many.
    fn forget_quiet(&mut self, now: Instant) {
        while let Some(&(until, address)) = self.quiet.front() {
            let is_crowded = self.quiet.len() > REMEMBERED;
            if until > now && !is_crowded {
                return;
            }
            self.quiet.pop_front();
            let is_quiet = |account: &Account| {
                account.open == 0 && (is_crowded || account.pace.due.is_none_or(|due| due <= now))
            };
            if self.addresses.get(&address).is_some_and(is_quiet) {
                self.addresses.remove(&address);
            }
        }
    }

    fn bans(&self, address: IpAddr) -> bool {
        self.rules
            .banned
            .iter()
            .any(|range| range.contains(address))
    }

    fn count(&mut self, outcome: Result<(), Denial>) -> Result<(), Denial> {
        let denials = &mut self.denials;
        *match outcome {
            Ok(()) => return Ok(()),
            Err(Denial::Full(_) | Denial::ListenerFull(_)) => &mut denials.full,
            Err(Denial::AddressFull(_)) => &mut denials.address_full,
            Err(Denial::AddressTooFast(_)) => &mut denials.address_too_fast,
            Err(Denial::Banned) => &mut denials.banned,
        } += 1;
        outcome
    }
}

/// How fast something comes: so many in a second, and after some quiet as many at once.
#[derive(Debug, Default)]
struct Pace {
    /// When all that has come would have been due, one after the other.
    due: Option<Instant>,
}

impl Pace {
    /// Until when one more would be too fast, if it is now.
    fn closed_until(&self, rate: u32, now: Instant) -> Option<Instant> {
        let next = self.due? + SECOND / rate.max(1);
        (next > now + SECOND).then(|| next - SECOND)
    }

    fn take(&mut self, rate: u32, now: Instant) {
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + SECOND / rate.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOOR: ListenerId = ListenerId(1);
    const OTHER_DOOR: ListenerId = ListenerId(2);

    fn address(last: u8) -> Option<Address> {
        Some(Address::Ip(([192, 0, 2, last], 4711).into()))
    }

    fn denial(outcome: Result<Permit, Denial>) -> Denial {
        outcome.expect_err("it is denied")
    }

    #[test]
    fn places_are_bounded_in_all_for_each_listener_and_for_each_address() {
        let admission = Admission::new(AdmissionRules {
            connections: Some(4),
            connections_of_listener: HashMap::from([(DOOR, 3)]),
            connections_per_address: Some(2),
            ..AdmissionRules::default()
        });
        let now = Instant::now();
        let enter = |door, from| admission.admit(door, address(from), now);
        let first = enter(DOOR, 1).unwrap();
        let _second = enter(DOOR, 1).unwrap();
        assert_eq!(denial(enter(DOOR, 1)), Denial::AddressFull(2));
        let _third = enter(DOOR, 2).unwrap();
        assert_eq!(denial(enter(DOOR, 3)), Denial::ListenerFull(3));
        let _fourth = enter(OTHER_DOOR, 3).unwrap();
        assert_eq!(denial(enter(OTHER_DOOR, 4)), Denial::Full(4));
        drop(first);
        enter(DOOR, 1).unwrap();
        let denials = admission.denials();
        assert_eq!((denials.full, denials.address_full), (2, 1));
    }

    #[test]
    fn what_is_denied_takes_no_place() {
        let admission = Admission::new(AdmissionRules {
            connections: Some(1),
            connections_per_address: Some(1),
            banned: vec!["192.0.2.9".parse().unwrap()],
            ..AdmissionRules::default()
        });
        let now = Instant::now();
        for _ in 0..3 {
            let outcome = admission.admit(DOOR, address(9), now);
            assert_eq!(denial(outcome), Denial::Banned);
        }
        let mut behind_proxy = admission.admit(DOOR, None, now).unwrap();
        let banned = behind_proxy.identify(address(9).unwrap(), now);
        assert_eq!(banned, Err(Denial::Banned));
        drop(behind_proxy);
        let permit = admission.admit(DOOR, address(1), now).unwrap();
        drop(permit);
        let books = admission.books();
        assert_eq!((books.open, books.addresses.len()), (0, 0));
    }

    #[test]
    fn a_proxy_does_not_stand_for_those_behind_it() {
        let admission = Admission::new(AdmissionRules {
            connections_per_address: Some(1),
            ..AdmissionRules::default()
        });
        let now = Instant::now();
        let enter = || admission.admit(DOOR, None, now).unwrap();
        let (mut one, mut other, mut again) = (enter(), enter(), enter());
        assert_eq!(one.identify(address(1).unwrap(), now), Ok(()));
        assert_eq!(other.identify(address(2).unwrap(), now), Ok(()));
        let full = again.identify(address(1).unwrap(), now);
        assert_eq!(full, Err(Denial::AddressFull(1)));
        drop(again);
        drop(one);
        assert_eq!(enter().identify(address(1).unwrap(), now), Ok(()));
    }

    #[test]
    fn a_rate_is_kept_to_and_bursts_are_a_seconds_worth() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut taken = 0;
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            while pace.closed_until(50, now).is_none() {
                pace.take(50, now);
                taken += 1;
            }
            let allowed = 50 + millisecond * 50 / 1000;
            assert!(taken <= allowed, "{taken} after {millisecond} ms");
            assert!(taken + 1 >= allowed, "{taken} after {millisecond} ms");
        }
    }

    #[test]
    fn an_address_that_is_too_fast_is_denied_and_another_is_not() {
        let admission = Admission::new(AdmissionRules {
            connect_rate_per_address: Some(2),
            ..AdmissionRules::default()
        });
        let now = Instant::now();
        let enter = |from, now| admission.admit(DOOR, address(from), now).map(drop);
        assert_eq!(enter(1, now), Ok(()));
        assert_eq!(enter(1, now), Ok(()));
        assert_eq!(enter(1, now), Err(Denial::AddressTooFast(2)));
        assert_eq!(enter(2, now), Ok(()));
        let later = now + Duration::from_millis(501);
        assert_eq!(enter(1, later), Ok(()));
        assert_eq!(enter(1, later), Err(Denial::AddressTooFast(2)));
    }

    #[test]
    fn addresses_that_are_quiet_are_forgotten() {
        let admission = Admission::new(AdmissionRules {
            connect_rate_per_address: Some(1),
            ..AdmissionRules::default()
        });
        let now = Instant::now();
        for n in 0..u32::try_from(REMEMBERED).unwrap() + 100 {
            let from = Address::Ip((std::net::Ipv4Addr::from(n), 1).into());
            drop(admission.admit(DOOR, Some(from), now).unwrap());
        }
        assert_eq!(admission.books().addresses.len(), REMEMBERED);
        let later = now + Duration::from_secs(2);
        admission.books().forget_quiet(later);
        assert_eq!(admission.books().addresses.len(), 0);
    }
}
