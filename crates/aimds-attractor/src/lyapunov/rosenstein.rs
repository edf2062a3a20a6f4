//! Rosenstein, Collins and De Luca, *A practical method for calculating largest Lyapunov exponents from small data sets*,
//! 1993.

use super::curve::{BLOCKS, Divergence, Estimate, mean_logarithm};
use crate::embedding::Embedding;
use crate::embedding::neighbours::Pair;
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
    let pairs = super::neighbours(&standard, embedding, steps).nearest(1);
    Ok(divergence(&standard, embedding, steps, &pairs))
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
