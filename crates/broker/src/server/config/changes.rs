//! What is different between two configurations, and which of it a reload can change.

use std::fmt;

use super::keys::{self, Change as When, Key};
use super::settings::{ListenerSettings, Settings};
use super::value::Kind;

/// A key with another value than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The key, with the listener or bridge that it belongs to.
    key: String,
    /// From what to what, unless that is secret.
    values: Option<(String, String)>,
    when: When,
}

impl Difference {
    /// Whether it takes effect with a reload.
    pub(crate) fn is_immediate(&self) -> bool {
        self.when == When::Reload
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key)?;
        if let Some((from, to)) = &self.values {
            write!(f, ": {from} -> {to}")?;
        }
        match self.when {
            When::Reload => Ok(()),
            When::Restart => write!(f, " (needs a restart)"),
        }
    }
}

/// Everything that `new` says otherwise than `old`.
pub(super) fn between(old: &Settings, new: &Settings) -> Vec<Difference> {
    let mut found = differences("", keys::PROCESS, old, new);
    found.extend(differences(
        "",
        keys::inherited(),
        &old.defaults,
        &new.defaults,
    ));
    if old.authentication != new.authentication {
        found.push(Difference {
            key: "auth".to_owned(),
            values: None,
            when: When::Reload,
        });
    }
    of_listeners(&mut found, old, new);
    let bridge = |settings: &Settings, n: usize| settings.bridges.get(n).cloned();
    for n in 0..old.bridges.len().max(new.bridges.len()) {
        let (old, new) = (bridge(old, n), bridge(new, n));
        if old != new {
            let name = old.or(new).map(|bridge| bridge.name);
            found.push(restart(format!("bridge {}", name.unwrap_or_default())));
        }
    }
    found
}

/// Listeners are the same if they have the same address.
fn of_listeners(found: &mut Vec<Difference>, old: &Settings, new: &Settings) {
    for listener in &old.listeners {
        let name = listener.address.clone().unwrap_or_default();
        let same = new
            .listeners
            .iter()
            .find(|it| it.address == listener.address);
        match same {
            Some(same) => {
                let within = format!("listener {name}: ");
                found.extend(differences(&within, keys::LISTENER, listener, same));
            }
            None => found.push(restart(format!("listener {name} is gone"))),
        }
    }
    for listener in &new.listeners {
        if old
            .listeners
            .iter()
            .all(|it| it.address != listener.address)
        {
            let name = listener.address.as_deref().unwrap_or_default();
            found.push(restart(format!("listener {name} is new")));
        }
    }
}

fn restart(key: String) -> Difference {
    Difference {
        key,
        values: None,
        when: When::Restart,
    }
}

fn differences<'k, S: 'static>(
    within: &str,
    keys: impl IntoIterator<Item = &'k Key<S>>,
    old: &S,
    new: &S,
) -> Vec<Difference> {
    let difference = |key: &'k Key<S>| {
        let (from, to) = (key.get(old), key.get(new));
        (from != to).then(|| Difference {
            key: format!("{within}{}", key.path),
            values: (key.kind != Kind::Secret).then(|| (key.kind.show(&from), key.kind.show(&to))),
            when: key.change,
        })
    };
    keys.into_iter().filter_map(difference).collect()
}

/// Takes over from `new` whatever a reload can change.
pub(super) fn take_over(running: &mut Settings, new: &Settings) {
    take_over_keys(keys::PROCESS, running, new);
    running.authentication = new.authentication.clone();
    take_over_keys(keys::LISTENER, &mut running.defaults, &new.defaults);
    for listener in &mut running.listeners {
        let same = |it: &&ListenerSettings| it.address == listener.address;
        if let Some(same) = new.listeners.iter().find(same) {
            take_over_keys(keys::LISTENER, listener, same);
        }
    }
}

fn take_over_keys<S>(keys: &[Key<S>], running: &mut S, new: &S) {
    for key in keys.iter().filter(|key| key.change == When::Reload) {
        key.set(running, key.get(new))
            .expect("what a field gives it takes");
    }
}
