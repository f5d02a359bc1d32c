//! Sessions: one connection per Client Identifier at most; a Session begins and ends exactly when it
//! should, and CONNACK says whether there was one.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::End;
use crate::history::History;
use crate::network::{Link, LinkNumber};

/// Which Sessions there must be, by Client.
#[derive(Debug, Default)]
pub struct Sessions {
    known: BTreeMap<usize, State>,
    /// Clients whose Session has ended for a reason that has not been seen yet.
    unexplained: Vec<usize>,
}

#[derive(Debug)]
struct State {
    exists: bool,
    connected: Option<LinkNumber>,
    /// Session Expiry Interval in seconds.
    expiry: u32,
    disconnected_at: u64,
    /// After a crash the broker may know only later than that, or not at all.
    known_by: u64,
    /// Its connections since the last crash, each with when the one before it was lost. Of those
    /// that their Client has not been told of, the log may not know.
    connections: Vec<(LinkNumber, u64)>,
}

impl State {
    /// Since when the Session has no connection, as far as the log may know at the least.
    fn detached_since(&self, now: u64, history: &History) -> u64 {
        let last = match self.connected {
            Some(_) => now,
            None => self.disconnected_at,
        };
        let connections = self.connections.iter().rev();
        let unknown = connections.take_while(|(link, _)| !history.greeted.contains(link));
        unknown.map(|(_, before)| *before).fold(last, u64::min)
    }

    /// When it ends, at the earliest and at the latest.
    fn expires_at(&self) -> RangeInclusive<u64> {
        let lives = u64::from(self.expiry) * 1000;
        self.disconnected_at + lives..=self.known_by + lives
    }
}

impl Sessions {
    /// A CONNECT was accepted.
    pub fn connected(
        &mut self,
        now: u64,
        number: LinkNumber,
        link: &Link,
        session_present: bool,
        expiry: u32,
        history: &mut History,
    ) {
        let client = link.client;
        let state = self.known.entry(client).or_insert(State {
            exists: false,
            connected: None,
            expiry: 0,
            disconnected_at: now,
            known_by: now,
            connections: Vec::new(),
        });
        if let Some(other) = state.connected {
            let what = format!("c{client} is on links {other} and {number} at once");
            history.violation("sessions", what);
        }
        let clean = link.hello.clean_start;
        if clean {
            self.unexplained.retain(|it| *it != client);
        }
        if session_present != (state.exists && !clean) {
            let what = format!("c{client}: Session Present {session_present}: {state:?}");
            history.violation("sessions", what);
        }
        state.connections.push((number, state.disconnected_at));
        (state.exists, state.connected, state.expiry) = (true, Some(number), expiry);
    }

    /// A connection has ended, perhaps with a new Session Expiry Interval; gives the one that counts.
    pub fn disconnected(
        &mut self,
        now: u64,
        number: LinkNumber,
        link: &Link,
        expiry: Option<u32>,
        history: &mut History,
    ) -> u32 {
        let client = link.client;
        let Some(state) = self.known.get_mut(&client) else {
            return 0;
        };
        if state.connected != Some(number) {
            let what = format!("c{client}: the end of link {number}, which was not its: {state:?}");
            history.violation("sessions", what);
        }
        state.connected = None;
        (state.disconnected_at, state.known_by) = (now, now);
        state.expiry = expiry.unwrap_or(state.expiry);
        if state.expiry == 0 {
            self.unexplained.retain(|it| *it != client);
        }
        state.expiry
    }

    /// A Session has ended.
    pub fn ended(&mut self, now: u64, client: usize) {
        if let Some(state) = self.known.get_mut(&client) {
            state.exists = false;
            if state.connected.is_some() || !state.expires_at().contains(&now) {
                self.unexplained.push(client);
            }
        }
    }

    /// The broker has crashed; `expiry` is that of the Session that is there again. True: there was a
    /// durable one, and it is not there.
    pub fn crash(
        &mut self,
        now: u64,
        client: usize,
        expiry: Option<u32>,
        history: &History,
    ) -> bool {
        let before = self.known.remove(&client);
        let state = before.as_ref();
        let disconnected_at = state.map_or(now, |state| state.detached_since(now, history));
        let Some(expiry) = expiry else {
            return before.is_some_and(|state| state.exists && state.expiry > 0);
        };
        self.known.insert(
            client,
            State {
                exists: true,
                connected: None,
                expiry,
                disconnected_at,
                known_by: now,
                connections: Vec::new(),
            },
        );
        false
    }

    /// All that one input has set off was seen.
    pub fn end_of_input(&mut self, now: u64, history: &mut History) {
        for client in self.unexplained.drain(..) {
            history.violation(
                "sessions",
                format!("the Session of c{client} ended for no reason"),
            );
        }
        for (client, state) in &self.known {
            if state.exists && state.connected.is_none() && *state.expires_at().end() < now {
                let what = format!("the Session of c{client} lives too long: {state:?}");
                history.violation("sessions", what);
            }
        }
    }
}

/// At rest every Client has one Session, on one shard, the one where it belongs.
pub fn check(end: &End<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeMap::new();
    for shard in &end.shards {
        for (client_id, _) in shard.sessions() {
            if let Some(other) = seen.insert(client_id.to_owned(), shard.id()) {
                found.push(format!(
                    "{client_id} is on shards {other} and {}",
                    shard.id()
                ));
            }
            if shard.home_of_session(client_id) != shard.id() {
                found.push(format!(
                    "{client_id} is on shard {}, not at home",
                    shard.id()
                ));
            }
        }
        let gauges = shard.gauges();
        if !end.plan.tiny && gauges.sessions_connected != gauges.sessions {
            found.push(format!(
                "shard {}: not everybody is connected: {gauges:?}",
                shard.id()
            ));
        }
    }
    found
}
