//! The fuzz targets: what each must hold is a property in `fuzz/src`, tried here in three ways. The ordinary tests run
//! every property on seeds and on mutations of them, the same ones each time; the targets for libFuzzer are kept
//! compiling; and `cargo xtask fuzz` runs libFuzzer itself.
//!
//! libFuzzer needs the compiler's coverage counters, which stable `rustc` can place through LLVM's own options. So there is
//! no nightly toolchain and no cargo-fuzz here; who has them can use them: the layout is cargo-fuzz's.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::process::{BUILD_LIMIT, cargo, command, output, run as must};

/// What cargo-fuzz passes, without the sanitizer: none of our code is unsafe.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions";

/// Arguments of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
}

/// Properties on seeds and mutations. Shares what it can with the other builds.
pub(crate) fn smoke() -> Command {
    let mut test = manifest("test");
    test.args(["--release", "--no-default-features"]).arg("--target-dir").arg(crate::target());
    test
}

/// Do the targets compile?
pub(crate) fn check() -> Command {
    let mut check = manifest("check");
    check.args(["--release", "--bins", "--quiet"]).arg("--target-dir").arg(crate::target());
    // Only linking would need libFuzzer itself, which takes a minute of C++.
    check.env("CUSTOM_LIBFUZZER_PATH", crate::target().join("no-libfuzzer.a"));
    check
}

/// Runs libFuzzer.
pub(crate) fn run(fuzz: &Fuzz) -> anyhow::Result<()> {
    let targets = targets()?;
    let chosen: Vec<&String> =
        targets.iter().filter(|name| fuzz.target.as_ref().is_none_or(|wanted| wanted == *name)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no such target; there are {}", targets.join(", "));
    let host = host()?;
    let directory = crate::target().join("fuzz");
    let mut build = manifest("build");
    build.args(["--release", "--bins", "--target", &host, "--target-dir"]).arg(&directory);
    must(build.env("RUSTFLAGS", COVERAGE), BUILD_LIMIT)?;
    let found = chosen.into_iter().filter(|name| {
        println!("\n=== {name}, {} s", fuzz.seconds);
        let ran = fuzz_target(&directory.join(&host).join("release").join(name), name, fuzz.seconds);
        ran.inspect_err(|error| println!("=== {name}: {error:#}")).is_err()
    });
    let found: Vec<&str> = found.map(String::as_str).collect();
    anyhow::ensure!(
        found.is_empty(),
        "inputs were found that break {}: see fuzz/artifacts; put them into fuzz/seeds when the code is right again",
        found.join(", ")
    );
    Ok(())
}

/// Runs one target for a while, on what earlier runs and the seeds have.
fn fuzz_target(program: &Path, name: &str, seconds: u64) -> anyhow::Result<()> {
    let corpus = crate::root().join("fuzz/corpus").join(name);
    let artifacts = crate::root().join("fuzz/artifacts").join(name);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let mut fuzzer = command(program);
    fuzzer.arg(&corpus).arg(crate::root().join("fuzz/seeds"));
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    must(&mut fuzzer, Duration::from_secs(seconds + 120))
}

fn manifest(what: &str) -> Command {
    let mut command = cargo();
    command.arg(what).arg("--manifest-path").arg(crate::root().join("fuzz/Cargo.toml"));
    command
}

fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(crate::root().join("fuzz/fuzz_targets"))? {
        let path = file?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn host() -> anyhow::Result<String> {
    let about = output(command("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}
