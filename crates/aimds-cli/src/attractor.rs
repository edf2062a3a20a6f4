//! `aimds attractor`: what kind of motion a series of measurements shows.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use aimds_attractor::{
    Class, Config, Embedding, Report, Trajectory, analyze, analyze_trajectory, phase_portrait,
    recurrence_plot,
};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::chunks::{LONGEST_LINE, Source};
use crate::cli::{Global, usage};
use crate::progress::Progress;
use crate::suggestion::quoted;
use crate::terminal::Paint;
use crate::{Status, suggestion};

/// The subcommands of `aimds attractor`.
#[derive(Debug, Subcommand)]
pub enum Attractor {
    /// Classify a series: constant, periodic, chaotic, noise, …, with the numbers behind it
    #[command(
        after_help = "One number a line, or columns apart by commas, semicolons, tabs or spaces, with or without a line \
of names.

Exit status: 0 analysed, 2 wrong usage, 3 not numbers."
    )]
    Analyze(Analyze),
}

/// Arguments of `aimds attractor analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// The series; - is standard input
    pub file: String,
    /// Which column, by name or by number from 1; the last unless told otherwise
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,
    /// The column that holds the times; without it the values are taken at equal distances
    #[arg(long, value_name = "COLUMN", conflicts_with = "interval")]
    pub time: Option<String>,
    /// Time between two values; exponents and periods are in its unit
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub interval: f64,
    /// Surrogate series of the test that stands before chaos
    #[arg(long, value_name = "N", default_value_t = 39)]
    pub surrogates: usize,
    /// Where randomness comes from: the same seed gives the same answer
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write a picture to this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Which picture
    #[arg(long, value_enum, default_value_t = Picture::Phase, requires = "plot")]
    pub picture: Picture,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// Each value against a later one.
    Phase,
    /// Which moments are alike.
    Recurrence,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Runs `aimds attractor`.
///
/// # Errors
/// What cannot be read, is not a number, or cannot be written.
pub fn run(attractor: &Attractor, global: &Global) -> anyhow::Result<Status> {
    let Attractor::Analyze(arguments) = attractor;
    let source = Source::from_argument(&arguments.file);
    let mut text = String::new();
    source
        .open(&Progress::none())?
        .take(LONGEST_LINE as u64)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", source.name()))?;
    let table = Table::parse(&text).with_context(|| source.name())?;
    let values = table.column(arguments.column.as_deref())?;
    let config = Config {
        sampling_interval: arguments.interval,
        surrogates: arguments.surrogates,
        seed: arguments.seed,
        ..Config::default()
    };
    let report = match &arguments.time {
        None => analyze(&values, &config),
        Some(time) => {
            let times = table.column(Some(time))?;
            Trajectory::timed(&times, &values).and_then(|series| analyze_trajectory(&series, &config))
        }
    };
    let report = report.map_err(|error| match error {
        aimds_attractor::Error::Setting { .. } => usage(error),
        _ => anyhow::Error::new(error).context(source.name()),
    })?;
    if let Some(path) = &arguments.plot {
        let picture = picture(arguments.picture, &values, &report, &source.name())?;
        std::fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer(&mut out, &report.summary())?;
            writeln!(out)?;
        }
        Format::Text => out.write_all(page(&report, Paint::for_stdout(global.color)).as_bytes())?,
    }
    Ok(Status::Clean)
}

fn picture(kind: Picture, values: &[f64], report: &Report, name: &str) -> anyhow::Result<String> {
    let values = values.get(report.analysed.clone()).unwrap_or_default();
    // Where the class was clear without an embedding, the plainest one shows it.
    let embedding = report.embedding.map_or_else(|| Embedding::new(1, 2, 0), Ok)?;
    match kind {
        Picture::Phase => Ok(phase_portrait(values, embedding.delay, name)?),
        Picture::Recurrence => {
            let radius = Config::default().recurrence_radius;
            recurrence_plot(values, &embedding, radius, name)?.context("too few values for a recurrence plot")
        }
    }
}

fn page(report: &Report, paint: Paint) -> String {
    let class = report.class.as_str().replace('_', " ");
    let class = if report.class == Class::Chaotic { paint.mark(&class) } else { paint.strong(&class) };
    format!("{class}\n{}\n", report.reason)
}

/// Rows of numbers.
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
    /// The line of each row, from 1.
    lines: Vec<usize>,
}

impl Table {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut table = Self { names: Vec::new(), rows: Vec::new(), lines: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let cells = cells(line);
            match cells.iter().map(|cell| cell.parse()).collect::<Result<Vec<f64>, _>>() {
                Ok(row) => {
                    table.rows.push(row);
                    table.lines.push(number + 1);
                }
                Err(_) if table.rows.is_empty() && table.names.is_empty() => {
                    table.names = cells.into_iter().map(str::to_owned).collect();
                }
                Err(_) => {
                    let odd =
                        cells.iter().find(|cell| cell.parse::<f64>().is_err()).copied().unwrap_or_default();
                    anyhow::bail!("line {}: {} is not a number", number + 1, quoted(odd));
                }
            }
        }
        Ok(table)
    }

    /// The values of a column, which every row must have.
    fn column(&self, wanted: Option<&str>) -> anyhow::Result<Vec<f64>> {
        let width = self.rows.first().map_or(0, Vec::len);
        let at = match wanted {
            None => width.saturating_sub(1),
            Some(name) => self.place(name, width)?,
        };
        let rows = self.rows.iter().zip(&self.lines);
        rows.map(|(row, line)| {
            row.get(at).copied().with_context(|| format!("line {line} has no column {}", at + 1))
        })
        .collect()
    }

    fn place(&self, name: &str, width: usize) -> anyhow::Result<usize> {
        if let Some(at) = self.names.iter().position(|known| known == name) {
            return Ok(at);
        }
        if let Some(at) = name.parse::<usize>().ok().filter(|number| (1..=width).contains(number)) {
            return Ok(at - 1);
        }
        let near = suggestion::did_you_mean(name, self.names.iter().map(String::as_str));
        Err(usage(format!("there is no column {}{near} among {width}", quoted(name))))
    }
}

fn cells(line: &str) -> Vec<&str> {
    let line = line.trim();
    let separator = [',', ';', '\t'].into_iter().find(|&separator| line.contains(separator));
    match separator {
        Some(separator) => line.split(separator).map(unquoted).collect(),
        None => line.split_whitespace().map(unquoted).collect(),
    }
}

fn unquoted(cell: &str) -> &str {
    cell.trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_with_and_without_names() {
        let check = |text: &str, column: Option<&str>, expected: &[f64]| {
            assert_eq!(Table::parse(text).unwrap().column(column).unwrap(), expected, "{text:?}");
        };
        check("1\n2.5\n\n-3e2\n", None, &[1.0, 2.5, -300.0]);
        check("time,\"score\"\n0,1\n1,2\n", None, &[1.0, 2.0]);
        check("time;score\n0;1\n1;2\n", Some("time"), &[0.0, 1.0]);
        check("0 1\n1 2\n", Some("1"), &[0.0, 1.0]);
        check("", None, &[]);
        let error = |text: &str, column| {
            Table::parse(text).and_then(|table| table.column(column)).unwrap_err().to_string()
        };
        assert_eq!(error("1\nx\n", None), "line 2: \"x\" is not a number");
        assert_eq!(error("1,2\n3\n", None), "line 2 has no column 2");
        assert!(error("a,score\n1,2\n", Some("scor")).contains("did you mean \"score\""));
    }
}
