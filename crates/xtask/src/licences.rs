//! What `deny.toml` asks of dependencies, checked with `cargo metadata` alone: building
//! `cargo-deny` would take longer than all tests together. Who has it can run it on the same file.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::command::Task;
use crate::tally::Tally;

const POLICY: &str = include_str!("../../../deny.toml");

/// Every dependency on Linux has an allowed licence, and none is there in two versions.
pub(crate) fn check() -> anyhow::Result<Tally> {
    let metadata = "metadata --format-version 1 --filter-platform x86_64-unknown-linux-gnu";
    let metadata: Value = serde_json::from_str(&Task::cargo(metadata).read()?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    let faults = faults(packages, &policy("allow"), &policy("skip"));
    println!("{} packages", packages.len());
    if !faults.is_empty() {
        bail!("{}\n(the rules are in deny.toml)", faults.join("\n"));
    }
    Ok(Tally::default())
}

/// One line for everything that breaks a rule.
fn faults(packages: &[Value], allowed: &[&str], skipped: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none");
        if !is_allowed(licence, allowed) {
            faults.push(format!("{name} has the licence {licence}"));
        }
        versions
            .entry(name)
            .or_default()
            .push(package["version"].as_str().unwrap_or_default());
    }
    for (name, versions) in versions {
        if versions.len() > 1 && !skipped.contains(&name) {
            faults.push(format!(
                "{name} is there in versions {}",
                versions.join(", ")
            ));
        }
    }
    faults
}

/// Whether `expression` can be met with allowed licences alone. Reads the two forms in use, `A OR B`
/// and `(A OR B) AND C`; anything else is not allowed until this function learns it.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')']);
        part.split([' ', '/'])
            .any(|licence| allowed.contains(&licence))
    })
}

/// The strings of the array called `key` in `deny.toml`, which has one entry a line.
fn policy(key: &str) -> Vec<&'static str> {
    let start = format!("{key} = [");
    let lines = POLICY.lines().skip_while(|line| *line != start).skip(1);
    lines
        .take_while(|line| *line != "]")
        .filter_map(|line| line.split('"').nth(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_read_from_deny_toml() {
        assert!(policy("allow").contains(&"MIT"));
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert!(is_allowed("MIT OR GPL-3.0", &["MIT"]));
        assert!(is_allowed(
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            &["MIT", "Unicode-3.0"]
        ));
        assert!(!is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT"]));
        assert!(!is_allowed("none", &["MIT"]));
    }

    #[test]
    fn two_versions_are_a_fault() {
        let package =
            |version| serde_json::json!({"name": "a", "version": version, "license": "MIT"});
        let packages = [package("1.0.0"), package("2.0.0")];
        assert_eq!(
            faults(&packages, &["MIT"], &[]),
            ["a is there in versions 1.0.0, 2.0.0"]
        );
        assert!(faults(&packages, &["MIT"], &["a"]).is_empty());
    }
}
