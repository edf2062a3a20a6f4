//! `midstreamer-temporal-compare`: edit distance and common subsequence. Its time warping takes no numbers with fractions, and
//! it has neither cut-offs, nor vectors, nor a library of patterns.

use std::cell::OnceCell;

use midstreamer_temporal_compare::{ComparisonAlgorithm, Sequence, TemporalComparator};
use serde::Deserialize;

use crate::{Failed, Row, VERSION, scaled, times};

#[derive(Deserialize)]
struct Case {
    case: String,
    kind: String,
    #[serde(default)]
    a: Vec<serde_json::Value>,
    #[serde(default)]
    b: Vec<serde_json::Value>,
    cutoff: Option<f64>,
}

thread_local! {
    /// One for all cases, as a program would have it: what it remembers of one is asked for in the next.
    static COMPARATOR: OnceCell<TemporalComparator<u64>> = const { OnceCell::new() };
}

pub(crate) fn row(line: &str) -> Result<Option<Row>, Failed> {
    let Case { case, kind, a, b, cutoff } = serde_json::from_str(line)?;
    let algorithm = match kind.as_str() {
        "levenshtein" if cutoff.is_none() || case.contains("tenth") => ComparisonAlgorithm::EditDistance,
        "lcs" => ComparisonAlgorithm::LCS,
        _ => return Ok(None),
    };
    let sequence = |symbols: &[serde_json::Value]| {
        let mut sequence = Sequence::new();
        for (symbol, at) in symbols.iter().filter_map(serde_json::Value::as_u64).zip(0..) {
            sequence.push(symbol, at);
        }
        sequence
    };
    let (a, b) = (sequence(&a), sequence(&b));
    COMPARATOR.with(|comparator| {
        let comparator = comparator.get_or_init(|| TemporalComparator::new(1000, 10_000));
        let distance = comparator.compare(&a, &b, algorithm)?.distance;
        // Its answer for a common subsequence is a distance too.
        let answer = match algorithm {
            ComparisonAlgorithm::LCS => ((a.len() + b.len()) as f64 - distance) / 2.0,
            _ => distance,
        };
        let fresh = TemporalComparator::new(1, 10_000);
        let samples = times(|| {
            fresh.clear_cache();
            fresh.compare(&a, &b, algorithm)
        });
        let answer = Some(serde_json::json!(answer));
        let samples = scaled(samples, 1e6);
        Ok(Some(Row { name: "midstreamer-temporal-compare", version: VERSION, case, unit: "us", samples, answer }))
    })
}
