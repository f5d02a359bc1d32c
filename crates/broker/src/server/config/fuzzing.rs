//! What must hold of configurations of any content.

use std::io;
use std::path::{Path, PathBuf};

use super::error::Place;
use super::mosquitto::{self, Files, Judgement};
use super::settings::Settings;
use super::{meant, toml_file};

/// One file, without a disk; it includes itself.
struct Page<'a>(&'a str);

impl Files for Page<'_> {
    fn read(&self, _: &Path) -> io::Result<String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(vec![directory.join("included.conf")])
    }
}

/// Reads a `mosquitto.conf`.
pub(crate) fn mosquitto_conf(text: &str) {
    let path = Path::new("fuzz.conf");
    let reading = mosquitto::read(path, &Page(text), None).expect("the file can be read");
    let is_refused = |line: &mosquitto::JudgedLine| matches!(line.judgement, Judgement::Refused(_));
    if !reading.lines.iter().any(is_refused) {
        stays_the_same(&reading.settings);
    }
}

/// Reads a `dunlin.toml`.
pub(crate) fn dunlin_toml(text: &str) {
    let mut settings = Settings::default();
    if toml_file::read(text, Path::new("fuzz.toml"), &mut settings).is_ok() {
        stays_the_same(&settings);
    }
}

/// What is written of settings means the same as they do.
fn stays_the_same(settings: &Settings) {
    let written = toml_file::write(settings);
    let mut again = Settings::default();
    if let Err(error) = toml_file::read(&written, Path::new("written.toml"), &mut again) {
        panic!("what was written cannot be read: {error}\n{written}");
    }
    let meaning = |settings: &Settings| {
        let config = meant::meant(settings, &Place::Nowhere);
        config.map_err(|error| error.to_string())
    };
    assert_eq!(meaning(settings), meaning(&again), "{written}");
}
