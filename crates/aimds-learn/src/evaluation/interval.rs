//! How sure a mean is.
//!
//! The interval is that of the studentised bootstrap (Efron and Tibshirani, *An introduction to the bootstrap*, 1993,
//! chapter 12). Why not the empirical Bernstein bound (Maurer and Pontil, *Empirical Bernstein bounds and sample variance
//! penalization*, 2009) alone: it needs nothing but a range, but with propensities of one in five hundred the range of an
//! importance-weighted reward is several hundreds, and the bound would refuse every improvement that a gateway could
//! measure in a year. The bootstrap has the right coverage from some hundreds of rows on, also where the weights are skewed (a test
//! measures it); the Bernstein bound is reported beside it for whoever wants a promise without large samples.

use serde::{Deserialize, Serialize};

use crate::Random;
use crate::error::{Error, setting};

/// Means of resamples that an interval rests on.
const RESAMPLES: usize = 1000;
/// Fewer values have no interval.
pub const MIN_VALUES: usize = 20;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// The share of such intervals that hold the truth.
    pub confidence: f64,
}

impl Interval {
    /// Whether the whole interval lies above 0.
    #[must_use]
    pub fn is_gain(&self) -> bool {
        self.low > 0.0
    }

    /// Whether the whole interval lies below 0.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.high < 0.0
    }
}

/// The studentised bootstrap interval of the mean of independent values. O(1000·n).
///
/// # Errors
/// [`Error::TooFew`] below [`MIN_VALUES`], [`Error::NonFinite`] with the place, [`Error::Setting`] for the confidence.
///
/// ```
/// use aimds_learn::{Random, bootstrap};
/// let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
/// let interval = bootstrap(&values, 0.95, &mut Random::new(1))?;
/// assert!(interval.low < 4.5 && 4.5 < interval.high);
/// # Ok::<(), aimds_learn::Error>(())
/// ```
pub fn bootstrap(values: &[f64], confidence: f64, random: &mut Random) -> Result<Interval, Error> {
    check(values, confidence)?;
    let (mean, error) = mean_and_error(values.iter().copied());
    if error == 0.0 {
        return Ok(Interval { mean, low: mean, high: mean, confidence });
    }
    let mut statistics: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let resample = (0..values.len()).filter_map(|_| values.get(random.below(values.len())).copied());
            let (resampled, error) = mean_and_error(resample);
            // A resample of one value only has no error of its own: it says nothing of the spread.
            if error > 0.0 { (resampled - mean) / error } else { 0.0 }
        })
        .collect();
    statistics.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| {
        let at = (share * (RESAMPLES - 1) as f64).round() as usize;
        statistics.get(at).copied().unwrap_or(f64::INFINITY)
    };
    let tail = (1.0 - confidence) / 2.0;
    let low = mean - quantile(1.0 - tail) * error;
    let high = mean - quantile(tail) * error;
    Ok(Interval { mean, low, high, confidence })
}

/// A lower bound of the mean that holds for any distribution on an interval of length `range`. O(n).
///
/// # Errors
/// As of [`bootstrap`].
pub fn bernstein_low(values: &[f64], range: f64, confidence: f64) -> Result<f64, Error> {
    check(values, confidence)?;
    let (mean, error) = mean_and_error(values.iter().copied());
    let log = (2.0 / (1.0 - confidence)).ln();
    let n = values.len() as f64;
    Ok(mean - error * (2.0 * log).sqrt() - 7.0 * range * log / (3.0 * (n - 1.0)))
}

fn check(values: &[f64], confidence: f64) -> Result<(), Error> {
    setting("confidence", confidence, "above 0 and below 1", confidence > 0.0 && confidence < 1.0)?;
    if values.len() < MIN_VALUES {
        return Err(Error::TooFew { needed: MIN_VALUES, found: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NonFinite { what: "value", index }),
        None => Ok(()),
    }
}

/// The mean and its standard error, in one pass (Welford, 1962).
fn mean_and_error(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let before = value - mean;
        mean += before / count;
        squares += before * (value - mean);
    }
    let error = if count > 1.0 { (squares / (count - 1.0) / count).sqrt() } else { 0.0 };
    (mean, error)
}
