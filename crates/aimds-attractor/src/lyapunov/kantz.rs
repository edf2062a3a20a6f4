//! Kantz, *A robust method to estimate the maximal Lyapunov exponent of a time series*, 1994.

use fearless_simd::{Level, Simd, dispatch};

use super::curve::{BLOCKS, Divergence, Estimate, mean_logarithm};
use crate::embedding::Embedding;
use crate::embedding::neighbours::Neighbours;
use crate::error::{Error, finite, setting};
use crate::standard::standardise;

/// Vectors whose neighbourhoods are followed.
const REFERENCES: usize = 500;
/// Fewer neighbours than this are no neighbourhood.
const FEWEST: usize = 5;
/// More neighbours than this bring nothing.
const MOST: usize = 60;

/// The exponent by Kantz's method, per sample. See [`rosenstein`](super::rosenstein) for the arguments; `radius` is in
/// standard deviations of the series.
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] if the radius is not above 0.
pub fn kantz(
    series: &[f64],
    embedding: &Embedding,
    steps: usize,
    radius: f64,
) -> Result<Option<Estimate>, Error> {
    Ok(kantz_divergence(series, embedding, steps, radius)?.and_then(|curve| curve.estimate(embedding)))
}

/// The mean over up to 500 vectors of the logarithm of the mean distance of all neighbours within `radius`,
/// `0..=steps` steps later. Vectors with fewer than five neighbours are left out; `None` if that leaves none.
///
/// # Errors
///
/// As for [`kantz`].
pub fn kantz_divergence(
    series: &[f64],
    embedding: &Embedding,
    steps: usize,
    radius: f64,
) -> Result<Option<Divergence>, Error> {
    finite(series)?;
    setting("radius", radius, "above 0 and finite", radius > 0.0 && radius.is_finite())?;
    let Some(standard) = standardise(series) else { return Ok(None) };
    let neighbours = super::neighbours(&standard, embedding, steps);
    Ok(divergence(&standard, embedding, steps, &neighbours, radius))
}

pub(crate) fn divergence(
    standard: &[f64],
    embedding: &Embedding,
    steps: usize,
    neighbours: &Neighbours,
    radius: f64,
) -> Option<Divergence> {
    let stride = neighbours.usable().div_ceil(REFERENCES).max(1);
    let later = standard.get(embedding.span()..)?;
    let mut curves: Vec<Vec<f64>> = Vec::new();
    let level = Level::new();
    neighbours.within(stride, radius, |from, around| {
        if around.len() >= FEWEST {
            let thin = around.len().div_ceil(MOST);
            let around = around.iter().step_by(thin);
            curves.push(dispatch!(level, simd => followed(simd, later, steps, from, around)));
        }
    });
    let block = curves.len().div_ceil(BLOCKS).max(1);
    let blocks = curves.chunks(block).map(|curves| mean_curve(curves, steps)).collect();
    Divergence::new(blocks, curves.len())
}

/// The mean distance of the last coordinate at each step. Neighbour by neighbour, so that what is read lies together.
#[inline(always)]
fn followed<'a, S: Simd>(
    _: S,
    later: &[f64],
    steps: usize,
    from: usize,
    around: impl ExactSizeIterator<Item = &'a u32>,
) -> Vec<f64> {
    let count = around.len() as f64;
    let mut sums = vec![0.0; steps + 1];
    let own = later.get(from..).unwrap_or_default();
    for &to in around {
        let other = later.get(to as usize..).unwrap_or_default();
        for (sum, (a, b)) in sums.iter_mut().zip(own.iter().zip(other)) {
            *sum += (b - a).abs();
        }
    }
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

/// The mean logarithm of the mean distances at each step.
fn mean_curve(curves: &[Vec<f64>], steps: usize) -> Vec<f64> {
    (0..=steps)
        .map(|step| mean_logarithm(curves.iter().filter_map(|curve| curve.get(step)).copied()))
        .collect()
}
