//! Distances of numeric series that may run at different speeds.

mod keogh;
mod path;
mod strips;
mod subsequence;
mod warping;

pub use keogh::{Envelope, lb_keogh};
pub use path::{Path, dtw_path};
pub use subsequence::{SubsequenceMatch, dtw_subsequence, dtw_subsequence_cutoff};
pub use warping::{dtw, dtw_banded, dtw_banded_cutoff, dtw_cutoff};

/// Why two series could not be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A series has no values, so that nothing can be aligned with it.
    #[error("the {series} series is empty")]
    Empty {
        /// Which of the two.
        series: Side,
    },
    /// A value is NaN or infinite. Compared with such a value everything is wrong in ways that nobody sees, so it is
    /// refused.
    #[error("value {index} of the {series} series is not finite")]
    NonFinite {
        /// Which of the two.
        series: Side,
        /// Its first value that is not finite.
        index: usize,
    },
    /// A bound that is defined for series of one length was asked for others.
    #[error("the series have {first} and {second} values and must have the same number")]
    LengthMismatch {
        /// Values of the first series.
        first: usize,
        /// Values of the second series.
        second: usize,
    },
}

/// Which argument of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first argument.
    First,
    /// The second argument.
    Second,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// The numbers that series are made of: `f32` and `f64`.
///
/// `f32` is compared twice as many values at a time. Squares of differences above about 1.8e19 (`f32`) or 1.3e154
/// (`f64`) overflow; the distance is then infinite, which is on the safe side of every threshold.
pub trait Real:
    Copy
    + PartialOrd
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + sealed::Sealed
{
    /// Zero.
    const ZERO: Self;
    /// Larger than every distance.
    const INFINITY: Self;
    /// The non-negative root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// Neither NaN nor infinite.
    #[must_use]
    fn is_finite(self) -> bool;
}

mod sealed {
    use fearless_simd::{Simd, SimdFloat, SimdFloatElement, f32x8, f64x4};

    /// Vectors that are worked on at once: as many as hide how long an addition takes, and fit into the registers.
    pub const VECTORS: usize = 4;

    pub trait Sealed: SimdFloatElement {
        type Vector<S: Simd>: SimdFloat<S, Element = Self>;
        const LANES: usize;
        const MOST_ROWS: usize = VECTORS * Self::LANES;
        /// More than 1 by more than two roundings.
        const ABOVE_ONE: Self;
    }

    impl Sealed for f32 {
        type Vector<S: Simd> = f32x8<S>;
        const LANES: usize = 8;
        const ABOVE_ONE: Self = 1.0 + 4.0 * Self::EPSILON;
    }

    impl Sealed for f64 {
        type Vector<S: Simd> = f64x4<S>;
        const LANES: usize = 4;
        const ABOVE_ONE: Self = 1.0 + 4.0 * Self::EPSILON;
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const INFINITY: Self = Self::INFINITY;
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const INFINITY: Self = Self::INFINITY;
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// The cost of aligning two values.
#[inline(always)]
fn cost<T: Real>(a: T, b: T) -> T {
    let difference = a - b;
    difference * difference
}

fn check<T: Real>(first: &[T], second: &[T]) -> Result<(), SeriesError> {
    for (series, values) in [(Side::First, first), (Side::Second, second)] {
        if values.is_empty() {
            return Err(SeriesError::Empty { series });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(SeriesError::NonFinite { series, index });
        }
    }
    Ok(())
}

/// The cells of the matrix that a warping path may use: `-below <= column - row <= above`.
///
/// Sakoe and Chiba's band of a radius around the diagonal, widened on one side by the difference of the lengths, without
/// which the last cell would lie outside of it.
#[derive(Clone, Copy, Debug)]
struct Band {
    below: usize,
    above: usize,
}

impl Band {
    fn new(rows: usize, columns: usize, radius: usize) -> Self {
        Self {
            below: radius.saturating_add(rows.saturating_sub(columns)).min(rows),
            above: radius.saturating_add(columns.saturating_sub(rows)).min(columns),
        }
    }
}
