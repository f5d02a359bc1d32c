//! Flags from a file: `-o`, or a default file in the user's configuration directory.
//!
//! Each line is one flag and what follows it: `-u my name`. Lines that begin with `#` are comments.
//! The command line wins over the file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Tool;
use super::failure::Failure;

/// Puts the flags of the file before `args`, and takes `-o` out of them.
pub(crate) fn prepend(tool: Tool, mut args: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    // As with mosquitto's tools, only the first flag can name the file, so `-o` as a value of
    // another flag is left alone.
    let named = args
        .first()
        .is_some_and(|first| first == "-o" || first == "--options");
    let text = if named {
        if args.len() < 2 {
            return Err(Failure::usage(
                "-o argument given but no options file specified.",
            ));
        }
        let path = PathBuf::from(args.remove(1));
        args.remove(0);
        read(&path)?
    } else {
        default_file(tool)
    };
    let mut all: Vec<OsString> = text
        .lines()
        .flat_map(split_line)
        .map(OsString::from)
        .collect();
    all.append(&mut args);
    Ok(all)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!(
            "Unable to read options file '{}': {error}",
            path.display()
        ))
    })
}

/// What the default file says: ours, else that of mosquitto's tool of the same purpose.
fn default_file(tool: Tool) -> String {
    let Some(directory) = config_directory() else {
        return String::new();
    };
    for prefix in ["dunlin", "mosquitto"] {
        match fs::read_to_string(directory.join(format!("{prefix}_{}", tool.name()))) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return String::new(),
            Ok(text) => return text,
        }
    }
    String::new()
}

fn config_directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| value != OsStr::new(""));
    set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".config")))
}

/// One flag and its value: the rest of the line, but for `-D`, which takes several words.
fn split_line(line: &str) -> Vec<&str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Vec::new();
    }
    let Some((flag, value)) = line.split_once(char::is_whitespace) else {
        return vec![line];
    };
    let mut words = vec![flag];
    if matches!(flag, "-D" | "--property") {
        words.extend(value.split_whitespace());
    } else {
        words.push(value.trim_start());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_flag_and_its_value() {
        assert_eq!(split_line("-u  my name "), ["-u", "my name"]);
        assert_eq!(
            split_line("-D connect user-property a b"),
            ["-D", "connect", "user-property", "a", "b"]
        );
        assert_eq!(split_line("-d"), ["-d"]);
        assert!(split_line("# -u me").is_empty());
    }
}
