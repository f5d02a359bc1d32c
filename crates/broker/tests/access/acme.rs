//! Certificates from an authority: Pebble, which Let's Encrypt tests with, on this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use dunlin_packet::ReasonCode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::authority::{Authority, trusting};
use crate::client::{Client, V5, Who};
use crate::folder::Folder;
use crate::server::{PATIENCE, Server};

/// The name that is asked for.
const NAME: &str = "mqtt.example.org";

/// How long certificates are valid, in seconds. They are renewed when two thirds of that are over.
const LIFE: u32 = 18;

/// Ends with the test.
struct Process(Child);

impl Process {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Process(child.unwrap_or_else(|error| panic!("{program}: {error}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = tcp.local_addr().unwrap().port();
    match UdpSocket::bind(("127.0.0.1", port)) {
        Ok(_) => port,
        Err(_) => free_port(),
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Pebble and the name server that it asks.
struct Pebble {
    /// Signs for Pebble's own addresses.
    authority: Authority,
    port: u16,
    management: u16,
    processes: Vec<Process>,
}

impl Pebble {
    /// It looks for the owner of a name at `port` of this machine.
    fn start(folder: &Folder, port: u16) -> Self {
        let authority = Authority::new();
        let own = authority.issue("pebble", "localhost");
        authority.write_server(folder, &own);
        authority.write_own(folder);
        let (directory, management, names, control) =
            (free_port(), free_port(), free_port(), free_port());
        let config = serde_json::json!({"pebble": {
            "listenAddress": local(directory).to_string(),
            "managementListenAddress": local(management).to_string(),
            "certificate": folder.path("cert.pem"),
            "privateKey": folder.path("key.pem"),
            "httpPort": free_port(),
            "tlsPort": port,
            "certificateValidityPeriod": LIFE,
        }});
        let config = folder.write("pebble.json", &config.to_string());
        let (name_server, control) = (local(names).to_string(), local(control).to_string());
        let nowhere = ["-http01", "", "-https01", "", "-tlsalpn01", ""];
        let answers = ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""];
        let at = ["-dns01", &name_server, "-management", &control];
        let server = [&nowhere[..], &answers, &at].concat();
        let processes = vec![
            Process::start("pebble-challtestsrv", &server),
            Process::start("pebble", &["-config", &config, "-dnsserver", &name_server]),
        ];
        let deadline = Instant::now() + PATIENCE;
        for port in [names, directory] {
            while TcpStream::connect(local(port)).is_err() {
                assert!(Instant::now() < deadline, "pebble does not listen");
                std::thread::yield_now();
            }
        }
        Pebble {
            authority,
            port: directory,
            management,
            processes,
        }
    }

    /// The certificate from which all come that it issues.
    fn root(&self) -> CertificateDer<'static> {
        let mut stream = self.authority.handshake(local(self.management), None);
        let request = "GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        CertificateDer::from_pem_slice(&answer).unwrap()
    }
}

/// A Client that trusts the authority, and what it is shown.
fn connect(to: SocketAddr, root: &CertificateDer<'static>) -> (Client, CertificateDer<'static>) {
    let mut stream = trusting(root.clone(), to, NAME);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let shown = stream.conn.peer_certificates().unwrap()[0].clone();
    let mut client = Client::over(stream, V5);
    client.send_connect(Who::client(""));
    assert_eq!(client.connack(), ReasonCode::Success);
    (client, shown)
}

fn is_private(file: &Path) -> bool {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600
}

#[test]
#[ignore = "needs pebble"]
fn acme_issues_renews_and_keeps_a_certificate() {
    let folder = Folder::new();
    let port = free_port();
    let mut pebble = Pebble::start(&folder, port);
    let config = format!(
        "data_dir = '{}'\nallow_anonymous = true\n\n[[listener]]\naddress = '127.0.0.1:{port}'\n\
         [listener.tls.acme]\ndomain = '{NAME}'\nemail = 'post@example.org'\n\
         directory = 'https://localhost:{}/dir'\ncafile = '{}'\n",
        folder.path("data").display(),
        pebble.port,
        folder.path("ca.pem").display(),
    );
    let mut server = Server::start(folder, &config);
    server.wait_for(&["a certificate has been issued"]);
    let root = pebble.root();
    let (mut early, first) = connect(local(port), &root);

    let kept = format!("data/acme/localhost_{}", pebble.port);
    let account = server.folder.path(&format!("{kept}/account.json"));
    assert!(is_private(&account));
    assert!(is_private(
        &server.folder.path(&format!("{kept}/{NAME}.pem"))
    ));
    let credentials = std::fs::read(&account).unwrap();

    server.wait_for(&["a certificate has been issued"]);
    let (_, second) = connect(local(port), &root);
    assert_ne!(first, second, "renewed");
    assert_eq!(early.publish("x"), ReasonCode::NoMatchingSubscribers);

    let folder = std::mem::replace(&mut server.folder, Folder::new());
    drop(server);
    let server = Server::start(folder, &config);
    assert_eq!(connect(local(port), &root).1, second, "kept");
    let log = server.log_so_far();
    assert!(!log.contains("asking for a certificate"), "{log}");
    assert_eq!(std::fs::read(&account).unwrap(), credentials);

    // Without the authority, the old certificate stays.
    pebble.processes.clear();
    server.wait_for(&["no certificate; the next attempt comes in 2 minutes"]);
    assert_eq!(connect(local(port), &root).1, second);
}
