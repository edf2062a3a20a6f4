//! What changed since an earlier run: which verdicts flipped, and how scores moved.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::rows::{LabelledFile, Rows};
use crate::record::Label;

/// A score that moved by less did not move.
const LEAST_MOVE: f32 = 0.01;

/// What is read of an earlier run.
#[derive(Debug, Deserialize)]
pub(super) struct Earlier {
    format_version: u32,
    #[serde(default)]
    rows: Vec<EarlierRow>,
}

#[derive(Debug, Deserialize)]
struct EarlierRow {
    file: String,
    id: String,
    predicted: bool,
    score: f32,
}

impl Earlier {
    /// Reads the JSON of a run with `--rows`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let earlier: Self = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} is not the JSON of an earlier run", path.display()))?;
        anyhow::ensure!(earlier.format_version == 1, "{} is of another format version", path.display());
        anyhow::ensure!(
            !earlier.rows.is_empty(),
            "{} has no rows: it was written without --rows",
            path.display()
        );
        Ok(earlier)
    }
}

/// One verdict that flipped.
#[derive(Debug, Serialize)]
pub(super) struct Flip {
    pub(super) file: String,
    pub(super) id: String,
    pub(super) from: f32,
    pub(super) to: f32,
}

/// The differences.
#[derive(Debug, Default, Serialize)]
pub(super) struct Comparison {
    /// Rows in both runs.
    pub(super) compared: u64,
    /// Rows only in this run.
    pub(super) added: u64,
    /// Rows only in the earlier run.
    pub(super) removed: u64,
    /// Attacks that are predicted now and were not.
    pub(super) attacks_gained: Vec<Flip>,
    /// Attacks that were predicted and are not now.
    pub(super) attacks_lost: Vec<Flip>,
    /// Benign rows that are predicted now and were not.
    pub(super) false_alarms_gained: Vec<Flip>,
    /// Benign rows that were predicted and are not now.
    pub(super) false_alarms_lost: Vec<Flip>,
    pub(super) score_moves: ScoreMoves,
}

/// How scores moved.
#[derive(Debug, Default, Serialize)]
pub(super) struct ScoreMoves {
    /// By 0.01 or more, up.
    pub(super) up: u64,
    /// By 0.01 or more, down.
    pub(super) down: u64,
    pub(super) mean_attack: f64,
    pub(super) mean_benign: f64,
    /// The largest, with its sign.
    pub(super) largest: f32,
}

impl Comparison {
    /// Matches rows by file name (without its directory), identifier and, where that occurs again, its turn.
    pub(super) fn new(earlier: &Earlier, rows: &Rows, files: &[LabelledFile]) -> Self {
        let mut known: HashMap<(&str, &str, u64), &EarlierRow> = HashMap::new();
        let mut turns = HashMap::new();
        for row in &earlier.rows {
            let key = (base(&row.file), row.id.as_str());
            known.insert((key.0, key.1, next_turn(&mut turns, key)), row);
        }
        let mut comparison = Self::default();
        let mut turns = HashMap::new();
        let (mut attack_moves, mut benign_moves) = (Vec::new(), Vec::new());
        for row in &rows.judged {
            let file = files.get(row.file).map_or("", |file| file.name.as_str());
            let key = (base(file), row.id.as_str());
            let Some(before) = known.remove(&(key.0, key.1, next_turn(&mut turns, key))) else {
                comparison.added += 1;
                continue;
            };
            comparison.compared += 1;
            let moved = row.score - before.score;
            if row.label == Label::Attack { &mut attack_moves } else { &mut benign_moves }
                .push(f64::from(moved));
            comparison.score_moves.up += u64::from(moved >= LEAST_MOVE);
            comparison.score_moves.down += u64::from(moved <= -LEAST_MOVE);
            if moved.abs() > comparison.score_moves.largest.abs() {
                comparison.score_moves.largest = moved;
            }
            let flips = match (row.label, before.predicted, row.predicted) {
                (Label::Attack, false, true) => &mut comparison.attacks_gained,
                (Label::Attack, true, false) => &mut comparison.attacks_lost,
                (Label::Benign, false, true) => &mut comparison.false_alarms_gained,
                (Label::Benign, true, false) => &mut comparison.false_alarms_lost,
                _ => continue,
            };
            flips.push(Flip { file: file.to_owned(), id: row.id.clone(), from: before.score, to: row.score });
        }
        comparison.removed = known.len() as u64;
        comparison.score_moves.mean_attack = mean(&attack_moves);
        comparison.score_moves.mean_benign = mean(&benign_moves);
        comparison
    }
}

fn base(name: &str) -> &str {
    Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or(name)
}

fn next_turn<'a>(turns: &mut HashMap<(&'a str, &'a str), u64>, key: (&'a str, &'a str)) -> u64 {
    let turn = turns.entry(key).or_default();
    *turn += 1;
    *turn
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}
