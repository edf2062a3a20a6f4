//! Does the series stay around a level, or wander off?

use crate::linear::least_squares_with_error;
use crate::spectrum::slow_share;
use crate::zero_one::pearson;

/// A line that explains more of the variance than this is a trend.
const TREND: f64 = 0.5;
/// A series with less of its variance than this in its slowest frequencies does not wander, whatever else it does.
const SLOW: f64 = 0.75;
const SLOWEST: usize = 8;
/// Below this statistic of Dickey and Fuller (constant, no trend) the chance of a unit root is under 5 %.
const STATIONARY: f64 = -2.86;

/// Why a series is said to drift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Drift {
    /// A straight line explains this share of the variance.
    Trend(f64),
    /// The slowest eight frequencies hold this share of the variance, and the Dickey-Fuller statistic does not speak
    /// against a unit root.
    Wandering { slow: f64, dickey_fuller: f64 },
}

/// Looks for a trend or a unit root in a series of mean 0 and variance 1.
pub(crate) fn find(standard: &[f64]) -> Option<Drift> {
    let points: Vec<(f64, f64)> =
        standard.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
    let trend = pearson(&points).powi(2);
    if trend > TREND {
        return Some(Drift::Trend(trend));
    }
    let slow = slow_share(standard, SLOWEST);
    if slow < SLOW {
        return None;
    }
    let dickey_fuller = dickey_fuller(standard)?;
    (dickey_fuller > STATIONARY).then_some(Drift::Wandering { slow, dickey_fuller })
}

/// The augmented statistic of Dickey and Fuller (1979): `t` of the level in a regression of the change on the level and
/// the last changes, whose number follows Schwert (1989). O(n·lags²), some 40 lags for 10,000 values.
fn dickey_fuller(standard: &[f64]) -> Option<f64> {
    let lags = (12.0 * (standard.len() as f64 / 100.0).powf(0.25)).floor() as usize;
    let changes: Vec<f64> = standard.iter().zip(standard.get(1..)?).map(|(a, b)| b - a).collect();
    // The level last: its standard error is the one that the solver knows.
    let rows = changes.windows(lags + 1).zip(standard.get(lags..)?).map(|(window, level)| {
        let earlier = window.iter().take(lags).copied();
        std::iter::once(1.0).chain(earlier).chain([*level]).collect::<Vec<f64>>()
    });
    let (weights, error) = least_squares_with_error(rows, changes.get(lags..)?)?;
    Some(weights.last()? / error)
}
