//! Which crate may depend on which: what `cargo metadata` says against the order of the design.

use anyhow::Context as _;
use serde_json::Value;

use super::Problem;

/// A crate may depend on those above it, on no other.
const ORDER: [&str; 16] = [
    "aimds-text",
    "aimds-sequence",
    "aimds-detect",
    "aimds-attractor",
    "aimds-analyze",
    "aimds-temporal",
    "aimds-policy",
    "aimds-scheduler",
    "aimds-learn",
    "aimds-respond",
    "aimds-engine",
    "aimds-store",
    "aimds-graph",
    "aimds-gateway",
    "aimds-bench",
    "aimds-cli",
];

/// Know nothing of language models: they depend on each other at most, never on a crate of another kind.
const GENERAL: [&str; 7] = [
    "aimds-text",
    "aimds-sequence",
    "aimds-attractor",
    "aimds-temporal",
    "aimds-scheduler",
    "aimds-learn",
    "aimds-store",
];

/// Programs and bindings around the workspace: they may use any crate, and no crate may use them.
const OUTSIDE: [&str; 5] = ["aimds-training", "aimds-python", "aimds-node", "aimds-wasm", "xtask"];

/// The only crates that know sockets and an async runtime. That of the graph is the database driver's, behind a feature.
const NETWORKED: [&str; 3] = ["aimds-graph", "aimds-gateway", "aimds-cli"];
const NETWORK: [&str; 10] =
    ["tokio", "hyper", "axum", "tower", "quinn", "h3", "h2", "reqwest", "async-std", "smol"];

/// Checks the output of `cargo metadata --no-deps`.
pub(super) fn check(metadata: &Value) -> anyhow::Result<Vec<Problem>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no package")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        for dependency in dependencies.iter().filter_map(|dependency| dependency["name"].as_str()) {
            problems.extend(why_not(name, dependency).map(|why| Problem::new(name, 0, why)));
        }
        if place(name).is_none() && !OUTSIDE.contains(&name) {
            problems.push(Problem::new(name, 0, "is not in the order of the crates (xtask, tidy/layers.rs)"));
        }
    }
    Ok(problems)
}

fn place(name: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == name)
}

/// Why a package may not have a dependency, whatever its kind.
fn why_not(package: &str, dependency: &str) -> Option<String> {
    if is_network(dependency) && place(package).is_some() && !NETWORKED.contains(&package) {
        return Some(format!("only {} may depend on {dependency}", NETWORKED.join(" and ")));
    }
    if OUTSIDE.contains(&dependency) {
        return Some(format!("nothing may depend on {dependency}"));
    }
    let (below, above) = (place(package)?, place(dependency)?);
    if above >= below {
        return Some(format!("{dependency} does not come before it in the order of the crates"));
    }
    if GENERAL.contains(&package) && !GENERAL.contains(&dependency) {
        return Some(format!("knows nothing of language models, so it cannot depend on {dependency}"));
    }
    None
}

/// The crate itself, or one of its family: `hyper-util`, `tokio-rustls`.
fn is_network(name: &str) -> bool {
    NETWORK
        .iter()
        .any(|known| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dependencies_point_up_only() {
        for (package, dependency, allowed) in [
            ("aimds-detect", "aimds-text", true),
            ("aimds-text", "aimds-detect", false),
            ("aimds-detect", "aimds-detect", false),
            ("aimds-cli", "aimds-gateway", true),
            ("aimds-store", "aimds-engine", false),
            ("aimds-store", "aimds-text", true),
            ("aimds-learn", "aimds-policy", false),
            ("aimds-learn", "aimds-sequence", true),
            ("aimds-training", "aimds-engine", true),
            ("aimds-engine", "aimds-training", false),
            ("aimds-cli", "xtask", false),
            ("aimds-engine", "serde", true),
            ("aimds-engine", "tokio", false),
            ("aimds-engine", "hyper-util", false),
            ("aimds-engine", "h3-quinn", false),
            ("aimds-engine", "hyperloglog", true),
            ("aimds-gateway", "tokio", true),
            ("aimds-cli", "axum", true),
            ("xtask", "tokio", true),
        ] {
            let why = why_not(package, dependency);
            assert_eq!(why.is_none(), allowed, "{package} -> {dependency}: {why:?}");
        }
    }

    #[test]
    fn a_crate_outside_the_order_is_a_problem() {
        let metadata = json!({ "packages": [
            { "name": "aimds-text", "dependencies": [] },
            { "name": "aimds-new", "dependencies": [{ "name": "serde" }] },
        ] });
        let problems = check(&metadata).unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "aimds-new");
        assert!(check(&json!({})).is_err());
    }
}
