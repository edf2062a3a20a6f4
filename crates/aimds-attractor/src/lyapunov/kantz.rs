//! Kantz, *A robust method to estimate the maximal Lyapunov exponent of a time series*, 1994.

use super::curve::{BLOCKS, Divergence, Estimate};
use crate::embedding::neighbours::{SAME, Search};
use crate::embedding::{Embedding, vectors};
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
    Ok(standardise(series).and_then(|standard| divergence(&standard, embedding, steps, radius)))
}

pub(crate) fn divergence(
    standard: &[f64],
    embedding: &Embedding,
    steps: usize,
    radius: f64,
) -> Option<Divergence> {
    let Embedding { delay, dimension, theiler } = *embedding;
    let usable = vectors(standard.len(), delay, dimension).saturating_sub(steps);
    let stride = usable.div_ceil(REFERENCES).max(1);
    let search = Search { delay, dimension, usable, theiler, stride, farther_than: SAME };
    let mut curves: Vec<Vec<f64>> = Vec::new();
    search.within(standard, radius, |from, around| {
        if around.len() >= FEWEST {
            let thin = around.len().div_ceil(MOST);
            let around: Vec<u32> = around.iter().copied().step_by(thin).collect();
            curves.push(followed(standard, embedding.span(), steps, from, &around));
        }
    });
    let block = curves.len().div_ceil(BLOCKS).max(1);
    let blocks = curves.chunks(block).map(|curves| mean_curve(curves, steps)).collect();
    Divergence::new(blocks, curves.len())
}

/// The logarithm of the mean distance of the last coordinate at each step; NaN where it is 0.
fn followed(standard: &[f64], last: usize, steps: usize, from: usize, around: &[u32]) -> Vec<f64> {
    let value = |index: usize, step: usize| standard.get(index + last + step).copied().unwrap_or(0.0);
    (0..=steps)
        .map(|step| {
            let sum: f64 =
                around.iter().map(|&to| (value(to as usize, step) - value(from, step)).abs()).sum();
            let mean = sum / around.len() as f64;
            if mean > SAME { mean.ln() } else { f64::NAN }
        })
        .collect()
}

fn mean_curve(curves: &[Vec<f64>], steps: usize) -> Vec<f64> {
    (0..=steps)
        .map(|step| {
            let values = curves.iter().filter_map(|curve| curve.get(step)).filter(|value| value.is_finite());
            let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
            sum / count as f64
        })
        .collect()
}
