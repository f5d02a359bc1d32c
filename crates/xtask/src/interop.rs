//! The suites in `interop/`: clients that others wrote, each against a server of its own.

use anyhow::Context;

use crate::command::Task;
use crate::server::Server;
use crate::tally::Tally;
use crate::{install, steps, workspace};

/// Names the broker to test, for the suites; set by the user, no server is started.
const ADDRESS: &str = "DUNLIN_ADDRESS";

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

/// MQTT.js over TCP.
pub(crate) fn mqttjs() -> anyhow::Result<Tally> {
    let folder = workspace::root().join("interop/mqttjs");
    install::npm_packages(&folder)?;
    let node = Task::new("node")
        .args(["--test", "--test-reporter=spec"])
        .directory(&folder);
    against_server("mqttjs", node)
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

/// Runs a suite against the broker that the user names, or against a `dunlin` started for it.
fn against_server(name: &str, suite: Task) -> anyhow::Result<Tally> {
    if let Ok(address) = std::env::var(ADDRESS) {
        println!("against the broker at {address}");
        return suite.run();
    }
    steps::build().context("cannot build the server")?;
    let mut server = Server::start(name)?;
    let result = suite.env(ADDRESS, server.address()).run();
    match result {
        Ok(tally) if tally.failed == 0 => server.stop().map(|()| tally),
        failed => {
            println!("{}", server.end());
            failed
        }
    }
}
