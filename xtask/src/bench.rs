//! `cargo xtask bench` and `cargo xtask train`: other programs of this repository, built in release, with their own
//! arguments.

use std::ffi::OsString;
use std::time::Duration;

use crate::process::{cargo, run as must};

/// Benchmarks and training take as long as they take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<()> {
    must(cargo().args(["run", "--release", "--package", "aimds-cli", "--", "bench"]).args(arguments), LIMIT)
}

pub(crate) fn train(recipe: &[OsString]) -> anyhow::Result<()> {
    let mut train = cargo();
    train.args(["run", "--release", "--package", "aimds-training", "--"]).args(recipe);
    if !recipe.iter().any(|word| word == "--out") {
        train.args(["--out", "models"]);
    }
    must(&mut train, LIMIT)
}
