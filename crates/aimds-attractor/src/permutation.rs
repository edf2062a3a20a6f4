//! Permutation entropy: how evenly the possible orders of neighbouring values occur.

use crate::error::{Error, finite, setting};

/// The largest order: 12! fits the table key and no series is long enough for more.
const MOST: usize = 12;

/// Permutation entropy of `order` values `delay` samples apart, from 0 (always the same order) to 1 (all orders alike).
///
/// Bandt and Pompe, *Permutation entropy: a natural complexity measure for time series*, 2002. Equal values are ordered by
/// time, so that no jitter is needed and a constant series has 0; the result is that of antropy's `perm_entropy` with
/// `normalize=True`. `None` if the series is too short for one pattern. O(n·order² + n log n).
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] for an order outside `2..=12` or a delay of 0.
///
/// ```
/// let zigzag: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
/// let entropy = aimds_attractor::permutation_entropy(&zigzag, 3, 1)?.unwrap();
/// assert!((entropy - 1.0 / 6f64.log2()).abs() < 1e-12);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn permutation_entropy(series: &[f64], order: usize, delay: usize) -> Result<Option<f64>, Error> {
    finite(series)?;
    setting("order", order as f64, "from 2 to 12", (2..=MOST).contains(&order))?;
    setting("delay", delay as f64, "at least 1", delay >= 1)?;
    let patterns = series.len().saturating_sub((order - 1).saturating_mul(delay));
    if patterns == 0 {
        return Ok(None);
    }
    let counts = counts(series, order, delay, patterns);
    let entropy: f64 = -counts
        .into_iter()
        .map(|count| count as f64 / patterns as f64)
        .map(|share| share * share.log2())
        .sum::<f64>();
    let most: f64 = (2..=order).map(|factor| (factor as f64).log2()).sum();
    Ok(Some((entropy / most).clamp(0.0, 1.0)))
}

/// How often each pattern that occurs does. Small orders are counted in a table, large ones by sorting.
fn counts(series: &[f64], order: usize, delay: usize, patterns: usize) -> Vec<usize> {
    let possible: usize = (2..=order).product();
    let keys = (0..patterns).map(|start| pattern(series, order, delay, start));
    if possible <= 5040 {
        let mut table = vec![0; possible];
        for key in keys {
            if let Some(count) = table.get_mut(key) {
                *count += 1;
            }
        }
        return table.into_iter().filter(|&count| count > 0).collect();
    }
    let mut keys: Vec<usize> = keys.collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(<[usize]>::len).collect()
}

/// The number of the order of the values from `start` on: for each value, how many later ones are smaller (Lehmer's code).
fn pattern(series: &[f64], order: usize, delay: usize, start: usize) -> usize {
    let values = series.get(start..).unwrap_or_default();
    let value = |at: usize| values.get(at * delay).copied().unwrap_or(0.0);
    (0..order).fold(0, |code, at| {
        let smaller = (at + 1..order).filter(|&later| value(later) < value(at)).count();
        code * (order - at) + smaller
    })
}
