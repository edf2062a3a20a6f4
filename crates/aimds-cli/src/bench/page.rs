//! What the measurements of the engines print: a line for each case, and one for each contender under it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aimds_bench::{Case, Measured, Report, RivalResult, put_beside};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Format;
use crate::status::Status;

/// Who else is shown, and how.
#[derive(Debug, Args)]
pub struct Output {
    /// Show the results of rivals that ran elsewhere, which the scripts under rivals/ write, beside ours; can be repeated
    #[arg(long, value_name = "FILE")]
    pub rivals: Vec<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What a file of results is read for, before anything is measured.
pub(super) fn read_rivals(files: &[PathBuf]) -> anyhow::Result<Vec<RivalResult>> {
    let mut results = Vec::new();
    for file in files {
        results.extend(read(file)?);
    }
    Ok(results)
}

fn read(file: &Path) -> anyhow::Result<Vec<RivalResult>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    RivalResult::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}

/// Puts the rivals beside the cases that were measured and prints all, with what else a bench has to say.
pub(super) fn print(
    mut report: Report,
    rivals: &[RivalResult],
    more: impl Serialize,
    heading: &str,
    format: Format,
) -> anyhow::Result<Status> {
    #[derive(Serialize)]
    struct Whole<M> {
        #[serde(flatten)]
        report: Report,
        #[serde(flatten)]
        more: M,
    }

    report.unmatched = put_beside(&mut report.cases, rivals).map_err(anyhow::Error::msg)?;
    let mut out = std::io::stdout().lock();
    match format {
        Format::Text => out.write_all((heading.to_owned() + &page(&report)).as_bytes())?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&Whole { report, more })?)?,
    }
    Ok(Status::Clean)
}

fn page(report: &Report) -> String {
    let mut page = format!(
        "{:<64} {:>10} {:>10} {:>10} {:>7}\n",
        "case, and who else", "median", "least", "p99", "ratio"
    );
    for case in &report.cases {
        page.push_str(&line(&case.case, case, &case.measured, None));
        if let Some(target) = &case.target {
            let reached = match target.reached {
                Some(true) => "reached",
                Some(false) => "not reached",
                None => "no such rival here",
            };
            // Writing to a String does not fail.
            let _ = writeln!(page, "    target: {} at most {}: {reached}", target.of, number(target.at_most));
        }
        for rival in &case.rivals {
            let name = format!("    {} {}", rival.name, rival.version.as_deref().unwrap_or_default());
            page.push_str(&line(name.trim_end(), case, &rival.measured, rival.ratio));
        }
    }
    page.push_str("ratio: our median over that of the other\n");
    for case in &report.unmatched {
        let _ = writeln!(page, "a rival has results for `{case}`, which was not measured");
    }
    page
}

fn line(name: &str, case: &Case, measured: &Measured, ratio: Option<f64>) -> String {
    let numbers = [measured.median, measured.least, measured.p99].map(number);
    let [median, least, p99] = numbers;
    let ratio = ratio.map(number).unwrap_or_default();
    let unit = case.unit.as_str();
    let mut line = format!("{name:<64} {median:>10} {least:>10} {p99:>10} {ratio:>7} {unit}");
    if let Some(answer) = &measured.answer {
        let _ = write!(line, "; {answer}");
    }
    if let (Some(false), Some(truth)) = (measured.right, &case.truth) {
        let _ = write!(line, ", WRONG: {}", truth.answer);
    }
    for (what, value) in &measured.details {
        let _ = write!(line, "; {what} {}", number(*value));
    }
    line + "\n"
}

/// With three or four digits that say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
