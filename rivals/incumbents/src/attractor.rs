//! `midstreamer-attractor`: its class in our words, or its largest exponent.

use midstreamer_attractor::{AttractorAnalyzer, AttractorType, PhasePoint};
use serde::Deserialize;

use crate::{Failed, Row, VERSION, scaled, times};

#[derive(Deserialize)]
struct Case {
    case: String,
    values: Vec<f64>,
    /// Only where an exponent is asked for, as `delay` and `interval`.
    dimension: Option<usize>,
    delay: Option<usize>,
    interval: Option<f64>,
}

pub(crate) fn row(line: &str) -> Result<Option<Row>, Failed> {
    let Case { case, values, dimension, delay, interval } = serde_json::from_str(line)?;
    // Three values one after the other, unless told otherwise.
    let (dimension, delay) = (dimension.unwrap_or(3), delay.unwrap_or(1));
    let mut analyzer = AttractorAnalyzer::new(dimension, values.len());
    for at in 0..values.len().saturating_sub((dimension - 1) * delay) {
        let coordinates = values.iter().skip(at).step_by(delay).take(dimension).copied().collect();
        analyzer.add_point(PhasePoint::new(coordinates, at as u64))?;
    }
    let found = analyzer.analyze()?;
    let (unit, per_second, answer) = match interval {
        Some(interval) => {
            let exponent = found.max_lyapunov_exponent();
            ("us", 1e6, exponent.map(|value| serde_json::json!(value / interval)))
        }
        None => {
            let class = match found.attractor_type {
                AttractorType::PointAttractor => "fixed_point",
                AttractorType::LimitCycle => "periodic",
                AttractorType::StrangeAttractor => "chaotic",
                AttractorType::Unknown => "undetermined",
            };
            ("ms", 1e3, Some(class.into()))
        }
    };
    let samples = scaled(times(|| analyzer.analyze()), per_second);
    Ok(Some(Row { name: "midstreamer-attractor", version: VERSION, case, unit, samples, answer }))
}
