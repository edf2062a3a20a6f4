//! `cargo xtask ci`. The cheap steps come first; the first that fails ends the run.

use crate::process::{BUILD_LIMIT, cargo, run as must};
use crate::steps::Steps;
use crate::test::Tally;
use crate::{test, tidy, tools};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let mut tally = Tally::default();
    let result = all(&mut steps, &mut tally);
    test::close(&steps, tally, result)
}

fn all(steps: &mut Steps, tally: &mut Tally) -> anyhow::Result<()> {
    steps.step("format", || must(cargo().args(["fmt", "--all", "--check"]), BUILD_LIMIT))?;
    steps.step("tidy", tidy::run)?;
    steps.step("licences, bans, sources", deny)?;
    steps.step("lints", || {
        let mut clippy = cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--release", "--quiet"]);
        must(clippy.args(["--", "-D", "warnings"]), BUILD_LIMIT)
    })?;
    steps.step("documentation", || {
        let mut doc = cargo();
        // Libraries only: a program's page would take the place of a library's with the same name.
        doc.args(["doc", "--workspace", "--lib", "--no-deps", "--release", "--quiet"]);
        must(doc.env("RUSTDOCFLAGS", "-D warnings"), BUILD_LIMIT)
    })?;
    test::steps(steps, tally, false)
}

/// Advisories are left out: their database is a Git repository, which a machine that reaches package registries alone
/// cannot fetch.
fn deny() -> anyhow::Result<()> {
    let cargo_deny = tools::cargo_deny()?;
    let mut check = crate::process::command(cargo_deny);
    must(check.args(["--log-level", "error", "check", "licenses", "bans", "sources"]), BUILD_LIMIT)
}
