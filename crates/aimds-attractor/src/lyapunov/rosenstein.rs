//! Rosenstein, Collins and De Luca, *A practical method for calculating largest Lyapunov exponents from small data sets*,
//! 1993.

use super::curve::{BLOCKS, Divergence, Estimate};
use crate::embedding::neighbours::{Pair, SAME, Search};
use crate::embedding::{Embedding, vectors};
use crate::error::{Error, finite};
use crate::standard::standardise;

/// The exponent by Rosenstein's method, per sample, from the straightest piece of the first `steps` steps of the divergence
/// curve; `None` if the series is constant, too short, or the curve does not rise.
///
/// # Errors
///
/// [`Error::NonFinite`].
///
/// ```
/// use aimds_attractor::{Embedding, rosenstein};
///
/// let mut x = 0.3;
/// let logistic: Vec<f64> = (0..1000).map(|_| { x = 4.0 * x * (1.0 - x); x }).collect();
/// let found = rosenstein(&logistic, &Embedding::new(1, 2, 10)?, 15)?.unwrap();
/// assert!((found.value - 2.0_f64.ln()).abs() < 0.03);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn rosenstein(series: &[f64], embedding: &Embedding, steps: usize) -> Result<Option<Estimate>, Error> {
    Ok(rosenstein_divergence(series, embedding, steps)?.and_then(|curve| curve.estimate(embedding)))
}

/// The mean logarithm of the distance between each vector and its nearest neighbour, `0..=steps` steps later.
///
/// About O(n log n + n·steps). The series is brought to variance 1 first; distances are those of the last coordinate, so that the
/// coordinates that two steps share do not smooth the curve.
///
/// # Errors
///
/// [`Error::NonFinite`].
pub fn rosenstein_divergence(
    series: &[f64],
    embedding: &Embedding,
    steps: usize,
) -> Result<Option<Divergence>, Error> {
    finite(series)?;
    let Some(standard) = standardise(series) else { return Ok(None) };
    let pairs = pairs(&standard, embedding, steps);
    Ok(divergence(&standard, embedding, steps, &pairs))
}

/// The nearest neighbours of all vectors that have `steps` steps after them.
pub(crate) fn pairs(standard: &[f64], embedding: &Embedding, steps: usize) -> Vec<Pair> {
    let Embedding { delay, dimension, theiler } = *embedding;
    let usable = vectors(standard.len(), delay, dimension).saturating_sub(steps);
    Search { delay, dimension, usable, theiler, stride: 1, farther_than: SAME }.nearest(standard)
}

pub(crate) fn divergence(
    standard: &[f64],
    embedding: &Embedding,
    steps: usize,
    pairs: &[Pair],
) -> Option<Divergence> {
    let block = pairs.len().div_ceil(BLOCKS).max(1);
    let last = embedding.span();
    let curves = pairs.chunks(block).map(|pairs| {
        (0..=steps)
            .map(|step| {
                let later = standard.get(last + step..).unwrap_or_default();
                let distance = |pair: &Pair| match (later.get(pair.from), later.get(pair.to)) {
                    (Some(a), Some(b)) => (a - b).abs(),
                    _ => 0.0,
                };
                mean_logarithm(pairs.iter().map(distance))
            })
            .collect()
    });
    Divergence::new(curves.collect(), pairs.len())
}

/// The mean logarithm of the distances that are not 0; NaN if all are.
///
/// Sixteen distances, each between 1e-9 and some hundred, are multiplied before a logarithm is taken: logarithms were most
/// of the time.
fn mean_logarithm(distances: impl Iterator<Item = f64>) -> f64 {
    let (mut product, mut factors, mut sum, mut count) = (1.0_f64, 0, 0.0, 0_usize);
    for distance in distances.filter(|&distance| distance > SAME) {
        product *= distance;
        factors += 1;
        count += 1;
        if factors == 16 {
            sum += product.ln();
            (product, factors) = (1.0, 0);
        }
    }
    (sum + product.ln()) / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_logarithm_is_that_of_the_definition() {
        for count in [1, 15, 16, 17, 100] {
            let distances: Vec<f64> = (1..=count).map(|i| 1e-8 * f64::from(i).powi(3)).collect();
            let expected = distances.iter().map(|d| d.ln()).sum::<f64>() / distances.len() as f64;
            let found = mean_logarithm(distances.iter().copied().chain([0.0]));
            assert!((found - expected).abs() < 1e-12, "{count}: {found} instead of {expected}");
        }
        assert!(mean_logarithm([0.0].into_iter()).is_nan());
    }
}
