//! `dunlin.toml`: read by the table of keys, and written by it.

use std::fmt::Write;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::AuthenticationConfig;
use super::error::{ConfigError, Place, Problem};
use super::keys::{self, Key};
use super::settings::Settings;
use super::spelling;
use super::table::Table;
use super::value::Value;

/// The settings in `text`, on top of `settings`. `path` is for the errors.
///
/// # Errors
/// All keys that there are not, and all values that are wrong, each with its line.
pub(super) fn read(text: &str, path: &Path, settings: &mut Settings) -> Result<(), ConfigError> {
    let table = DeTable::parse(text).map_err(|error| invalid(&error, text, path))?;
    let mut reader = Reader {
        text,
        path,
        problems: Vec::new(),
    };
    reader.table(table.get_ref(), "", settings);
    settings.authentication = authentication(text, path)?;
    let mut problems = reader.problems;
    problems.sort_by_key(|(place, _)| match place {
        Place::File { line, .. } => *line,
        _ => None,
    });
    match problems.len() {
        0 => Ok(()),
        1 => {
            let (place, problem) = problems.swap_remove(0);
            Err(ConfigError::at(place, problem))
        }
        _ => Err(ConfigError::Many(problems)),
    }
}

/// The table that is not made of keys with a value each, but of names that users choose.
const AUTHENTICATION: &str = "auth";

/// Reads that table.
fn authentication(text: &str, path: &Path) -> Result<AuthenticationConfig, ConfigError> {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        auth: AuthenticationConfig,
    }
    let file: File = toml::from_str(text).map_err(|error| invalid(&error, text, path))?;
    Ok(file.auth)
}

/// What is wrong and in which line, without the words of that line: they may be a secret, and this goes
/// into logs.
fn invalid(error: &toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let message = error.message();
    let shows_value = message.starts_with("invalid type") || message.starts_with("invalid value");
    let told = match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) if shows_value => {
            format!("{}{after}", before.trim_end())
        }
        _ => message.to_owned(),
    };
    let line = error.span().map(|span| line_of(text, span.start));
    let path = path.to_owned();
    ConfigError::at(Place::File { path, line }, Problem::Refused(told))
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    problems: Vec<(Place, Problem)>,
}

impl Reader<'_> {
    /// Reads the keys of a table, or of the part of it that `prefix` names.
    fn table(&mut self, table: &DeTable<'_>, prefix: &str, into: &mut dyn Table) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let line = name.span().start;
            if path == AUTHENTICATION {
                continue;
            }
            if let Some(kind) = into.kind(&path) {
                let set = kind
                    .read(value.get_ref())
                    .and_then(|value| into.set(&path, value));
                if let Err(wrong) = set {
                    self.problem(line, Problem::Value { key: path, wrong });
                }
            } else if prefix.is_empty() && into.lists().contains(&path.as_str()) {
                self.tables(value, &path, line, into);
            } else if let DeValue::Table(part) = value.get_ref()
                && is_prefix(&path, into)
            {
                self.table(part, &format!("{path}."), into);
            } else {
                let words = into.paths().into_iter().chain(into.lists().iter().copied());
                let nearest = spelling::nearest(&path, words);
                self.problem(line, Problem::UnknownKey { key: path, nearest });
            }
        }
    }

    /// Reads a list of tables.
    fn tables(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        name: &str,
        line: usize,
        into: &mut dyn Table,
    ) {
        let DeValue::Array(array) = value.get_ref() else {
            let key = name.to_owned();
            return self.problem(line, Problem::NotATable { key });
        };
        for item in array.iter() {
            match (item.get_ref(), into.add(name)) {
                (DeValue::Table(table), Some(into)) => self.table(table, "", into),
                _ => {
                    let key = name.to_owned();
                    self.problem(line, Problem::NotATable { key });
                }
            }
        }
    }

    fn problem(&mut self, offset: usize, problem: Problem) {
        let place = Place::File {
            path: self.path.to_owned(),
            line: Some(line_of(self.text, offset)),
        };
        self.problems.push((place, problem));
    }
}

/// Whether `path` is a table with keys in it.
fn is_prefix(path: &str, table: &dyn Table) -> bool {
    let within = |key: &&str| {
        key.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    table.paths().iter().any(within)
}

/// `settings` as a file: what differs from what holds without it.
pub(super) fn write(settings: &Settings) -> String {
    let standard = Settings::default();
    let mut out = String::new();
    let mut process: Vec<Line> = lines(keys::PROCESS, settings, &standard);
    process.extend(lines(
        keys::inherited(),
        &settings.defaults,
        &standard.defaults,
    ));
    write_lines(&mut out, "", process);
    for listener in &settings.listeners {
        out.push_str("\n[[listener]]\n");
        write_lines(
            &mut out,
            "listener.",
            lines(keys::LISTENER, listener, &Default::default()),
        );
    }
    for bridge in &settings.bridges {
        out.push_str("\n[[bridge]]\n");
        write_lines(
            &mut out,
            "bridge.",
            lines(keys::BRIDGE, bridge, &Default::default()),
        );
        for topic in &bridge.topics {
            out.push_str("\n[[bridge.topic]]\n");
            write_lines(&mut out, "", lines(keys::TOPIC, topic, &Default::default()));
        }
    }
    out
}

/// A key and its value as it is written.
type Line = (&'static str, String);

fn lines<'k, S: 'static>(
    keys: impl IntoIterator<Item = &'k Key<S>>,
    settings: &S,
    standard: &S,
) -> Vec<Line> {
    let differs = keys
        .into_iter()
        .filter(|key| key.get(settings) != key.get(standard));
    differs
        .map(|key| (key.path, key.kind.show(&key.get(settings))))
        .collect()
}

/// Writes keys without a table first, then those of each table under its head.
fn write_lines(out: &mut String, within: &str, lines: Vec<Line>) {
    let table_of = |path: &'static str| path.rsplit_once('.').map_or("", |(table, _)| table);
    let mut lines = lines;
    lines.sort_by_key(|(path, _)| table_of(path));
    let mut current = "";
    for (path, value) in lines {
        let table = table_of(path);
        if table != current {
            // A table within a list of tables names the list: [listener.tls].
            let _ = writeln!(out, "\n[{within}{table}]");
            current = table;
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        let _ = writeln!(out, "{name} = {value}");
    }
}

/// Sets a key by its path from a text, as a flag or a variable has it.
pub(super) fn set_text(settings: &mut Settings, path: &str, text: &str) -> Result<(), String> {
    let kind = settings.kind(path).ok_or("there is no such key")?;
    let value = match text {
        "" if !matches!(kind, super::value::Kind::Text | super::value::Kind::Path) => {
            Value::Nothing
        }
        text => kind.parse(text)?,
    };
    settings.set(path, value)
}
