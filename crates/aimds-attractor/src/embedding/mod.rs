//! From one measured number to the state behind it: vectors of delayed values (Takens, *Detecting strange attractors in
//! turbulence*, 1981).

mod dimension;
mod information;
pub(crate) mod neighbours;

pub use dimension::{CaoStep, cao};
pub use information::{first_minimum, mutual_information};

use crate::error::{Error, setting};
use crate::spectrum;
use crate::standard::autocorrelation;

/// The largest dimension that is looked at.
pub const MAX_DIMENSION: usize = 10;

/// Neighbours in time are no neighbours in space: at least this many samples are left out on both sides.
const LEAST_THEILER: usize = 10;

/// How a series becomes vectors `(x[i], x[i + delay], …)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedding {
    /// Samples between two coordinates.
    pub delay: usize,
    /// Coordinates of a vector, up to [`MAX_DIMENSION`].
    pub dimension: usize,
    /// Vectors that are at most so many samples apart are not taken for neighbours (Theiler, 1986).
    pub theiler: usize,
}

impl Embedding {
    /// # Errors
    ///
    /// [`Error::Setting`] for a delay of 0 or a dimension outside `1..=MAX_DIMENSION`.
    pub fn new(delay: usize, dimension: usize, theiler: usize) -> Result<Self, Error> {
        setting("delay", delay as f64, "at least 1", delay >= 1)?;
        let holds = (1..=MAX_DIMENSION).contains(&dimension);
        setting("dimension", dimension as f64, "from 1 to 10", holds)?;
        Ok(Self { delay, dimension, theiler })
    }

    /// Samples from the first to the last coordinate of a vector.
    pub(crate) fn span(&self) -> usize {
        (self.dimension.saturating_sub(1)).saturating_mul(self.delay)
    }

    /// Chooses all three for a series of mean 0 and variance 1.
    ///
    /// A series that is hardly like itself one sample later (correlation below one half) is a map or sampled coarsely: its
    /// delay is 1. Otherwise the delay is the first minimum of the mutual information.
    pub(crate) fn choose(standard: &[f64]) -> Self {
        let most = (standard.len() / 20).clamp(1, 500);
        let coarse = autocorrelation(standard, 1) < 0.5;
        let delay = if coarse { 1 } else { first_minimum(standard, most).unwrap_or(most) };
        let period = spectrum::mean_period(standard);
        let most_theiler = (standard.len() / 10).max(LEAST_THEILER);
        let theiler = (period.ceil() as usize).max(delay).clamp(LEAST_THEILER, most_theiler);
        let dimension = dimension::saturation(standard, delay, theiler);
        let theiler = theiler.max(dimension * delay).min(most_theiler);
        Self { delay, dimension, theiler }
    }
}

/// How many delay vectors a series of `len` values has.
pub(crate) fn vectors(len: usize, delay: usize, dimension: usize) -> usize {
    len.saturating_sub(dimension.saturating_sub(1).saturating_mul(delay))
}
