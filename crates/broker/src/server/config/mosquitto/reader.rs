//! Reads all lines of all files, in order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{Files, included};
use super::line::{Line, lines};
use super::{
    JudgedLine, Judgement, Reading, Verdict, bridge, elsewhere, general, listener, logging,
};
use crate::server::config::Durability;
use crate::server::config::error::ConfigError;
use crate::server::config::settings::{ListenerSettings, Settings};
use crate::server::config::spelling;

/// Lines that are read at most, over all files.
const MOST_LINES: usize = 100_000;

/// Reads a `mosquitto.conf` and what it includes. Without a listener in it, `port` is opened for this
/// machine alone.
///
/// # Errors
/// The main file cannot be read. What is wrong in it is in the judgements of its lines.
pub(crate) fn read(
    path: &Path,
    files: &dyn Files,
    port: Option<u16>,
) -> Result<Reading, ConfigError> {
    let text = files.read(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = Reader::new(files);
    reader.file(path, &text, Include::Allowed);
    Ok(reader.finish(port))
}

/// What has been read so far.
pub(super) struct Reader<'f> {
    files: &'f dyn Files,
    pub(super) settings: Settings,
    pub(super) listeners: Listeners,
    pub(super) log: logging::Log,
    pub(super) persistence: general::Persistence,
    /// Options with a text as their value, and to what they belonged: each may be given once.
    given: Vec<(String, Option<usize>)>,
    lines: Vec<JudgedLine>,
}

/// The listeners that have been read, and the one to which lines belong.
#[derive(Default)]
pub(super) struct Listeners {
    /// The one of `port` and `bind_address`, which also takes what stands before any `listener`.
    pub(super) standard: listener::Listener,
    pub(super) own: Vec<listener::Listener>,
    /// Whether authentication belongs to the listener, and not to all.
    pub(super) per_listener: bool,
}

impl Listeners {
    /// The one to which lines belong now.
    pub(super) fn current(&mut self) -> &mut listener::Listener {
        self.own.last_mut().unwrap_or(&mut self.standard)
    }
}

/// Whether a file may include others: only the main one may.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Include {
    Allowed,
    Forbidden,
}

impl<'f> Reader<'f> {
    fn new(files: &'f dyn Files) -> Self {
        Reader {
            files,
            settings: super::defaults(),
            listeners: Listeners::default(),
            log: logging::Log::default(),
            persistence: general::Persistence::default(),
            given: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn file(&mut self, path: &Path, text: &str, include: Include) {
        for line in lines(text) {
            if self.lines.len() >= MOST_LINES {
                return;
            }
            if line.name == "include_dir" {
                self.include(path, line, include);
                continue;
            }
            let judgement = match self.option(line.name, line.value) {
                Ok(judgement) => judgement,
                Err(reason) => Judgement::Refused(reason),
            };
            self.judge(path, line, judgement);
        }
    }

    fn include(&mut self, path: &Path, line: Line<'_>, include: Include) {
        if include == Include::Forbidden {
            let reason = "only the main file may include others";
            return self.judge(path, line, Judgement::Ignored(reason.to_owned()));
        }
        let paths = match included(self.files, Path::new(line.value)) {
            Ok(paths) if !line.value.is_empty() => paths,
            Ok(_) => {
                let reason = "a value is missing".to_owned();
                return self.judge(path, line, Judgement::Refused(reason));
            }
            Err(error) => {
                let reason = format!("the directory cannot be read: {error}");
                return self.judge(path, line, Judgement::Refused(reason));
            }
        };
        self.judge(path, line, Judgement::Accepted);
        for included in paths {
            match self.files.read(&included) {
                Ok(text) => self.file(&included, &text, Include::Forbidden),
                Err(error) => {
                    let reason = format!("{} cannot be read: {error}", included.display());
                    self.judge(path, line, Judgement::Refused(reason));
                }
            }
        }
    }

    fn judge(&mut self, path: &Path, line: Line<'_>, judgement: Judgement) {
        let secret = [
            "password",
            "remote_password",
            "local_password",
            "bridge_psk",
        ];
        let value = match secret.contains(&line.name) {
            true => "***",
            false => line.value,
        };
        self.lines.push(JudgedLine {
            path: path.to_owned(),
            number: line.number,
            text: format!("{} {value}", line.name).trim_end().to_owned(),
            judgement,
        });
    }

    /// Takes one option.
    fn option(&mut self, name: &str, value: &str) -> Verdict {
        general::take(self, name, value)
            .or_else(|| logging::take(self, name, value))
            .or_else(|| listener::take(self, name, value))
            .or_else(|| bridge::take(self, name, value))
            .or_else(|| elsewhere::take(name, value))
            .unwrap_or_else(|| Err(unknown(name)))
    }

    /// Notes that an option has been given to something, which can be done once.
    pub(super) fn once(&mut self, name: &str, owner: Option<usize>) -> Result<(), String> {
        let given = (name.to_owned(), owner);
        if self.given.contains(&given) {
            return Err(format!("{name} is given twice"));
        }
        self.given.push(given);
        Ok(())
    }

    /// Concludes what follows from all lines together.
    fn finish(mut self, port: Option<u16>) -> Reading {
        let end = self.lines.last().cloned();
        let mut refuse = |reason: String| {
            let (path, number) = match &end {
                Some(line) => (line.path.clone(), line.number),
                None => (PathBuf::new(), 0),
            };
            self.lines.push(JudgedLine {
                path,
                number,
                text: String::new(),
                judgement: Judgement::Refused(reason),
            });
        };
        for bridge in &self.settings.bridges {
            if let Err(reason) = bridge::check(bridge) {
                refuse(reason);
            }
        }
        let (listeners, local) = listener::finish(self.listeners, port);
        match listeners {
            Ok(listeners) => self.settings.listeners = listeners,
            Err(reason) => refuse(reason),
        }
        if local == listener::Local::Only {
            let anonymous = &mut self.settings.defaults.allow_anonymous;
            *anonymous = anonymous.or(Some(true));
        }
        self.settings.listen = Some(Vec::new());
        self.settings.log = self.log.meant();
        self.settings.data_dir = self.persistence.directory();
        self.settings.mosquitto_db = self.persistence.database();
        if self.settings.data_dir.is_none() {
            self.settings.durability = Durability::None;
        }
        if self.settings.sys_interval < Duration::from_millis(1) {
            self.settings.sys_interval = Duration::ZERO;
        }
        Reading {
            settings: self.settings,
            lines: self.lines,
        }
    }
}

/// Where options of authentication go: to all listeners, or to the current one.
pub(super) fn access<'r>(reader: &'r mut Reader<'_>) -> &'r mut ListenerSettings {
    match reader.listeners.per_listener {
        true => &mut reader.listeners.current().settings,
        false => &mut reader.settings.defaults,
    }
}

fn unknown(name: &str) -> String {
    let nearest = elsewhere::NAMES.iter().copied();
    match spelling::nearest(name, nearest) {
        Some(option) => format!("there is no option {name}; did you mean {option}?"),
        None => format!("there is no option {name}"),
    }
}
