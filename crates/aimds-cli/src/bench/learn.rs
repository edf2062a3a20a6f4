//! `aimds bench learn`: the response policy on synthetic environments, beside simple contenders and a rival's results.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aimds_bench::{LearnLatency, Regret, STEPS, export, latencies, regrets};
use aimds_learn::{MIN_VALUES, Scenario};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Format;
use crate::Status;
use crate::cli::{Global, usage};
use crate::progress::Progress;

/// The rival's script, beside the other rivals in the repository.
const SCRIPT: &str = "rivals/vowpal.py";

/// Arguments of `aimds bench learn`.
#[derive(Debug, Args)]
#[command(
    after_help = "Regret is the expected reward of the best response less that of the one chosen, summed over the cases of a \
run. With --rival PYTHON, a Python that has the package vowpalwabbit plays the same cases by rivals/vowpal.py, and stands in the same table."
)]
pub struct Learn {
    /// Runs of each environment
    #[arg(long, default_value_t = MIN_VALUES, value_name = "N", value_parser = runs)]
    pub seeds: usize,
    /// Cases of each run
    #[arg(long, default_value_t = STEPS, value_name = "N", value_parser = cases)]
    pub steps: usize,
    /// Only the environments whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Calls to measure the latency with
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = cases)]
    pub calls: usize,
    /// Run the rival with this Python, from the root of the repository
    #[arg(long, value_name = "PYTHON")]
    pub rival: Option<PathBuf>,
    /// Write the environments to a file for other programs, and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with = "rival")]
    pub export: Option<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

fn runs(text: &str) -> Result<usize, String> {
    let runs: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (MIN_VALUES..=1000).contains(&runs) {
        Ok(runs)
    } else {
        Err(format!("an interval needs {MIN_VALUES} to 1000"))
    }
}

fn cases(text: &str) -> Result<usize, String> {
    let cases: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (100..=10_000_000).contains(&cases) { Ok(cases) } else { Err("from 100 to 10000000".into()) }
}

#[derive(Serialize)]
struct Report {
    steps: usize,
    regret: Vec<Regret>,
    latency: Vec<LearnLatency>,
    rival: Option<serde_json::Value>,
}

/// Runs the environments.
///
/// # Errors
/// A rival that cannot be run, an output that cannot be written.
pub fn run(learn: &Learn, global: &Global) -> anyhow::Result<Status> {
    let wanted =
        |scenario: &Scenario| learn.only.as_deref().is_none_or(|part| scenario.name().contains(part));
    let scenarios: Vec<Scenario> = Scenario::ALL.into_iter().filter(wanted).collect();
    if scenarios.is_empty() {
        return Err(usage("no environment has such a name"));
    }
    if let Some(path) = &learn.export {
        let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut out = BufWriter::new(file);
        export(&mut out, &scenarios, learn.seeds, learn.steps)?;
        out.flush()?;
        return Ok(Status::Clean);
    }
    let progress = Progress::steps(scenarios.len() as u64, global);
    let mut regret = Vec::new();
    for &scenario in &scenarios {
        regret.extend(regrets(scenario, learn.seeds, learn.steps)?);
        progress.step();
    }
    progress.finish();
    let rival = learn.rival.as_deref().map(|python| play(python, learn, &scenarios)).transpose()?;
    let report = Report { steps: learn.steps, regret, latency: latencies(learn.calls)?, rival };
    let mut out = std::io::stdout().lock();
    match learn.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        Format::Text => out.write_all(page(&report).as_bytes())?,
    }
    Ok(Status::Clean)
}

/// Pipes the environments into the rival's script and reads its results.
fn play(python: &Path, learn: &Learn, scenarios: &[Scenario]) -> anyhow::Result<serde_json::Value> {
    anyhow::ensure!(Path::new(SCRIPT).is_file(), "no {SCRIPT} here: run it from the root of the repository");
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", python.display()))?;
    let stdin = child.stdin.take().context("the rival has no input")?;
    let (scenarios, seeds, steps) = (scenarios.to_vec(), learn.seeds, learn.steps);
    let writer = std::thread::spawn(move || {
        let mut stdin = BufWriter::new(stdin);
        export(&mut stdin, &scenarios, seeds, steps).and_then(|()| stdin.flush())
    });
    let output = child.wait_with_output()?;
    let written = writer.join().map_err(|_| anyhow::anyhow!("the cases could not be written"))?;
    anyhow::ensure!(output.status.success(), "the rival ended with {}", output.status);
    written.context("the rival did not read all cases")?;
    serde_json::from_slice(&output.stdout).context("the rival's answer is no JSON")
}

fn page(report: &Report) -> String {
    let mut page = format!(
        "{:<14} {:<26} {:>9} {:>21} {:>7}\n",
        "environment", "contender", "regret", "95 % interval", "ratio"
    );
    let ours = |scenario: &str| {
        let found = report.regret.iter().find(|row| row.scenario == scenario && row.contender == "aimds");
        found.map(|row| row.regret.mean)
    };
    let mut line = |scenario: &str, contender: &str, [mean, low, high]: [f64; 3]| {
        let ratio = ours(scenario).filter(|_| mean > 0.0);
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ours| format!("{:.2}", ours / mean));
        let interval = format!("{low:.0} to {high:.0}");
        // Writing to a String does not fail.
        let _ = writeln!(page, "{scenario:<14} {contender:<26} {mean:>9.0} {interval:>21} {ratio:>7}");
    };
    for row in &report.regret {
        line(&row.scenario, row.contender, [row.regret.mean, row.regret.low, row.regret.high]);
    }
    let rivals =
        report.rival.as_ref().and_then(|rival| rival.get("regret")).and_then(serde_json::Value::as_array);
    for row in rivals.into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str).unwrap_or("?");
        let number = |key: &str| row.get(key).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
        line(text("scenario"), text("contender"), [number("mean"), number("low"), number("high")]);
    }
    page.push_str("ratio: regret of aimds over that of the contender\n\n");
    let _ = writeln!(
        page,
        "{:>8} {:>7} {:>16} {:>16} {:>16}",
        "features", "actions", "select p50/p99", "learn p50/p99", "both p50/p99"
    );
    for row in &report.latency {
        let pair = |p50: u64, p99: u64| format!("{p50} / {p99} ns");
        let _ = writeln!(
            page,
            "{:>8} {:>7} {:>16} {:>16} {:>16}",
            row.features,
            row.actions,
            pair(row.select_p50_ns, row.select_p99_ns),
            pair(row.update_p50_ns, row.update_p99_ns),
            pair(row.both_p50_ns, row.both_p99_ns),
        );
    }
    page
}
