//! Where a configuration comes from: a file, the environment, the command line. Each wins over the
//! one before it.

use std::path::Path;

use super::address;
use super::error::{ConfigError, Place, Problem};
use super::keys;
use super::mosquitto::{self, Files, JudgedLine, Judgement};
use super::settings::Settings;
use super::table::Table;
use super::toml_file;
use crate::server::options::ServerOptions;

/// What was written, and where most of it stands.
pub(super) struct Written {
    pub(super) settings: Settings,
    pub(super) file: Place,
    /// The lines of a `mosquitto.conf`, with what is made of them.
    pub(super) lines: Vec<JudgedLine>,
}

/// What kind of file a configuration is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Mosquitto,
}

impl Format {
    /// By the end of the file's name; otherwise it is TOML if it can be read as such and says anything.
    fn of(path: &Path, text: &str) -> Self {
        let end = path.extension().and_then(|end| end.to_str());
        match end {
            Some("toml") => Format::Toml,
            Some("conf") => Format::Mosquitto,
            _ => match toml::de::DeTable::parse(text) {
                Ok(table) if !table.get_ref().is_empty() => Format::Toml,
                _ => Format::Mosquitto,
            },
        }
    }
}

/// Reads everything that the command line names and the environment has.
///
/// # Errors
/// A file that cannot be read, or everything that is wrong in it. Lines of a `mosquitto.conf` that
/// are refused are not in the error, but in `lines`: see [`Written::refused`].
pub(super) fn read(
    options: &ServerOptions,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Written, ConfigError> {
    let mut written = match &options.config {
        Some(path) => read_file(path, options.port)?,
        None => without_file(options.port),
    };
    let settings = &mut written.settings;
    read_environment(settings, environment)?;
    for (path, text) in &options.keys {
        set(settings, path, text, |path| {
            Place::Flag(format!("--{}", keys::flag(path)))
        })?;
    }
    Ok(written)
}

impl Written {
    /// The lines that are refused, if there are any.
    pub(super) fn refused(&self) -> Result<(), ConfigError> {
        let refused = self.lines.iter().filter_map(|line| match &line.judgement {
            Judgement::Refused(reason) => Some((line.place(), line.problem(reason))),
            _ => None,
        });
        let refused: Vec<_> = refused.collect();
        match refused.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Many(refused)),
        }
    }
}

impl JudgedLine {
    fn place(&self) -> Place {
        Place::File {
            path: self.path.clone(),
            line: Some(self.number),
        }
    }

    fn problem(&self, reason: &str) -> Problem {
        match self.text.as_str() {
            "" => Problem::Refused(reason.to_owned()),
            text => Problem::Refused(format!("`{text}`: {reason}")),
        }
    }
}

fn read_file(path: &Path, port: Option<u16>) -> Result<Written, ConfigError> {
    let text = mosquitto::Disk
        .read(path)
        .map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    let file = Place::File {
        path: path.to_owned(),
        line: None,
    };
    if Format::of(path, &text) == Format::Mosquitto {
        let reading = mosquitto::read(path, &mosquitto::Disk, port)?;
        return Ok(Written {
            settings: reading.settings,
            file,
            lines: reading.lines,
        });
    }
    let mut settings = Settings::default();
    toml_file::read(&text, path, &mut settings)?;
    if let Some(port) = port {
        settings.listen = Some(vec![address::show(&address::loopback(port))]);
    }
    Ok(Written {
        settings,
        file,
        lines: Vec::new(),
    })
}

/// Without a file: our own defaults, or those of a Mosquitto where its `-p` is given.
fn without_file(port: Option<u16>) -> Written {
    let settings = match port {
        None => Settings::default(),
        Some(port) => {
            let mut settings = mosquitto::defaults();
            settings.listen = Some(vec![address::show(&address::loopback(port))]);
            settings
        }
    };
    Written {
        settings,
        file: Place::Nowhere,
        lines: Vec::new(),
    }
}

/// Sets every key that has a variable. Variables that begin like ours and belong to no key are left
/// alone: others may have put them there.
fn read_environment(
    settings: &mut Settings,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let paths = settings.paths();
    for (name, text) in environment {
        let is_its = |path: &&&str| keys::variable(path) == name;
        if let Some(path) = paths.iter().find(is_its) {
            set(settings, path, &text, |_| Place::Variable(name.clone()))?;
        }
    }
    Ok(())
}

fn set(
    settings: &mut Settings,
    path: &str,
    text: &str,
    place: impl FnOnce(&str) -> Place,
) -> Result<(), ConfigError> {
    toml_file::set_text(settings, path, text)
        .map_err(|wrong| ConfigError::at(place(path), Problem::Refused(wrong)))
}
