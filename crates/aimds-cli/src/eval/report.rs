//! The report of a run, in the shape of `--format json`. Names are stable.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::Comparison;
use super::measure::{Latency, Measures};
use super::pii::PiiMeasures;
use super::rows::{Judged, LabelledFile, Rows};
use crate::record::Label;

/// Of the shape; changes when a name changes its meaning.
const FORMAT_VERSION: u32 = 1;

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    format_version: u32,
    aimds_version: &'static str,
    /// `--threshold`, where it was given.
    pub(super) threshold: Option<f32>,
    /// All labelled rows.
    pub(super) overall: Option<Measures>,
    /// By file, in the order of the command line.
    pub(super) files: Vec<Group>,
    /// By the data's category.
    pub(super) categories: Vec<Group>,
    /// By the data's source.
    pub(super) sources: Vec<Group>,
    /// Personal data.
    pub(super) pii: Option<PiiMeasures>,
    pub(super) pii_latency_us: Option<Latency>,
    /// Against an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<Comparison>,
    /// Every labelled row, with `--rows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<Vec<ReportRow>>,
}

/// The measures of one file, category or source.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) measures: Measures,
}

/// One labelled row.
#[derive(Debug, Serialize)]
pub(super) struct ReportRow {
    file: String,
    id: String,
    label: &'static str,
    decision: &'static str,
    predicted: bool,
    score: f32,
}

impl Report {
    /// Measures everything.
    pub(super) fn new(files: &[LabelledFile], rows: &Rows, threshold: Option<f32>) -> Self {
        let pool: Vec<f32> =
            rows.judged.iter().filter(|row| row.label == Label::Benign).map(|row| row.score).collect();
        let all: Vec<_> = rows.judged.iter().collect();
        let by_file = |(position, file): (usize, &LabelledFile)| {
            let rows: Vec<_> = all.iter().copied().filter(|row| row.file == position).collect();
            (!rows.is_empty())
                .then(|| Group { name: file.name.clone(), measures: Measures::of(&rows, &pool) })
        };
        Self {
            format_version: FORMAT_VERSION,
            aimds_version: env!("CARGO_PKG_VERSION"),
            threshold,
            overall: (!all.is_empty()).then(|| Measures::of(&all, &pool)),
            files: files.iter().enumerate().filter_map(by_file).collect(),
            categories: groups(&all, &pool, |row| row.category.as_deref()),
            sources: groups(&all, &pool, |row| row.source.as_deref()),
            pii: PiiMeasures::new(&rows.pii),
            pii_latency_us: Latency::new(rows.pii_latency_ns.clone()),
            comparison: None,
            rows: None,
        }
    }
}

fn groups<'a>(rows: &[&'a Judged], pool: &[f32], name: impl Fn(&'a Judged) -> Option<&'a str>) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for row in rows {
        if let Some(name) = name(row) {
            groups.entry(name).or_default().push(row);
        }
    }
    groups
        .into_iter()
        .map(|(name, rows)| Group { name: name.to_owned(), measures: Measures::of(&rows, pool) })
        .collect()
}

/// Every labelled row, for a later comparison.
pub(super) fn rows(rows: &Rows, files: &[LabelledFile]) -> Vec<ReportRow> {
    rows.judged
        .iter()
        .map(|row| ReportRow {
            file: files.get(row.file).map_or_else(String::new, |file| file.name.clone()),
            id: row.id.clone(),
            label: row.label.as_str(),
            decision: row.decision,
            predicted: row.predicted,
            score: row.score,
        })
        .collect()
}
