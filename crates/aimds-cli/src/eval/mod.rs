//! `aimds eval`: detection measured on labelled JSON lines.
//!
//! A row counts as predicted to be an attack when the policy would not forward it (`block` or `escalate`; a policy in
//! monitor mode is measured as if it were enforced), or with `--threshold` when its score reaches the threshold.

mod compare;
mod disguised;
mod measure;
mod pii;
mod report;
mod rows;
mod table;

use std::path::{Path, PathBuf};

use aimds_engine::Origin;
use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::chunks::Source;
use crate::cli::{Global, usage};
use crate::progress::Progress;
use crate::scan::{Deep, parse_origin};
use crate::terminal::{self, Paint};
use crate::{Status, loading, ordered};

pub(crate) use rows::LabelledFile;
use rows::Settings;

/// Arguments of `aimds eval`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aimds eval test.jsonl.zst
  aimds eval labelled/ --format json --rows > before.json
  aimds eval labelled/ --compare before.json

Rows: {\"text\" or \"turns\", \"label\": \"attack\"|\"benign\", \"id\"?, \"origin\"?, \"category\"?, \"source\"?}; rows with \
\"spans\": [{\"start\",\"end\",\"type\"}] and no label measure personal data. A row that cannot be read ends the run.

TPR and FPR are measured at the shipped thresholds, with 95 % Wilson intervals. TPR@1% is the share of attacks above \
the threshold that 1 % of the file's own benign rows reach; `pooled` takes the benign rows of all files. Latency is that \
of the engine alone, with all workers busy: use --jobs 1 for the latency of an idle machine.

A span of personal data is found when a finding of its kind covers at least half of what the two cover together (IoU). \
`covered` asks only that findings of any kind cover half of the span: what redaction would hide.")]
pub struct Eval {
    /// Files (.jsonl, .jsonl.zst), or directories that are searched for them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Put every row's identifier, score and decision into the JSON, for a later --compare
    #[arg(long)]
    pub rows: bool,
    /// Tell what changed since the run whose JSON (with --rows) is in this file
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Instead, hide every text in each known encoding and disguise, and tell how many verdicts survive
    #[arg(long, conflicts_with_all = ["rows", "compare", "format"])]
    pub disguises: bool,
    /// Count a row as predicted when its score reaches this, whatever the policy says
    #[arg(long, value_name = "SCORE", value_parser = parse_unit)]
    pub threshold: Option<f32>,
    /// Look at the first N lines of each file only
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Where a text comes from, if the row does not say
    #[arg(short, long, value_name = "ORIGIN", default_value = "user", value_parser = parse_origin)]
    pub origin: Origin,
    /// When to use the deep path
    #[arg(long, value_enum, default_value_t = Deep::Auto, value_name = "WHEN")]
    pub deep: Deep,
    /// Policy instead of the embedded one
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Number of worker threads; one for each core unless told otherwise
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Text,
    /// One JSON object.
    Json,
}

/// A number in \[0, 1\].
pub(crate) fn parse_unit(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("give a number between 0 and 1".into()),
    }
}

/// Runs `aimds eval`.
///
/// # Errors
/// Wrong usage, a policy that is refused, a file or a row that cannot be read.
pub fn run(eval: &Eval, global: &Global) -> anyhow::Result<Status> {
    if eval.rows && eval.format != Format::Json {
        return Err(usage("--rows is for --format json"));
    }
    let earlier = eval.compare.as_deref().map(compare::Earlier::read).transpose()?;
    let engine = loading::engine(eval.policy.as_deref(), eval.deep)?;
    let files = labelled_files(&eval.paths)?;
    let sources: Vec<_> = files.iter().map(|file| file.source.clone()).collect();
    let progress = Progress::over(&sources, global);
    let settings = Settings {
        origin: eval.origin,
        threshold: eval.threshold,
        limit: eval.limit.unwrap_or(u64::MAX),
        workers: ordered::workers(eval.jobs),
    };
    if eval.disguises {
        disguised::run(&engine, &files, settings, &mut std::io::stdout().lock())?;
        return Ok(Status::Clean);
    }
    let rows = rows::judge(engine, files.clone(), settings, &progress);
    progress.finish();
    let rows = rows?;
    let mut report = report::Report::new(&files, &rows, eval.threshold);
    report.comparison = earlier.map(|earlier| compare::Comparison::new(&earlier, &rows, &files));
    if eval.rows {
        report.rows = Some(report::rows(&rows, &files));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match eval.format {
        Format::Text => table::write(&mut out, &report, Paint::for_stdout(global.color))?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            std::io::Write::write_all(&mut out, b"\n")?;
        }
    }
    std::io::Write::flush(&mut out)?;
    if global.verbose > 0 {
        terminal::tell(format_args!("{} rows in {} files", rows.judged.len(), files.len()));
    }
    Ok(Status::Clean)
}

/// The files that the arguments name: files as they are, directories searched for `.jsonl` and `.jsonl.zst`.
pub(crate) fn labelled_files(paths: &[PathBuf]) -> anyhow::Result<Vec<LabelledFile>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            search(path, &mut found).with_context(|| format!("cannot search {}", path.display()))?;
            anyhow::ensure!(found.len() > before, "no .jsonl or .jsonl.zst file in {}", path.display());
        } else {
            found.push(path.clone());
        }
    }
    let file = |path: PathBuf| {
        let source = Source::from_argument(&path.to_string_lossy());
        LabelledFile { name: source.name(), source }
    };
    Ok(found.into_iter().map(file).collect())
}

fn search(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a directory is not followed: it could lead back.
        if entry.file_type()?.is_dir() {
            search(&path, found)?;
        } else if [".jsonl", ".jsonl.zst"]
            .iter()
            .any(|end| entry.file_name().to_string_lossy().ends_with(end))
        {
            found.push(path);
        }
    }
    Ok(())
}
