//! `aimds bench temporal`, `scheduler`, `attractor` and `sequence`: the engines one by one, with rivals beside them.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use aimds_bench::{
    Bench, Case, Report, SchedulerLoad, SequenceLoad, TemporalLoad, export_attractor, export_scheduler,
    export_sequence, export_temporal, measure_attractor, measure_scheduler, measure_sequence,
    measure_temporal,
};
use anyhow::Context as _;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::page::{self, Output};
use crate::Status;
use crate::cli::{Global, usage};

fn within(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

/// A count of one or more.
fn count() -> RangedU64ValueParser<usize> {
    within(1, 1_000_000_000)
}

/// What they have in common.
#[derive(Debug, Args)]
pub struct Cases {
    /// Where what is random in the workloads comes from
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Only the cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Write what a rival needs to do the same to a file, and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with = "rivals")]
    pub export: Option<PathBuf>,
    /// Who else is shown, and how.
    #[command(flatten)]
    pub output: Output,
}

const PROMISED: TemporalLoad = TemporalLoad::PROMISED;
const SEQUENCES: SequenceLoad = SequenceLoad::PROMISED;

const ELSEWHERE: &str = "Times mean something on an idle machine; a case that takes long has fewer runs. Rivals that \
are no part of this binary run with `python3 rivals/engines.py`, which writes the files for --rivals.";

/// Arguments of `aimds bench temporal`.
#[derive(Debug, Args)]
#[command(after_help = ELSEWHERE)]
pub struct Temporal {
    /// Runs of each case
    #[arg(long, default_value_t = 21, value_name = "N", value_parser = count())]
    pub runs: usize,
    /// Events of a trace
    #[arg(long, default_value_t = PROMISED.events, value_name = "N", value_parser = within(20, 10_000_000))]
    pub events: usize,
    /// States of a model
    #[arg(long, default_value_t = PROMISED.states, value_name = "N", value_parser = within(10, 10_000_000))]
    pub states: usize,
    /// What it shares with the others.
    #[command(flatten)]
    pub cases: Cases,
}

/// Arguments of `aimds bench scheduler`.
#[derive(Debug, Args)]
#[command(after_help = ELSEWHERE)]
pub struct Scheduler {
    /// Runs of each load; calls are counted over all of them
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = count())]
    pub runs: usize,
    /// Tasks of each run of a load; rivals get a tenth
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = count())]
    pub tasks: usize,
    /// Batches of 64 calls in each run
    #[arg(long, default_value_t = 4000, value_name = "N", value_parser = count())]
    pub batches: usize,
    /// Times that a worker is woken in each run
    #[arg(long, default_value_t = 400, value_name = "N", value_parser = count())]
    pub wakes: usize,
    /// What it shares with the others.
    #[command(flatten)]
    pub cases: Cases,
}

/// Arguments of `aimds bench attractor`.
#[derive(Debug, Args)]
#[command(after_help = ELSEWHERE)]
pub struct Attractor {
    /// Runs of each case
    #[arg(long, default_value_t = 21, value_name = "N", value_parser = count())]
    pub runs: usize,
    /// Values of the series
    #[arg(long, default_values_t = [1000, 10_000], value_name = "N", value_delimiter = ',',
        value_parser = within(200, 10_000))]
    pub values: Vec<usize>,
    /// What it shares with the others.
    #[command(flatten)]
    pub cases: Cases,
}

/// Arguments of `aimds bench sequence`.
#[derive(Debug, Args)]
#[command(after_help = ELSEWHERE)]
pub struct Sequence {
    /// Runs of each case
    #[arg(long, default_value_t = 101, value_name = "N", value_parser = count())]
    pub runs: usize,
    /// Vectors among which the nearest are looked for
    #[arg(long, default_value_t = SEQUENCES.vectors, value_name = "N", value_parser = within(100, 1_000_000))]
    pub vectors: usize,
    /// Known patterns
    #[arg(long, default_value_t = SEQUENCES.patterns, value_name = "N", value_parser = within(100, 1_000_000))]
    pub patterns: usize,
    /// What it shares with the others.
    #[command(flatten)]
    pub cases: Cases,
}

/// Measures formulas, monitors and the model checker.
pub(super) fn temporal(arguments: &Temporal, global: &Global) -> anyhow::Result<Status> {
    let load = TemporalLoad { events: arguments.events, states: arguments.states };
    match &arguments.cases.export {
        Some(file) => export(file, |out| export_temporal(out, &load, arguments.cases.seed)),
        None => measure("temporal", &arguments.cases, arguments.runs, global, |bench| {
            measure_temporal(bench, &load)
        }),
    }
}

/// Measures the scheduler.
pub(super) fn scheduler(arguments: &Scheduler, global: &Global) -> anyhow::Result<Status> {
    let load = SchedulerLoad { tasks: arguments.tasks, batches: arguments.batches, wakes: arguments.wakes };
    match &arguments.cases.export {
        Some(file) => export(file, |out| export_scheduler(out, &load, arguments.runs)),
        None => measure("scheduler", &arguments.cases, arguments.runs, global, |bench| {
            measure_scheduler(bench, &load)
        }),
    }
}

/// Measures the analysis of series.
pub(super) fn attractor(arguments: &Attractor, global: &Global) -> anyhow::Result<Status> {
    match &arguments.cases.export {
        Some(file) => export(file, |out| export_attractor(out, &arguments.values, arguments.cases.seed)),
        None => measure("attractor", &arguments.cases, arguments.runs, global, |bench| {
            measure_attractor(bench, &arguments.values)
        }),
    }
}

/// Measures the comparison of sequences.
pub(super) fn sequence(arguments: &Sequence, global: &Global) -> anyhow::Result<Status> {
    let load = SequenceLoad { vectors: arguments.vectors, patterns: arguments.patterns };
    match &arguments.cases.export {
        Some(file) => export(file, |out| export_sequence(out, &load, arguments.cases.seed)),
        None => measure("sequence", &arguments.cases, arguments.runs, global, |bench| {
            measure_sequence(bench, &load)
        }),
    }
}

fn measure(
    name: &'static str,
    cases: &Cases,
    runs: usize,
    global: &Global,
    measure: impl FnOnce(&mut Bench<'_>) -> anyhow::Result<Vec<Case>>,
) -> anyhow::Result<Status> {
    let rivals = page::read_rivals(&cases.output.rivals)?;
    let tell = !global.quiet && io::stderr().is_terminal();
    let mut told = |case: &str| {
        if tell {
            eprintln!("{case}");
        }
    };
    let mut bench = Bench { seed: cases.seed, runs, only: cases.only.as_deref(), told: &mut told };
    let measured = measure(&mut bench)?;
    if measured.is_empty() {
        return Err(usage("no case has such a name"));
    }
    let report = Report::new(name, cases.seed, measured);
    page::print(report, &rivals, serde_json::Map::new(), "", cases.output.format)
}

/// Writes a workload.
pub(super) fn export(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> anyhow::Result<Status> {
    let cannot = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(File::create(path).with_context(cannot)?);
    write(&mut out).and_then(|()| out.flush()).with_context(cannot)?;
    Ok(Status::Clean)
}
