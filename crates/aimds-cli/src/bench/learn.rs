//! `aimds bench learn`: the response policy on synthetic environments, beside simple contenders and a rival's results.

use std::path::PathBuf;

use aimds_bench::{Report, STEPS, export, latencies, regret_cases, regrets};
use aimds_learn::{MIN_VALUES, Scenario};
use clap::Args;
use serde_json::json;

use super::engines;
use super::page::{self, Output};
use crate::Status;
use crate::cli::{Global, usage};
use crate::progress::Progress;

/// Arguments of `aimds bench learn`.
#[derive(Debug, Args)]
#[command(
    after_help = "Regret is the expected reward of the best response less that of the one chosen, summed over the cases of a \
run: seeds count up from 0. `python3 rivals/engines.py learn` has Vowpal Wabbit play the same cases and writes \
the file for --rivals."
)]
pub struct Learn {
    /// Runs of each environment
    #[arg(long, default_value_t = MIN_VALUES, value_name = "N", value_parser = runs)]
    pub seeds: usize,
    /// Cases of each run
    #[arg(long, default_value_t = STEPS, value_name = "N", value_parser = number)]
    pub steps: usize,
    /// Only the environments whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Calls to measure the latency with
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = number)]
    pub calls: usize,
    /// Write the environments to a file for other programs, and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with = "rivals")]
    pub export: Option<PathBuf>,
    /// Who else is shown, and how.
    #[command(flatten)]
    pub output: Output,
}

/// The seed of the first run; the others follow.
const FIRST_SEED: u64 = 0;

fn runs(text: &str) -> Result<usize, String> {
    let runs: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (MIN_VALUES..=1000).contains(&runs) {
        Ok(runs)
    } else {
        Err(format!("an interval needs {MIN_VALUES} to 1000"))
    }
}

fn number(text: &str) -> Result<usize, String> {
    let cases: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (100..=10_000_000).contains(&cases) { Ok(cases) } else { Err("from 100 to 10000000".into()) }
}

/// Runs the environments.
///
/// # Errors
/// A file that cannot be read or written.
pub fn run(learn: &Learn, global: &Global) -> anyhow::Result<Status> {
    let wanted =
        |scenario: &Scenario| learn.only.as_deref().is_none_or(|part| scenario.name().contains(part));
    let scenarios: Vec<Scenario> = Scenario::ALL.into_iter().filter(wanted).collect();
    if scenarios.is_empty() {
        return Err(usage("no environment has such a name"));
    }
    if let Some(path) = &learn.export {
        return engines::export(path, |out| export(out, &scenarios, learn.seeds, learn.steps));
    }
    let rivals = page::read_rivals(&learn.output.rivals)?;
    let progress = Progress::steps(scenarios.len() as u64, global);
    let mut regret = Vec::new();
    for &scenario in &scenarios {
        regret.extend(regrets(scenario, learn.seeds, learn.steps)?);
        progress.step();
    }
    progress.finish();
    let mut measured = regret_cases(&regret);
    measured.extend(latencies(learn.calls, FIRST_SEED)?);
    let report = Report::new("learn", FIRST_SEED, measured);
    let more = json!({ "steps": learn.steps, "regret": regret });
    page::print(report, &rivals, more, "", learn.output.format)
}
