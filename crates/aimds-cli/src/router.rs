//! `aimds router`: replays a log of requests through the model router of a configuration, and makes such a log.

mod sample;

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use aimds_gateway::GatewayConfig;
use aimds_gateway::router::{Money, Record, Report, Simulation};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::Status;
use crate::chunks::{Chunks, Line, Source};
use crate::cli::{Global, usage};
use crate::loading::misconfigured;
use crate::progress::Progress;
use crate::terminal::{Paint, tell};

/// Bad lines that are told one by one.
const TOLD: u64 = 10;

/// The subcommands of `aimds router`.
#[derive(Debug, Subcommand)]
pub enum Router {
    /// What a log of requests would have cost, and where it would have gone
    #[command(after_help = "One JSON object a line:
  {\"model\",\"input_tokens\",\"output_tokens\",\"text\"?,\"surface\"?,\"tenant\"?,\"key\"?,\"turns\"?,\"tools\"?,\"code\"?,\"reasoning\"?,
   \"private\"?,\"pii\"?,\"temperature\"?,\"cache_key\"?,\"at_ms\"?}
The points of complexity come from \"text\", or from turns, tools, code and reasoning. \"pii\" says that personal data or \
secrets were found: the log is not inspected. Requests are the same for the cache where tenant, surface, model and \
cache_key (else text) are. Failures, retries and budgets are not part of it.

Exit status: 0 done, 1 dearer than --fail-above, 2 wrong usage or configuration, 3 a line that could not be read.")]
    Simulate(Simulate),
    /// Make a log that looks like the traffic the example configuration was written for
    Sample(Sample),
}

/// Arguments of `aimds router simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The log; - is standard input, .zst is decompressed
    #[arg(value_name = "FILE")]
    pub log: String,
    /// The configuration with the router; no key of a target is read
    #[arg(short, long, value_name = "FILE", env = "AIMDS_CONFIG")]
    pub config: PathBuf,
    /// Exit status 1 where an answered request costs more than this on average
    #[arg(long, value_name = "DOLLARS")]
    pub fail_above: Option<String>,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Arguments of `aimds router sample`.
#[derive(Debug, Args)]
pub struct Sample {
    /// How many requests
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100_000)]
    pub requests: u64,
    /// Where randomness comes from: the same seed gives the same log
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Runs `aimds router`.
///
/// # Errors
/// A configuration that is refused; a log that cannot be read; output that cannot be written.
pub fn run(router: &Router, global: &Global) -> anyhow::Result<Status> {
    match router {
        Router::Simulate(arguments) => simulate(arguments, global),
        Router::Sample(arguments) => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            for record in sample::records(arguments.seed, arguments.requests) {
                serde_json::to_writer(&mut out, &record)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(Status::Clean)
        }
    }
}

fn simulate(arguments: &Simulate, global: &Global) -> anyhow::Result<Status> {
    let limit = arguments.fail_above.as_deref().map(|text| {
        Money::parse(text).ok_or_else(|| usage("--fail-above: must be an amount of dollars, as 0.001"))
    });
    let limit = limit.transpose()?;
    let mut simulation = open(&arguments.config).map_err(misconfigured)?;
    let source = Source::from_argument(&arguments.log);
    let progress = Progress::over(std::slice::from_ref(&source), global);
    let mut bad = 0_u64;
    for chunk in Chunks::new(source.open(&progress)?) {
        let chunk = chunk.with_context(|| format!("cannot read {}", source.name()))?;
        for (number, line) in chunk.lines() {
            if let Err(why) = replay(&mut simulation, &line) {
                bad += 1;
                if bad <= TOLD {
                    tell(format_args!("{}:{number}: {why}", source.name()));
                }
            }
        }
    }
    progress.finish();
    if bad > TOLD {
        tell(format_args!("{} more lines could not be read", bad - TOLD));
    }
    let report = simulation.report();
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Text => out.write_all(page(&report, Paint::for_stdout(global.color)).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    let dear = limit.is_some_and(|limit| report.per_request > limit);
    Ok(Status::of_run(dear.into(), bad, false))
}

fn open(path: &Path) -> anyhow::Result<Simulation> {
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(named)?;
    let router = GatewayConfig::parse(&text).with_context(named)?.router;
    anyhow::ensure!(!router.targets.is_empty(), "{}: there is no router in it", path.display());
    Simulation::new(&router).with_context(named)
}

fn replay(simulation: &mut Simulation, line: &Line<'_>) -> Result<(), String> {
    let Line::Bytes(bytes) = line else { return Err("the line is too long".into()) };
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    let record = Record::parse(text).map_err(|error| error.to_string())?;
    simulation.replay(&record);
    Ok(())
}

fn page(report: &Report, paint: Paint) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut page = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| _ = writeln!(page, "{text}");
    line(format_args!(
        "{} requests, {} without a route, {} without a local target",
        report.requests, report.no_route, report.no_local_target
    ));
    line(format_args!(
        "cache: {} hits of {} that might be, {} of all answers",
        report.cache_hits,
        report.cacheable,
        percent(report.hit_rate)
    ));
    line(format_args!(""));
    let width = report.targets.iter().map(|target| target.name.len()).max().unwrap_or_default().max(6);
    line(format_args!(
        "{:width$}  {:>10}  {:>7}  {:>14}  {:>14}  {:>16}",
        "target", "requests", "share", "input", "output", "dollars"
    ));
    for target in &report.targets {
        line(format_args!(
            "{:width$}  {:>10}  {:>7}  {:>14}  {:>14}  {:>16}",
            target.name,
            target.requests,
            percent(target.share),
            target.input_tokens,
            target.output_tokens,
            target.cost
        ));
    }
    line(format_args!(""));
    line(format_args!("cost: ${}; the cache saved ${}", report.cost, report.saved_by_cache));
    line(format_args!("the dearest target alone, without a cache: ${}", report.cost_of_the_dearest));
    let million = paint.strong(&format!("${}", report.cost_per_million));
    line(format_args!("for a million requests: {million}; for one: ${}", report.cost_per_request));
    page
}
