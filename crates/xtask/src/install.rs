//! Installing what a test needs and a fresh machine lacks.
//!
//! Only programs of the operating system are installed outside the repository, by apt-get; Python
//! packages go into `target/interop`, npm packages beside the suite that uses them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, bail};

use crate::command::Task;
use crate::workspace;

/// Makes sure that `program` can be started, installing Debian's `packages` if it cannot.
///
/// # Errors
/// It is missing and cannot be installed; the message says what to do by hand.
pub(crate) fn program(program: &str, packages: &[&str]) -> anyhow::Result<()> {
    if on_path(program) {
        return Ok(());
    }
    println!("{program} is missing");
    debian(packages)?;
    if !on_path(program) {
        bail!(
            "{program} is still missing after installing {}",
            packages.join(" ")
        );
    }
    Ok(())
}

/// A Python environment at `target/interop/NAME` that holds what the requirements file
/// `interop/requirements-NAME.txt` lists. Returns its interpreter.
///
/// # Errors
/// Python or the packages cannot be installed.
pub(crate) fn python_environment(name: &str) -> anyhow::Result<PathBuf> {
    let requirements = workspace::root().join(format!("interop/requirements-{name}.txt"));
    let folder = workspace::interop_target().join(name);
    let python = folder.join("bin/python");
    let stamp = Stamp::new(&requirements, folder.join("installed.txt"))?;
    if stamp.is_current() {
        return Ok(python);
    }
    program("python3", &["python3", "python3-venv"])?;
    if !Task::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .works()
    {
        println!("python3 cannot make environments");
        debian(&["python3-venv"])?;
    }
    Task::new("python3")
        .args(["-m", "venv", "--clear"])
        .args([&folder])
        .run_quietly()?;
    Task::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .args([&requirements])
        .run_quietly()
        .context("cannot install the Python packages; pip's own message is above")?;
    stamp.set()?;
    Ok(python)
}

/// The npm packages of the lock file in `folder`, installed into its `node_modules`.
///
/// # Errors
/// Node.js or the packages cannot be installed.
pub(crate) fn npm_packages(folder: &Path) -> anyhow::Result<()> {
    program("node", &["nodejs"])?;
    let stamp = Stamp::new(
        &folder.join("package-lock.json"),
        folder.join("node_modules/.installed"),
    )?;
    if stamp.is_current() {
        return Ok(());
    }
    program("npm", &["npm"])?;
    Task::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .directory(folder)
        .run_quietly()
        .context("cannot install the npm packages; npm's own message is above")?;
    stamp.set()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Installs Debian packages, as root or by sudo.
fn debian(packages: &[&str]) -> anyhow::Result<()> {
    static LISTS_UPDATED: OnceLock<()> = OnceLock::new();
    let by_hand = format!("install by hand: {}", packages.join(" "));
    if !on_path("apt-get") {
        bail!("this is no Debian system (no apt-get); {by_hand}");
    }
    let is_root = Task::new("id").args(["-u"]).read()?.trim() == "0";
    if !is_root && !on_path("sudo") {
        bail!("neither root nor sudo; {by_hand}");
    }
    let apt_get = |arguments: &[&str]| {
        let prefix: &[&str] = if is_root {
            &["env"]
        } else {
            &["sudo", "--non-interactive", "env"]
        };
        Task::new(prefix[0])
            .args(&prefix[1..])
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"])
            .args(arguments)
            .run_quietly()
            .with_context(|| format!("apt-get failed; {by_hand}"))
    };
    if LISTS_UPDATED.get().is_none() {
        apt_get(&["update"])?;
        LISTS_UPDATED.get_or_init(|| ());
    }
    apt_get(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    Ok(())
}

/// Remembers for which version of a file an installation was made.
struct Stamp {
    wanted: Vec<u8>,
    file: PathBuf,
}

impl Stamp {
    fn new(source: &Path, file: PathBuf) -> anyhow::Result<Stamp> {
        let wanted =
            fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        Ok(Stamp { wanted, file })
    }

    fn is_current(&self) -> bool {
        fs::read(&self.file).is_ok_and(|installed| installed == self.wanted)
    }

    fn set(&self) -> anyhow::Result<()> {
        fs::write(&self.file, &self.wanted)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}
