//! The suites in `interop/`: clients that others wrote, each against a server of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::command::Task;
use crate::server::Server;
use crate::tally::Tally;
use crate::{install, steps, workspace};

/// Names the broker to test, for the suites; set by the user, no server is started.
const ADDRESS: &str = "DUNLIN_ADDRESS";

/// Debian's broker beside ours, with the same password and rule files.
pub(crate) fn access() -> anyhow::Result<Tally> {
    install::program("mosquitto", &["mosquitto"])?;
    let test = "test --package dunlin-broker --test access beside_mosquitto -- --ignored";
    Task::cargo(test).run()
}

/// Certificates from Pebble, an authority for tests, by TLS-ALPN-01.
pub(crate) fn acme() -> anyhow::Result<Tally> {
    install::program("pebble", &["pebble"])?;
    Task::cargo("test --package dunlin-broker --test access acme -- --ignored").run()
}

/// Bridges between Dunlin and Mosquitto.
pub(crate) fn bridge() -> anyhow::Result<Tally> {
    install::program("mosquitto", &["mosquitto"])?;
    let test = "test --package dunlin-broker --test bridge beside_mosquitto -- --ignored";
    Task::cargo(test).run()
}

/// Debian's broker, its `$SYS` topics and what it has saved.
pub(crate) fn configuration() -> anyhow::Result<Tally> {
    install::program("mosquitto", &["mosquitto"])?;
    let test = "test --package dunlin-broker --test configuration -- --ignored";
    Task::cargo(test).run()
}

/// Debian's command line clients, driven by Python.
pub(crate) fn mosquitto() -> anyhow::Result<Tally> {
    install::program("mosquitto_rr", &["mosquitto-clients"])?;
    install::program("stdbuf", &["coreutils"])?;
    install::program("python3", &["python3"])?;
    against_server(
        "mosquitto",
        Task::new("python3").args(["interop/run.py", "interop/mosquitto"]),
    )
}

/// `dunlin pub`, `dunlin sub` and `dunlin rr` in the place of Debian's clients.
pub(crate) fn tools() -> anyhow::Result<Tally> {
    install::program("python3", &["python3"])?;
    install::program("stdbuf", &["coreutils"])?;
    steps::build().context("cannot build the tools")?;
    let suite = Task::new("python3").args(["interop/run.py", "interop/mosquitto"]);
    against_server("tools", suite.env("DUNLIN_TOOLS", workspace::server()))
}

/// The generation of paho-mqtt that most scripts are written for.
pub(crate) fn paho_1() -> anyhow::Result<Tally> {
    paho("paho-1", "interop/paho/only_1")
}

/// The current generation of paho-mqtt.
pub(crate) fn paho_2() -> anyhow::Result<Tally> {
    paho("paho-2", "interop/paho/only_2")
}

/// The tests for both generations, and those in the folder `only` for one.
fn paho(name: &str, only: &str) -> anyhow::Result<Tally> {
    let python = install::python_environment(name)?;
    let suite = Task::new(python).args(["interop/run.py", "interop/paho", only]);
    against_server(name, suite)
}

/// MQTT.js over TCP, and over each other transport a little.
pub(crate) fn mqttjs() -> anyhow::Result<Tally> {
    against_tls_server("mqttjs", node("interop/mqttjs")?)
}

/// MQTT.js over WebSocket.
pub(crate) fn mqttjs_websocket() -> anyhow::Result<Tally> {
    let suite = node("interop/mqttjs")?.env("DUNLIN_SCHEME", "ws");
    against_server("mqttjs-websocket", suite)
}

/// MQTT.js in a browser, over WebSocket with and without TLS; and with nothing but a stock block of
/// a `mosquitto.conf`.
pub(crate) fn browser() -> anyhow::Result<Tally> {
    install::program("chromium", &["chromium"])?;
    let suite = node("interop/browser")?;
    if std::env::var(ADDRESS).is_ok() {
        return against_server("browser", suite);
    }
    let folder = certificates()?;
    let stock = stock_server(&folder)?;
    let suite = suite
        .env("DUNLIN_STOCK_ADDRESS", stock.address())
        .env("DUNLIN_STOCK_LOG", stock.log());
    let result = with_certificates("browser", suite, &folder);
    finish(stock, result)
}

/// A `dunlin` with the file `interop/browser/mosquitto.conf`, but for its port.
fn stock_server(folder: &Path) -> anyhow::Result<Server> {
    let block = workspace::root().join("interop/browser/mosquitto.conf");
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut text = fs::read_to_string(block)?.replace("8883", &port.to_string());
    for name in ["ca.pem", "server.pem", "server.key"] {
        text = text.replace(name, &folder.join(name).display().to_string());
    }
    let config = folder.join("mosquitto.conf");
    fs::write(&config, text)?;
    Server::start_with("stock", &["-v", "-c", as_text(&config)?])
}

/// paho-mqtt and Mosquitto's tools over TLS, with and without certificates of their own.
pub(crate) fn tls() -> anyhow::Result<Tally> {
    install::program("mosquitto_pub", &["mosquitto-clients"])?;
    let python = install::python_environment("paho-2")?;
    let suite = Task::new(python).args(["interop/run.py", "interop/tls"]);
    against_tls_server("tls", suite)
}

/// HAProxy and nginx in front of the broker, with the PROXY protocol.
pub(crate) fn proxy() -> anyhow::Result<Tally> {
    install::program("haproxy", &["haproxy"])?;
    install::program("nginx", &["nginx-light", "libnginx-mod-stream"])?;
    install::program("mosquitto_pub", &["mosquitto-clients"])?;
    install::program("python3", &["python3"])?;
    let suite = Task::new("python3").args(["interop/run.py", "interop/proxy"]);
    against_tls_server("proxy", suite)
}

/// The tests in `folder`, with the npm packages that they need.
fn node(folder: &str) -> anyhow::Result<Task> {
    let folder = workspace::root().join(folder);
    install::npm_packages(&folder)?;
    Ok(Task::new("node")
        .args(["--test", "--test-reporter=spec"])
        .directory(&folder))
}

/// rumqttc, both of its protocol modules.
pub(crate) fn rumqttc() -> anyhow::Result<Tally> {
    against_server("rumqttc", rumqttc_cargo("test"))
}

/// Clippy for the crate of that suite, which is outside the workspace.
pub(crate) fn lint_rumqttc() -> anyhow::Result<Tally> {
    rumqttc_cargo("clippy")
        .args(["--all-targets", "--", "-D", "warnings"])
        .run()
}

fn rumqttc_cargo(subcommand: &str) -> Task {
    Task::cargo(subcommand)
        .args(["--locked", "--manifest-path", "interop/rumqttc/Cargo.toml"])
        .env(
            "CARGO_TARGET_DIR",
            workspace::interop_target().join("rumqttc"),
        )
}

/// Runs a suite against a `dunlin` that has a certificate, made by `dunlin tls`; that asks for one
/// on a second port, stands behind a proxy on a third, and for a password on a fourth.
fn against_tls_server(name: &str, suite: Task) -> anyhow::Result<Tally> {
    if std::env::var(ADDRESS).is_ok() {
        return against_server(name, suite);
    }
    with_certificates(name, suite, &certificates()?)
}

/// A folder with an authority, a certificate for the server and one for a Client.
fn certificates() -> anyhow::Result<PathBuf> {
    steps::build().context("cannot build the server")?;
    let folder = workspace::interop_target().join("tls");
    let made = Task::new(workspace::server()).args(["tls", "init"]);
    made.args([&folder]).run_quietly()?;
    let made = Task::new(workspace::server()).args(["tls", "client", "alice"]);
    made.args([&folder]).run_quietly()?;
    Ok(folder)
}

fn with_certificates(name: &str, suite: Task, folder: &Path) -> anyhow::Result<Tally> {
    let file = |name: &str| folder.join(name);
    let passwords = file("passwords");
    let made = Task::new(workspace::server()).args(["passwd", "-c", "-b"]);
    let made = made.args([&passwords]).args(["alice", "secret"]);
    made.run_quietly()?;
    let config = file("dunlin.toml");
    let text = format!(
        "allow_anonymous = true\ntls.certfile = {:?}\ntls.keyfile = {:?}\n\n[[listener]]\naddress = '127.0.0.1:0'\n\n\
         [[listener]]\naddress = '127.0.0.1:0'\ntls.cafile = {:?}\ntls.require_certificate = true\n\n\
         [[listener]]\naddress = '127.0.0.1:0'\nproxy_protocol = true\n\n\
         [[listener]]\naddress = '127.0.0.1:0'\nallow_anonymous = false\npassword_file = {passwords:?}\n",
        file("server.pem"),
        file("server.key"),
        file("ca.pem"),
    );
    fs::write(&config, text)?;
    let mut server = Server::start_with(name, &["-v", "-c", as_text(&config)?])?;
    let certified = server.next_address()?;
    let proxied = server.next_address()?;
    let protected = server.next_address()?;
    let suite = suite
        .env(ADDRESS, server.address())
        .env("DUNLIN_CERTIFIED_ADDRESS", certified)
        .env("DUNLIN_PROXIED_ADDRESS", proxied)
        .env("DUNLIN_PROTECTED_ADDRESS", protected)
        .env("DUNLIN_LOG", server.log())
        .env("DUNLIN_CA", file("ca.pem"))
        .env("DUNLIN_CERTIFICATE", file("alice.pem"))
        .env("DUNLIN_KEY", file("alice.key"));
    finish(server, suite.run())
}

fn as_text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .context("the path of the workspace is no text")
}

/// Runs a suite against the broker that the user names, or against a `dunlin` started for it.
fn against_server(name: &str, suite: Task) -> anyhow::Result<Tally> {
    if let Ok(address) = std::env::var(ADDRESS) {
        println!("against the broker at {address}");
        return suite.run();
    }
    steps::build().context("cannot build the server")?;
    let server = Server::start(name)?;
    let result = suite.env(ADDRESS, server.address()).run();
    finish(server, result)
}

/// Ends the server; a failed suite is shown what the server said last.
fn finish(mut server: Server, result: anyhow::Result<Tally>) -> anyhow::Result<Tally> {
    match result {
        Ok(tally) if tally.failed == 0 => server.stop().map(|()| tally),
        failed => {
            println!("{}", server.end());
            failed
        }
    }
}
