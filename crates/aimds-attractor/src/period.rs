//! Cycles: values that repeat exactly, and spectra that are lines.

use crate::spectrum::lines::{self, Lines};
use crate::standard::range;

/// Values that repeat differ by no more than this (in standard deviations).
const EXACT: f64 = 1e-3;
/// A cycle must be seen this many times.
const TURNS: usize = 4;
/// Lines that leave less than this unexplained where they were not fitted are beyond doubt …
const LITTLE: f64 = 1e-3;
/// … and those that leave more than this are no description of the series.
const MUCH: f64 = 0.35;
/// Lines are believed if they leave at most this many times what nearest neighbours do: the error of neighbours of a noisy
/// cycle is the noise.
const SLACK: f64 = 1.5;
/// Oscillations slower than this many samples are resolved: their period need not be a whole number.
const RESOLVED: f64 = 4.0;

/// What repeats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cycle {
    /// After so many samples the same values come again.
    Exact { period: usize },
    /// All lines of the spectrum are multiples of one frequency.
    Harmonic { period: f64, lines: usize, unexplained: f64 },
    /// The spectrum is lines without a common frequency.
    Incommensurate { periods: Vec<f64>, unexplained: f64 },
}

/// Finds a cycle in a series of mean 0 and variance 1.
///
/// `neighbour_error` is how well nearest neighbours predict it: a chaotic series with a strong beat has lines too, but its
/// neighbours know what the lines do not.
pub(crate) fn find(standard: &[f64], neighbour_error: Option<f64>) -> Option<Cycle> {
    let exact = exact(standard);
    let lines = lines::find(standard).filter(|lines| trusted(lines, neighbour_error));
    let Some(lines) = lines else {
        return exact.map(|period| Cycle::Exact { period });
    };
    let unexplained = lines.unexplained.max(0.0);
    let harmonic = lines::common_frequency(&lines).map(|frequency| 1.0 / frequency);
    match (harmonic, exact) {
        // A whole number of turns also repeats exactly; the turn is the answer.
        (Some(period), _) if period >= RESOLVED => {
            Some(Cycle::Harmonic { period: rounded(period, &lines), lines: lines.lines.len(), unexplained })
        }
        (_, Some(period)) => Some(Cycle::Exact { period }),
        (Some(period), None) if (period - period.round()).abs() < 1e-3 => {
            Some(Cycle::Harmonic { period: period.round(), lines: lines.lines.len(), unexplained })
        }
        _ => {
            let periods = lines.lines.iter().map(|line| 1.0 / line.frequency).take(3).collect();
            Some(Cycle::Incommensurate { periods, unexplained })
        }
    }
}

fn trusted(lines: &Lines, neighbour_error: Option<f64>) -> bool {
    let neighbours = neighbour_error.unwrap_or(1.0);
    lines.unexplained <= LITTLE || (lines.unexplained <= MUCH && lines.unexplained <= SLACK * neighbours)
}

/// A whole number if the period is one as far as can be told.
fn rounded(period: f64, lines: &Lines) -> f64 {
    let uncertainty = period * period * 0.02 / lines.fitted as f64;
    if (period - period.round()).abs() <= uncertainty.max(1e-6 * period) { period.round() } else { period }
}

/// The smallest lag at which the second half of the series repeats itself.
fn exact(standard: &[f64]) -> Option<usize> {
    let settled = standard.get(standard.len() / 2..)?;
    let (low, high) = range(settled);
    (1..=settled.len() / TURNS).find(|&lag| {
        let (cycle, later) = settled.split_at_checked(lag).unwrap_or_default();
        // A slow drift is near itself a little later too, but does not go through all its values in between.
        let repeats = settled.iter().zip(later).all(|(a, b)| (a - b).abs() <= EXACT);
        repeats && range(cycle).1 - range(cycle).0 > 0.9 * (high - low)
    })
}
