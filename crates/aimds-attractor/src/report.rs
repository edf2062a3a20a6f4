//! What an analysis says.

use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::embedding::Embedding;
use crate::lyapunov::Estimate;
use crate::recurrence::Recurrence;
use crate::surrogate::SurrogateTest;

/// What kind of motion a series shows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// Fewer than [`MIN_LEN`](crate::MIN_LEN) values: nothing is claimed.
    InsufficientData,
    /// All values are the same, up to rounding.
    Constant,
    /// The values settle.
    FixedPoint,
    /// The values come again.
    Periodic {
        /// After how much time (samples, if no sampling interval was given).
        period: f64,
    },
    /// Two or more oscillations without a common period.
    QuasiPeriodic,
    /// Deterministic, bounded, and neighbours part exponentially.
    Chaotic,
    /// No better to predict than a linear stochastic process with the same values and spectrum.
    Stochastic,
    /// A trend or a random walk: there is no level to come back to.
    Drifting,
    /// The evidence does not decide, or no surrogates were asked for.
    Undetermined,
}

impl Class {
    /// The name in reports, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientData => "insufficient_data",
            Self::Constant => "constant",
            Self::FixedPoint => "fixed_point",
            Self::Periodic { .. } => "periodic",
            Self::QuasiPeriodic => "quasi_periodic",
            Self::Chaotic => "chaotic",
            Self::Stochastic => "stochastic",
            Self::Drifting => "drifting",
            Self::Undetermined => "undetermined",
        }
    }

    /// The period of a periodic series.
    pub fn period(self) -> Option<f64> {
        match self {
            Self::Periodic { period } => Some(period),
            _ => None,
        }
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The result of [`analyze`](crate::analyze). What was not computed, because the class was clear before or the series too
/// short, is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The kind of motion.
    pub class: Class,
    /// The largest Lyapunov exponent by Rosenstein's method, per unit of time. `None` for classes that have none to
    /// measure: the slope that noise shows is not an exponent.
    pub lyapunov: Option<Estimate>,
    /// The same by Kantz's method, as a cross-check.
    pub kantz: Option<Estimate>,
    /// The test against surrogates.
    pub surrogate: Option<SurrogateTest>,
    /// K of the 0–1 test, of the series thinned to its delay.
    pub zero_one_k: Option<f64>,
    /// Permutation entropy of order 4, from 0 to 1.
    pub permutation_entropy: Option<f64>,
    /// Recurrence quantification.
    pub recurrence: Option<Recurrence>,
    /// How the series was embedded.
    pub embedding: Option<Embedding>,
    /// Which values were looked at: the last 10,000 at most.
    pub analysed: Range<usize>,
    /// The class in a sentence, with the numbers behind it.
    pub reason: String,
}

impl Report {
    /// The part that is printed.
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            class: self.class,
            lyapunov: self.lyapunov.as_ref().map(|estimate| Exponent {
                value: estimate.value,
                low: estimate.low,
                high: estimate.high,
            }),
            surrogate_p: self.surrogate.map(|test| test.p),
            zero_one_k: self.zero_one_k,
            permutation_entropy: self.permutation_entropy,
            period: self.class.period(),
            reason: &self.reason,
        }
    }
}

/// The wire form of a [`Report`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary<'a> {
    /// The kind of motion, in snake case.
    pub class: Class,
    /// The largest Lyapunov exponent, per unit of time.
    pub lyapunov: Option<Exponent>,
    /// One-sided p of the surrogate test.
    pub surrogate_p: Option<f64>,
    /// K of the 0–1 test.
    pub zero_one_k: Option<f64>,
    /// Permutation entropy, from 0 to 1.
    pub permutation_entropy: Option<f64>,
    /// The period of a periodic series.
    pub period: Option<f64>,
    /// The class in a sentence.
    pub reason: &'a str,
}

/// An exponent and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exponent {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
