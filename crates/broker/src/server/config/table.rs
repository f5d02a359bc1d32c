//! The tables of a configuration, each with its keys and the tables within it.

use super::keys::{self, Key};
use super::settings::{ListenerSettings, Settings};
use super::value::{Kind, Value};
use super::{BridgeConfig, BridgeTopic};

/// Settings that are set by the paths of their keys.
pub(super) trait Table {
    /// What the key at `path` takes; `None`: there is no such key.
    fn kind(&self, path: &str) -> Option<Kind>;

    /// Sets a key that there is.
    fn set(&mut self, path: &str, value: Value) -> Result<(), String>;

    /// The paths of all keys.
    fn paths(&self) -> Vec<&'static str>;

    /// The names of the lists of tables in it.
    fn lists(&self) -> &'static [&'static str] {
        &[]
    }

    /// A further table of such a list.
    fn add(&mut self, name: &str) -> Option<&mut dyn Table> {
        let _ = name;
        None
    }
}

fn find<'k, S>(keys: &'k [Key<S>], path: &str) -> Option<&'k Key<S>> {
    keys.iter().find(|key| key.path == path)
}

fn set<S>(keys: &[Key<S>], settings: &mut S, path: &str, value: Value) -> Result<(), String> {
    match find(keys, path) {
        Some(key) => key.set(settings, value),
        None => Err("there is no such key".to_owned()),
    }
}

impl Table for Settings {
    fn kind(&self, path: &str) -> Option<Kind> {
        let inherited = || keys::inherited().find(|key| key.path == path);
        find(keys::PROCESS, path)
            .map(|key| key.kind)
            .or_else(|| inherited().map(|key| key.kind))
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        match find(keys::PROCESS, path) {
            Some(key) => key.set(self, value),
            None => set(keys::LISTENER, &mut self.defaults, path, value),
        }
    }

    fn paths(&self) -> Vec<&'static str> {
        let own = keys::PROCESS.iter().map(|key| key.path);
        own.chain(keys::inherited().map(|key| key.path)).collect()
    }

    fn lists(&self) -> &'static [&'static str] {
        &["listener", "bridge"]
    }

    fn add(&mut self, name: &str) -> Option<&mut dyn Table> {
        match name {
            "listener" => {
                self.listeners.push(ListenerSettings::default());
                self.listeners.last_mut().map(|it| it as &mut dyn Table)
            }
            "bridge" => {
                self.bridges.push(BridgeConfig::default());
                self.bridges.last_mut().map(|it| it as &mut dyn Table)
            }
            _ => None,
        }
    }
}

impl Table for ListenerSettings {
    fn kind(&self, path: &str) -> Option<Kind> {
        find(keys::LISTENER, path).map(|key| key.kind)
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        set(keys::LISTENER, self, path, value)
    }

    fn paths(&self) -> Vec<&'static str> {
        keys::LISTENER.iter().map(|key| key.path).collect()
    }
}

impl Table for BridgeConfig {
    fn kind(&self, path: &str) -> Option<Kind> {
        find(keys::BRIDGE, path).map(|key| key.kind)
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        set(keys::BRIDGE, self, path, value)
    }

    fn paths(&self) -> Vec<&'static str> {
        keys::BRIDGE.iter().map(|key| key.path).collect()
    }

    fn lists(&self) -> &'static [&'static str] {
        &["topic"]
    }

    fn add(&mut self, name: &str) -> Option<&mut dyn Table> {
        if name != "topic" {
            return None;
        }
        self.topics.push(BridgeTopic::default());
        self.topics.last_mut().map(|it| it as &mut dyn Table)
    }
}

impl Table for BridgeTopic {
    fn kind(&self, path: &str) -> Option<Kind> {
        find(keys::TOPIC, path).map(|key| key.kind)
    }

    fn set(&mut self, path: &str, value: Value) -> Result<(), String> {
        set(keys::TOPIC, self, path, value)
    }

    fn paths(&self) -> Vec<&'static str> {
        keys::TOPIC.iter().map(|key| key.path).collect()
    }
}
