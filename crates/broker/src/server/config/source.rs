//! Where a configuration comes from: a file, the environment, the command line. Each wins over the
//! one before it.

use std::path::Path;

use super::address;
use super::error::{ConfigError, Place, Problem};
use super::settings::Settings;
use super::table::Table;
use super::toml_file;
use crate::server::options::ServerOptions;

/// What was written, and where most of it stands.
pub(super) struct Written {
    pub(super) settings: Settings,
    pub(super) file: Place,
}

/// Reads everything that the command line names and the environment has.
pub(super) fn read(
    options: &ServerOptions,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Written, ConfigError> {
    let mut settings = Settings::default();
    let mut file = Place::Nowhere;
    if let Some(path) = &options.config {
        toml_file::read(&read_file(path)?, path, &mut settings)?;
        let path = path.clone();
        file = Place::File { path, line: None };
    }
    read_environment(&mut settings, environment)?;
    for (path, text) in &options.keys {
        set(&mut settings, path, text, |path| {
            Place::Flag(format!("--{}", path.replace(['.', '_'], "-")))
        })?;
    }
    if let Some(port) = options.port {
        settings.listen = Some(vec![address::show(&address::loopback(port))]);
    }
    Ok(Written { settings, file })
}

pub(super) fn read_file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Sets every key that has a variable. Variables that begin like ours and belong to no key are left
/// alone: others may have put them there.
fn read_environment(
    settings: &mut Settings,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let paths = settings.paths();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix("DUNLIN_") else {
            continue;
        };
        let variable_of = |path: &&&str| path.replace('.', "_").to_uppercase() == rest;
        if let Some(path) = paths.iter().find(variable_of) {
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
