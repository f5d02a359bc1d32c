//! The suites in `interop/`: clients that others wrote, each against a server of its own.

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

/// Bridges between Dunlin and Mosquitto.
pub(crate) fn bridge() -> anyhow::Result<Tally> {
    install::program("mosquitto", &["mosquitto"])?;
    let test = "test --package dunlin-broker --test bridge beside_mosquitto -- --ignored";
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

/// MQTT.js in a browser, over WebSocket with and without TLS.
pub(crate) fn browser() -> anyhow::Result<Tally> {
    install::program("chromium", &["chromium"])?;
    against_tls_server("browser", node("interop/browser")?)
}

/// paho-mqtt and Mosquitto's tools over TLS, with and without certificates of their own.
pub(crate) fn tls() -> anyhow::Result<Tally> {
    install::program("mosquitto_pub", &["mosquitto-clients"])?;
    let python = install::python_environment("paho-2")?;
    let suite = Task::new(python).args(["interop/run.py", "interop/tls"]);
    against_tls_server("tls", suite)
}

/// HAProxy in front of the broker, with the PROXY protocol.
pub(crate) fn haproxy() -> anyhow::Result<Tally> {
    install::program("haproxy", &["haproxy"])?;
    install::program("mosquitto_pub", &["mosquitto-clients"])?;
    install::program("python3", &["python3"])?;
    let suite = Task::new("python3").args(["interop/run.py", "interop/proxy"]);
    against_tls_server("haproxy", suite)
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
/// on a second port, and stands behind a proxy on a third.
fn against_tls_server(name: &str, suite: Task) -> anyhow::Result<Tally> {
    if std::env::var(ADDRESS).is_ok() {
        return against_server(name, suite);
    }
    steps::build().context("cannot build the server")?;
    let folder = workspace::interop_target().join("tls");
    let made = Task::new(workspace::server()).args(["tls", "init"]);
    made.args([&folder]).run_quietly()?;
    let made = Task::new(workspace::server()).args(["tls", "client", "alice"]);
    made.args([&folder]).run_quietly()?;
    let file = |name: &str| folder.join(name);
    let config = file("dunlin.toml");
    let text = format!(
        "allow_anonymous = true\ntls.certfile = {:?}\ntls.keyfile = {:?}\n\n[[listener]]\naddress = '127.0.0.1:0'\n\n\
         [[listener]]\naddress = '127.0.0.1:0'\ntls.cafile = {:?}\ntls.require_certificate = true\n\n\
         [[listener]]\naddress = '127.0.0.1:0'\nproxy_protocol = true\n",
        file("server.pem"),
        file("server.key"),
        file("ca.pem"),
    );
    std::fs::write(&config, text)?;
    let config = config
        .to_str()
        .context("the path of the workspace is no text")?;
    let mut server = Server::start_with(name, &["-v", "-c", config])?;
    let certified = server.next_address()?;
    let proxied = server.next_address()?;
    let suite = suite
        .env(ADDRESS, server.address())
        .env("DUNLIN_CERTIFIED_ADDRESS", certified)
        .env("DUNLIN_PROXIED_ADDRESS", proxied)
        .env("DUNLIN_LOG", server.log())
        .env("DUNLIN_CA", file("ca.pem"))
        .env("DUNLIN_CERTIFICATE", file("alice.pem"))
        .env("DUNLIN_KEY", file("alice.key"));
    finish(server, suite.run())
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
