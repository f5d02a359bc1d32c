//! Who may not connect: by name, and Clients that come again and again.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::Limits;
use crate::time::Timestamp;

/// Names that are not let in. Their CONNECT is refused with Banned (0x8A).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bans {
    /// Client Identifiers.
    pub client_ids: BTreeSet<Box<str>>,
    /// User Names.
    pub user_names: BTreeSet<Box<str>>,
}

impl Bans {
    /// Whether one of the names is among them.
    pub fn apply_to(&self, client_id: &str, user_name: Option<&str>) -> bool {
        self.client_ids.contains(client_id)
            || user_name.is_some_and(|user_name| self.user_names.contains(user_name))
    }
}

/// Client Identifiers that are remembered in a generation; there are two of them. One more, and the
/// older generation is forgotten.
const GENERATION: usize = 10_000;

/// How often Clients have connected lately, by the hash of their Client Identifier. Of two that have
/// the same hash, which nobody can bring about, one counts for the other.
pub(crate) struct Flapping {
    young: Habits,
    old: Habits,
}

type Habits = HashMap<u64, Habit, FixedState>;

#[derive(Clone, Copy, Debug)]
struct Habit {
    /// When counting began.
    since: Timestamp,
    /// CONNECT packets that were accepted since then.
    connects: u32,
    banned_until: Timestamp,
}

/// What becomes of a Client that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comeback {
    /// It is let in.
    Welcome,
    /// That was once too often: it is banned from now on.
    BannedNow,
}

impl Flapping {
    /// Nobody has connected yet.
    pub(crate) fn new(seed: u64) -> Self {
        let habits = || HashMap::with_hasher(FixedState::with_seed(seed));
        Flapping {
            young: habits(),
            old: habits(),
        }
    }

    /// Whether a Client is banned, as it has come too often.
    pub(crate) fn bans(&self, hash: u64, now: Timestamp) -> bool {
        let habit = self.young.get(&hash).or_else(|| self.old.get(&hash));
        habit.is_some_and(|habit| now < habit.banned_until)
    }

    /// Counts a CONNECT that is about to be accepted.
    pub(crate) fn count(&mut self, hash: u64, limits: &Limits, now: Timestamp) -> Comeback {
        let Some(most) = limits.flapping_connects else {
            return Comeback::Welcome;
        };
        let habit = self.habit(hash, now);
        if habit.since.after(limits.flapping_window) <= now {
            habit.since = now;
            habit.connects = 0;
        }
        habit.connects += 1;
        if habit.connects <= most {
            return Comeback::Welcome;
        }
        habit.banned_until = now.after(limits.flapping_ban);
        // After the ban it begins anew.
        habit.since = habit.banned_until;
        habit.connects = 0;
        Comeback::BannedNow
    }

    /// What is known of a Client, in the younger generation.
    fn habit(&mut self, hash: u64, now: Timestamp) -> &mut Habit {
        if !self.young.contains_key(&hash) {
            if self.young.len() >= GENERATION {
                std::mem::swap(&mut self.young, &mut self.old);
                self.young.clear();
            }
            let known = self.old.remove(&hash).unwrap_or(Habit {
                since: now,
                connects: 0,
                banned_until: Timestamp::default(),
            });
            self.young.insert(hash, known);
        }
        self.young.get_mut(&hash).expect("it was just put there")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        Limits {
            flapping_connects: Some(3),
            flapping_window: Duration::from_secs(10),
            flapping_ban: Duration::from_secs(60),
            ..Limits::default()
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn who_comes_too_often_is_banned_for_a_while() {
        let (mut flapping, limits) = (Flapping::new(1), limits());
        for second in [0, 1, 2] {
            assert_eq!(flapping.count(7, &limits, at(second)), Comeback::Welcome);
        }
        assert_eq!(flapping.count(7, &limits, at(3)), Comeback::BannedNow);
        assert!(flapping.bans(7, at(62)) && !flapping.bans(7, at(63)));
        assert!(!flapping.bans(8, at(4)), "another is not");
        for second in [63, 64, 65] {
            assert_eq!(flapping.count(7, &limits, at(second)), Comeback::Welcome);
        }
        assert_eq!(flapping.count(7, &limits, at(66)), Comeback::BannedNow);
    }

    #[test]
    fn who_comes_now_and_then_is_always_welcome() {
        let (mut flapping, limits) = (Flapping::new(1), limits());
        for n in 0..1000 {
            assert_eq!(flapping.count(7, &limits, at(4 * n)), Comeback::Welcome);
        }
    }

    #[test]
    fn a_flood_of_names_is_forgotten_and_who_came_lately_is_not() {
        let (mut flapping, limits) = (Flapping::new(1), limits());
        for hash in 0..3 * GENERATION as u64 {
            for _ in 0..4 {
                flapping.count(hash, &limits, at(1));
            }
        }
        assert!(flapping.young.len() + flapping.old.len() <= 2 * GENERATION);
        assert!(!flapping.bans(0, at(2)));
        assert!(flapping.bans(2 * GENERATION as u64, at(2)));
    }
}
