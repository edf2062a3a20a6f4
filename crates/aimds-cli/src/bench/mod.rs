//! `aimds bench`: what the engine takes on this machine, and its parts beside their rivals.

mod engines;
mod graph;
mod learn;
mod page;

use std::io::Write as _;

use aimds_bench::{measure, workloads};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Global;
use crate::loading;
use crate::progress::Progress;
use crate::scan::Deep;
use crate::status::Status;

/// Arguments of `aimds bench`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Every workload runs on one core, with the rules, the model and the policy that ship inside the \
binary. Times are of the whole path: normalise, detect, analyse, decide. Run it on an idle machine, more than once."
)]
pub struct Bench {
    /// Something else to measure.
    #[command(subcommand)]
    pub other: Option<Other>,
    /// Bytes of text that each workload goes through; more is slower and steadier
    #[arg(long, default_value_t = 4_000_000, value_name = "BYTES")]
    pub bytes: usize,
    /// Only the workloads whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// When to use the deep path; the promised times are of the fast path alone
    #[arg(long, value_enum, default_value_t = Deep::Never, value_name = "WHEN")]
    pub deep: Deep,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Formulas over traces, monitors, model checking
    Temporal(engines::Temporal),
    /// What scheduling costs, and which deadlines are kept under load
    Scheduler(engines::Scheduler),
    /// The analysis of series: what it takes, and whether it is right
    Attractor(engines::Attractor),
    /// Edit distance, time warping, nearest vectors, known patterns
    Sequence(engines::Sequence),
    /// Build a large causal memory and measure how fast it answers
    Graph(graph::GraphBench),
    /// Regret and latency of the response policy on synthetic environments
    Learn(learn::Learn),
}

/// Formats of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    Text,
    /// JSON.
    Json,
}

/// Runs the workloads.
///
/// # Errors
/// If the result cannot be written.
pub fn run(bench: &Bench, global: &Global) -> anyhow::Result<Status> {
    match &bench.other {
        None => {}
        Some(Other::Temporal(temporal)) => return engines::temporal(temporal, global),
        Some(Other::Scheduler(scheduler)) => return engines::scheduler(scheduler, global),
        Some(Other::Attractor(attractor)) => return engines::attractor(attractor, global),
        Some(Other::Sequence(sequence)) => return engines::sequence(sequence, global),
        Some(Other::Graph(graph)) => return graph::run(graph, global),
        Some(Other::Learn(learn)) => return learn::run(learn, global),
    }
    let engine = loading::engine(None, bench.deep)?;
    let wanted = |name: &str| bench.only.as_deref().is_none_or(|part| name.contains(part));
    let chosen: Vec<_> = workloads().into_iter().filter(|workload| wanted(workload.name)).collect();
    let progress = Progress::steps(chosen.len() as u64, global);
    let mut results = Vec::new();
    for workload in &chosen {
        let longest = workload.texts.iter().map(String::len).max().unwrap_or(0);
        let calls = (bench.bytes / longest.max(1)).clamp(20, 100_000);
        results.push(measure(&engine, workload, calls));
        progress.step();
    }
    progress.finish();
    let mut out = std::io::stdout().lock();
    match bench.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&results)?)?,
        Format::Text => {
            writeln!(
                out,
                "{:<40} {:>8} {:>8} {:>10} {:>10} {:>10}",
                "workload", "bytes", "calls", "p50 µs", "p99 µs", "max µs"
            )?;
            for row in &results {
                writeln!(
                    out,
                    "{:<40} {:>8} {:>8} {:>10.1} {:>10.1} {:>10.1}",
                    row.workload, row.bytes, row.calls, row.p50_us, row.p99_us, row.max_us
                )?;
            }
        }
    }
    Ok(Status::Clean)
}
