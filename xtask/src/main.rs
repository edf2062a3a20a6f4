//! Developer tasks. `cargo xtask ci` is everything that a change must pass; the others are its parts.

mod bench;
mod ci;
mod external;
mod fuzz;
mod load;
mod mitigation;
mod models;
mod neo4j;
mod process;
mod steps;
mod test;
mod tidy;
mod tools;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Developer tasks", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a change must pass: format, tidy, licences, lints, documentation, all tests
    Ci,
    /// Rust tests, fuzz targets, external tests; the last line is `N passed, N failed`
    Test {
        /// Leave out the models of the scheduler, and the external tests, which need Python and install packages
        #[arg(long)]
        fast: bool,
    },
    /// Rules of this repository that no other tool knows
    Tidy,
    /// Runs the fuzz targets with libFuzzer, one after the other
    Fuzz(fuzz::Fuzz),
    /// Trains what ships in models/: `cargo xtask train lexical --data DIR`
    Train {
        /// The recipe and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        recipe: Vec<OsString>,
    },
    /// `aimds bench`, built in release
    Bench {
        /// With a Neo4j server of its own, for `graph`
        #[arg(long)]
        neo4j: bool,
        /// Arguments of `aimds bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Load on a gateway of its own on loopback: requests per second, latency, memory
    Load(load::Load),
    /// The scheduler under loom and shuttle, all orders that the models allow: minutes
    Models(models::Models),
    /// Time from a verdict to the end of what it orders, through a gateway of its own under load
    Mitigation(mitigation::Mitigation),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => ci::run(),
        Task::Test { fast } => test::run(fast),
        Task::Tidy => tidy::run(),
        Task::Fuzz(fuzz) => fuzz::run(&fuzz),
        Task::Train { recipe } => bench::train(&recipe),
        Task::Bench { neo4j, arguments } => bench::run(&arguments, neo4j),
        Task::Load(load) => load::run(&load),
        Task::Models(models) => models::run(&models),
        Task::Mitigation(mitigation) => mitigation::run(&mitigation),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where builds go, whoever asked for them.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}
