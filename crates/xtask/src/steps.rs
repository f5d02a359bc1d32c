//! Everything that `cargo xtask test` checks, quickest to fail first.

use crate::command::Task;
use crate::runner::{Kind, Step};
use crate::tally::Tally;
use crate::{interop, licences, workspace};

/// All steps, in the order in which they run.
pub(crate) const ALL: &[Step] = &[
    check("format", "rustfmt has nothing to change", format),
    check(
        "licences",
        "dependencies have allowed licences, one version each",
        licences::check,
    ),
    check("lints", "clippy has nothing to say", lints),
    check("docs", "the documentation builds without a warning", docs),
    tests(
        "unit",
        "the tests of every crate, and the fuzzing corpus again",
        unit,
    ),
    tests(
        "simulation",
        "the whole broker under faults, with fixed seeds",
        simulation,
    ),
    check("build", "the release build of dunlin", build),
    tests(
        "conformance",
        "one test per normative statement",
        conformance,
    ),
    tests(
        "access-mosquitto",
        "the same users and rules for dunlin and for mosquitto",
        interop::access,
    ),
    tests(
        "bridge-mosquitto",
        "bridges to and from mosquitto",
        interop::bridge,
    ),
    tests(
        "configuration-mosquitto",
        "an installation of mosquitto that moves over",
        interop::configuration,
    ),
    tests(
        "interop-mosquitto",
        "mosquitto_pub, mosquitto_sub and mosquitto_rr",
        interop::mosquitto,
    ),
    tests(
        "interop-tools",
        "dunlin pub, sub and rr in their place",
        interop::tools,
    ),
    tests("interop-paho-1", "paho-mqtt 1.6 (Python)", interop::paho_1),
    tests("interop-paho-2", "paho-mqtt 2 (Python)", interop::paho_2),
    tests("interop-mqttjs", "MQTT.js (Node.js)", interop::mqttjs),
    tests(
        "interop-websocket",
        "MQTT.js (Node.js) over WebSocket",
        interop::mqttjs_websocket,
    ),
    tests(
        "interop-browser",
        "MQTT.js in headless Chromium",
        interop::browser,
    ),
    tests(
        "interop-tls",
        "paho-mqtt and Mosquitto's tools over TLS",
        interop::tls,
    ),
    tests(
        "interop-proxy",
        "HAProxy and nginx in front, with the PROXY protocol",
        interop::proxy,
    ),
    tests(
        "interop-acme",
        "certificates from Pebble, issued and renewed",
        interop::acme,
    ),
    tests("interop-rumqttc", "rumqttc (Rust)", interop::rumqttc),
];

const fn check(
    name: &'static str,
    about: &'static str,
    run: fn() -> anyhow::Result<Tally>,
) -> Step {
    Step {
        name,
        about,
        kind: Kind::Check,
        run,
    }
}

const fn tests(
    name: &'static str,
    about: &'static str,
    run: fn() -> anyhow::Result<Tally>,
) -> Step {
    Step {
        name,
        about,
        kind: Kind::Tests,
        run,
    }
}

fn format() -> anyhow::Result<Tally> {
    Task::cargo("fmt --all --check").run()?;
    Task::cargo("fmt --check --manifest-path fuzz/Cargo.toml").run()?;
    Task::cargo("fmt --check --manifest-path interop/rumqttc/Cargo.toml").run()
}

fn lints() -> anyhow::Result<Tally> {
    Task::cargo("clippy --workspace --all-targets -- -D warnings").run()?;
    let quic = "clippy --package dunlin-broker --features quic --all-targets -- -D warnings";
    Task::cargo(quic).run()?;
    let least = "clippy --package dunlin-broker --no-default-features --all-targets -- -D warnings";
    Task::cargo(least).run()?;
    interop::lint_rumqttc()
}

fn docs() -> anyhow::Result<Tally> {
    Task::cargo("doc --workspace --no-deps")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

fn unit() -> anyhow::Result<Tally> {
    let others = "test --workspace --exclude dunlin-sim --exclude dunlin-conformance";
    let mut tally = Task::cargo(others).run()?;
    tally += Task::cargo("test --package dunlin-net --features quic --test quic").run()?;
    Ok(tally)
}

fn simulation() -> anyhow::Result<Tally> {
    Task::cargo("test --package dunlin-sim").run()
}

/// Also what every step that starts the server begins with, so that none tests an old build.
pub(crate) fn build() -> anyhow::Result<Tally> {
    Task::cargo("build --release --package dunlin-broker").run()
}

fn conformance() -> anyhow::Result<Tally> {
    build()?;
    Task::cargo("test --package dunlin-conformance")
        .env("DUNLIN_BIN", workspace::server())
        .run()
}
