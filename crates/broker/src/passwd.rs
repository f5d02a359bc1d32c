//! `dunlin passwd`: keeps password files, with the flags of `mosquitto_passwd`.
//!
//! ```text
//! dunlin passwd [-c] FILE USER              asks for the password, twice
//! dunlin passwd [-c] -b FILE USER PASSWORD  takes it from the command line
//! dunlin passwd -D FILE USER                removes a user
//! dunlin passwd -U FILE                     hashes passwords that are there as plain text
//! ```
//!
//! A running broker reads the file again on SIGHUP.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use dunlin_auth::Secret;
use dunlin_auth::password::{HashKind, PasswordFile, PasswordHash};
use rustix::termios::{self, LocalModes, OptionalActions};

#[derive(Debug, Parser)]
#[command(
    name = "dunlin passwd",
    about = "Adds, changes and removes users in a password file."
)]
struct Arguments {
    /// Create the file; one that exists is replaced
    #[arg(short, conflicts_with_all = ["delete", "upgrade"])]
    create: bool,
    /// Take the password from the command line, where others may see it
    #[arg(short, conflicts_with_all = ["delete", "upgrade"], requires = "password")]
    batch: bool,
    /// Remove the user
    #[arg(short = 'D', conflicts_with = "upgrade")]
    delete: bool,
    /// Hash the passwords that are in the file as plain text
    #[arg(short = 'U', conflicts_with = "user")]
    upgrade: bool,
    /// How to hash: brokers other than this one may not know argon2id
    #[arg(short = 'H', value_name = "HASH", default_value = "argon2id")]
    hash: Hash,
    /// Rounds of sha512-pbkdf2
    #[arg(
        short = 'I',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true
    )]
    iterations: u32,
    /// The password file
    file: PathBuf,
    /// Whom to add, change or remove
    #[arg(required_unless_present = "upgrade")]
    user: Option<String>,
    /// With -b
    #[arg(requires = "batch", hide = true)]
    password: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Hash {
    Argon2id,
    #[value(name = "sha512-pbkdf2")]
    Pbkdf2,
    Sha512,
    #[value(name = "scram-sha-256")]
    Scram,
}

/// Runs the command with what follows `passwd` on the command line.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("dunlin passwd");
    let arguments = Arguments::parse_from(std::iter::once(name).chain(args));
    match carry_out(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &Arguments) -> anyhow::Result<()> {
    let path = &arguments.file;
    let old = match fs::read_to_string(path) {
        _ if arguments.create => String::new(),
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no {}: -c creates it", path.display())
        }
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let kind = match arguments.hash {
        Hash::Argon2id => HashKind::Argon2id,
        Hash::Pbkdf2 => HashKind::Pbkdf2 {
            rounds: arguments.iterations,
        },
        Hash::Sha512 => HashKind::Sha512,
        Hash::Scram => HashKind::Scram,
    };
    let new = match &arguments.user {
        None => PasswordFile::upgraded(&old, kind)?,
        Some(user) if arguments.delete => PasswordFile::without_user(&old, user)?,
        Some(user) => {
            let password = match &arguments.password {
                Some(password) => Secret::new(password),
                None => ask(user)?,
            };
            let hash = PasswordHash::of(password.reveal().as_bytes(), kind)?;
            PasswordFile::with_user(&old, user, &hash)?
        }
    };
    write(path, &new).with_context(|| format!("cannot write {}", path.display()))
}

/// Asks for a password: twice at a terminal, which does not show it; otherwise one line is read.
fn ask(user: &str) -> anyhow::Result<Secret> {
    if !io::stdin().is_terminal() {
        return read_line();
    }
    let shown = termios::tcgetattr(io::stdin())?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
    let twice = || {
        eprint!("Password for {user}: ");
        let first = read_line()?;
        eprint!("\nOnce more: ");
        let second = read_line()?;
        eprintln!();
        anyhow::ensure!(first == second, "these are two different passwords");
        Ok(first)
    };
    let password = twice();
    termios::tcsetattr(io::stdin(), OptionalActions::Flush, &shown)?;
    password
}

fn read_line() -> anyhow::Result<Secret> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("no password is given");
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// Replaces a file as a whole, so that nobody reads half of it; only its owner may read it. A file
/// that cannot be replaced, say because it is mounted by itself, is written in place.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let replaced = write_synced(&beside, text, path.metadata().ok().as_ref())
        .and_then(|()| fs::rename(&beside, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
        return write_synced(&path, text, None);
    }
    Ok(())
}

/// Writes a file, which gets the permissions and the owner of another one if there is one.
fn write_synced(path: &Path, text: &str, like: Option<&fs::Metadata>) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file: File = options.open(path)?;
    if let Some(like) = like {
        file.set_permissions(like.permissions())?;
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
