//! `dunlin tls`: an authority of one's own, and the certificates that it gives out.
//!
//! ```text
//! dunlin tls init [DIR] [--name HOST]...   an authority, if there is none, and a server certificate
//! dunlin tls client NAME [DIR]             a certificate for a Client, whose Common Name is NAME
//! ```

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Parser, Subcommand};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// The authority's name. Always the same, so that its certificate need not be read to use its key.
const AUTHORITY: &str = "Dunlin local authority";

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_DAYS: u32 = 3650;
/// Some systems do not accept a server certificate that is valid for longer.
const CERTIFICATE_DAYS: u32 = 825;

#[derive(Debug, Parser)]
#[command(
    name = "dunlin tls",
    about = "An authority of one's own, and its certificates."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an authority, unless it is there, and a certificate for this server
    Init {
        /// Where the files are
        #[arg(default_value = "tls")]
        dir: PathBuf,
        /// A host name or IP address that Clients connect to, besides those of this machine
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
    },
    /// Make a certificate for a Client
    Client {
        /// Its Common Name
        name: String,
        /// Where the files are
        #[arg(default_value = "tls")]
        dir: PathBuf,
    },
}

/// Runs the command with what follows `tls` on the command line.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("dunlin tls");
    let arguments = Arguments::parse_from(std::iter::once(name).chain(args));
    let outcome = match &arguments.command {
        Command::Init { dir, names } => init(dir, names),
        Command::Client { name, dir } => client(name, dir),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn init(dir: &Path, names: &[String]) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    if !dir.join("ca.key").exists() {
        let key = KeyPair::generate()?;
        let certificate = authority()?.self_signed(&key)?;
        write_key(&dir.join("ca.key"), &key)?;
        write(&dir.join("ca.pem"), certificate.der(), "CERTIFICATE", 0o644)?;
    }
    let mut hosts = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    hosts.extend(host_name());
    hosts.extend(names.iter().cloned());
    hosts.dedup();
    let mut params = CertificateParams::new(hosts.clone()).context("a name cannot be used")?;
    params.distinguished_name = common_name(hosts.last().map_or("localhost", String::as_str));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(dir, params, "server")?;
    println!("{}", advice(dir, &hosts));
    Ok(())
}

fn client(name: &str, dir: &Path) -> anyhow::Result<()> {
    if name.is_empty() || name == "ca" || name == "server" || name.contains(['/', '\0']) {
        bail!("{name:?} cannot be the name of a file");
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    issue(dir, params, name)?;
    let (dir, show) = (dir.display(), format!("{}/{name}", dir.display()));
    println!("Made {show}.pem and {show}.key. The broker asks for certificates with");
    println!("  --tls-cafile {dir}/ca.pem --tls-require-certificate");
    println!("and this one is shown with");
    println!(
        "  mosquitto_pub --cafile {dir}/ca.pem --cert {show}.pem --key {show}.key -h localhost -t home/hello -m hi"
    );
    Ok(())
}

/// What to do with the files.
fn advice(dir: &Path, hosts: &[String]) -> String {
    let (dir, hosts) = (dir.display(), hosts.join(", "));
    format!(
        "\
In {dir}:
  ca.pem                  the authority: what Clients have to trust
  ca.key                  its key: keep it to yourself
  server.pem, server.key  for {hosts}; valid for {CERTIFICATE_DAYS} days

Start the broker with
  dunlin --tls-certfile {dir}/server.pem --tls-keyfile {dir}/server.key
and connect with
  mosquitto_sub --cafile {dir}/ca.pem -h localhost -p 1883 -t 'home/#' -v
  mosquitto_pub --cafile {dir}/ca.pem -h localhost -p 1883 -t home/hello -m hi
The same port goes on serving MQTT without TLS; protocols = [\"mqtts\", \"wss\"] ends that."
    )
}

/// A key and a certificate of the authority in `dir`, in the files `NAME.key` and `NAME.pem`.
fn issue(dir: &Path, mut params: CertificateParams, name: &str) -> anyhow::Result<()> {
    let path = dir.join("ca.key");
    let key = read_key(&path).with_context(|| {
        let path = path.display();
        format!("no authority in {path}: make one with `dunlin tls init`")
    })?;
    let issuer = Issuer::new(authority()?, key);
    valid_for(&mut params, CERTIFICATE_DAYS);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    write_key(&dir.join(format!("{name}.key")), &key)?;
    let path = dir.join(format!("{name}.pem"));
    write(&path, certificate.der(), "CERTIFICATE", 0o644)
}

fn authority() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// From yesterday, for the sake of clocks that are late.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty() && name != "localhost" && name.is_ascii()).then_some(name)
}

fn write_key(path: &Path, key: &KeyPair) -> anyhow::Result<()> {
    write(path, key.serialized_der(), "PRIVATE KEY", 0o600)
}

/// Writes PEM, whole or not at all.
fn write(path: &Path, der: &[u8], label: &str, mode: u32) -> anyhow::Result<()> {
    write_whole(path, &pem(label, der), mode)
}

/// `der` in PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// Writes a file, whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    let result = match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&fresh, path)),
    };
    result.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a key that [`write_key`] has written.
fn read_key(path: &Path) -> anyhow::Result<KeyPair> {
    let text = fs::read_to_string(path)?;
    let text: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(text).context("it is no PEM")?;
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der.into(), &PKCS_ECDSA_P256_SHA256)?;
    Ok(key)
}
