//! The largest Lyapunov exponent: how fast neighbours in phase space part, per sample, from the slope of the mean logarithm of
//! their distance.
//!
//! The number means nothing without the piece of the curve it was read from: the region is chosen by how straight the curve
//! is, and the result says which it was, how straight, and how much the slope differs between parts of the series.

mod curve;
mod kantz;
mod rosenstein;

pub use curve::{Divergence, Estimate};
pub use kantz::{kantz, kantz_divergence};
pub use rosenstein::{rosenstein, rosenstein_divergence};

pub(crate) use rosenstein::divergence;

use crate::embedding::neighbours::{Neighbours, SAME, Search};
use crate::embedding::{Embedding, vectors};

/// The neighbours of all vectors that have `steps` steps after them: both methods look among the same.
pub(crate) fn neighbours(standard: &[f64], embedding: &Embedding, steps: usize) -> Neighbours {
    let Embedding { delay, dimension, theiler } = *embedding;
    let usable = vectors(standard.len(), delay, dimension).saturating_sub(steps);
    Neighbours::new(standard, Search { delay, dimension, usable, theiler, farther_than: SAME })
}

/// [`kantz`] of a series of mean 0 and variance 1.
pub(crate) fn kantz_of(
    standard: &[f64],
    embedding: &Embedding,
    steps: usize,
    neighbours: &Neighbours,
    radius: f64,
) -> Option<Estimate> {
    kantz::divergence(standard, embedding, steps, neighbours, radius)?.estimate(embedding)
}
