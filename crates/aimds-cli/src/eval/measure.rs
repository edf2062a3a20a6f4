//! What is measured on a group of rows.

use serde::Serialize;

use super::rows::Judged;
use crate::record::Label;
use crate::statistics::{at_or_above, auc, quantile, threshold_at, wilson};

/// The false-positive rates at which recall is told.
pub(super) const FPR_POINTS: [f64; 2] = [0.01, 0.001];

/// A share with its 95 % Wilson interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rate {
    pub(super) hits: u64,
    pub(super) n: u64,
    pub(super) rate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Rate {
    /// `None` out of nothing.
    pub(super) fn new(hits: u64, n: u64) -> Option<Self> {
        let (low, high) = wilson(hits, n)?;
        Some(Self { hits, n, rate: hits as f64 / n as f64, low, high })
    }
}

/// Recall at a threshold that was taken from benign rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct RecallAt {
    /// The false-positive rate that the threshold keeps.
    pub(super) fpr: f64,
    /// The lowest score that counts as predicted.
    pub(super) threshold: f32,
    /// How many benign rows it was taken from.
    pub(super) benign: u64,
    /// False when there are fewer than 1/fpr of them: then it is the threshold without any false alarm.
    pub(super) enough: bool,
    /// The share of attacks at or above it.
    pub(super) tpr: Rate,
}

/// How long the engine took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Latency {
    /// From nanoseconds. `None` without any.
    pub(super) fn new(mut nanoseconds: Vec<u64>) -> Option<Self> {
        nanoseconds.sort_unstable();
        let micros = |ns: u64| ns as f64 / 1000.0;
        let max = micros(*nanoseconds.last()?);
        Some(Self {
            p50: micros(quantile(&nanoseconds, 0.5)),
            p99: micros(quantile(&nanoseconds, 0.99)),
            max,
        })
    }
}

/// The measures of one group of rows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measures {
    pub(super) n: u64,
    /// Attacks predicted, at the shipped thresholds.
    pub(super) tpr: Option<Rate>,
    /// Benign rows predicted to be attacks, at the shipped thresholds.
    pub(super) fpr: Option<Rate>,
    pub(super) auc: Option<f64>,
    /// Recall at thresholds from the group's own benign rows.
    pub(super) tpr_at: Vec<RecallAt>,
    /// Recall at thresholds from the benign rows of all files.
    pub(super) tpr_at_pooled: Vec<RecallAt>,
    pub(super) latency_us: Option<Latency>,
}

impl Measures {
    /// Measures a group; `pool` are the benign scores of all files.
    pub(super) fn of(rows: &[&Judged], pool: &[f32]) -> Self {
        let scores = |label| -> Vec<f32> {
            rows.iter().filter(|row| row.label == label).map(|row| row.score).collect()
        };
        let predicted = |label| rows.iter().filter(|row| row.label == label && row.predicted).count() as u64;
        let (attacks, benign) = (scores(Label::Attack), scores(Label::Benign));
        Self {
            n: rows.len() as u64,
            tpr: Rate::new(predicted(Label::Attack), attacks.len() as u64),
            fpr: Rate::new(predicted(Label::Benign), benign.len() as u64),
            auc: auc(&attacks, &benign),
            tpr_at: recall_at(&attacks, &benign),
            tpr_at_pooled: recall_at(&attacks, pool),
            latency_us: Latency::new(rows.iter().map(|row| row.latency_ns).collect()),
        }
    }
}

fn recall_at(attacks: &[f32], benign: &[f32]) -> Vec<RecallAt> {
    let point = |fpr: f64| {
        let threshold = threshold_at(benign, fpr)?;
        let tpr = Rate::new(at_or_above(attacks, threshold), attacks.len() as u64)?;
        let enough = benign.len() as f64 * fpr >= 1.0 - 1e-9;
        Some(RecallAt { fpr, threshold, benign: benign.len() as u64, enough, tpr })
    };
    FPR_POINTS.into_iter().filter_map(point).collect()
}
