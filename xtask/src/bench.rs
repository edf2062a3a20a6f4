//! `cargo xtask bench` and `cargo xtask train`: other programs of this repository, built in release, with their own
//! arguments.

use std::ffi::OsString;
use std::time::Duration;

use crate::neo4j::{PASSWORD, Server};
use crate::process::{cargo, run as must};

/// Benchmarks and training take as long as they take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(arguments: &[OsString], with_neo4j: bool) -> anyhow::Result<()> {
    let mut bench = cargo();
    bench.args(["run", "--release", "--package", "aimds-cli", "--", "bench"]).args(arguments);
    if !with_neo4j {
        return must(&mut bench, LIMIT);
    }
    let server = Server::start()?;
    bench.arg("--neo4j").arg(&server.url).env("AIMDS_NEO4J_PASSWORD", PASSWORD);
    must(&mut bench, LIMIT)?;
    let megabytes = |bytes: Option<u64>| {
        bytes.map_or("unknown".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
    };
    let (memory, files) = server.size();
    // Not among what the bench itself says, which may be JSON.
    eprintln!("the Neo4j server: {} of memory at most, {} on disk", megabytes(memory), megabytes(files));
    Ok(())
}

pub(crate) fn train(recipe: &[OsString]) -> anyhow::Result<()> {
    let mut train = cargo();
    train.args(["run", "--release", "--package", "aimds-training", "--"]).args(recipe);
    if !recipe.iter().any(|word| word == "--out") {
        train.args(["--out", "models"]);
    }
    must(&mut train, LIMIT)
}
