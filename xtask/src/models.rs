//! The models of the scheduler: loom tries every order of what a few threads do, shuttle many of what all of it does, Miri looks
//! for undefined behaviour in the crates below. Each builds the crate in its own way, in a folder of its own.

use std::process::Command;

use clap::Args;

use crate::process::{BUILD_LIMIT, cargo, command, run as must};

/// With two preemptions or three some models take minutes; most mistakes need one.
const FEW_PREEMPTIONS: &str = "1";

/// Arguments of `cargo xtask models`.
#[derive(Args)]
pub(crate) struct Models {
    /// Run the scheduler's tests under Miri too, which needs a nightly toolchain with it and some minutes
    #[arg(long)]
    miri: bool,
}

/// All orders with as many preemptions as the models say.
pub(crate) fn run(models: &Models) -> anyhow::Result<()> {
    must(&mut loom(), BUILD_LIMIT)?;
    must(&mut shuttle(), BUILD_LIMIT)?;
    if models.miri {
        must(&mut miri(), BUILD_LIMIT)?;
    }
    Ok(())
}

/// What belongs to every run of the tests.
pub(crate) fn quick() -> [Command; 2] {
    let mut loom = loom();
    loom.env("LOOM_MAX_PREEMPTIONS", FEW_PREEMPTIONS);
    [loom, shuttle()]
}

fn loom() -> Command {
    with_flag("loom", &["--lib"])
}

fn shuttle() -> Command {
    with_flag("shuttle", &["--test", "shuttle"])
}

fn with_flag(checker: &str, what: &[&str]) -> Command {
    let mut test = cargo();
    test.args(["test", "--release", "--package", "aimds-scheduler"]).args(what);
    test.arg("--target-dir").arg(crate::target().join(checker));
    test.env("RUSTFLAGS", format!("--cfg {checker}"));
    test
}

fn miri() -> Command {
    let mut test = command("rustup");
    test.args(["run", "nightly", "cargo", "miri", "test", "--package", "aimds-scheduler"]);
    test.args(["--lib", "--test", "behaviour"]);
    test.arg("--target-dir").arg(crate::target().join("miri"));
    // Clocks and threads of the machine.
    test.env("MIRIFLAGS", "-Zmiri-disable-isolation");
    test
}
