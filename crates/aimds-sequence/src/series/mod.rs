//! Distances of numeric series that may run at different speeds.

use fearless_simd::{Simd, f32x8, f64x4, prelude::*};

mod diagonal;
mod keogh;
mod path;
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
    use fearless_simd::Simd;

    /// What the cells of a diagonal are computed from.
    #[derive(Clone, Copy)]
    pub struct Inputs<'a, T> {
        pub left: &'a [T],
        pub up: &'a [T],
        pub across: &'a [T],
        pub x: &'a [T],
        pub y: &'a [T],
    }

    pub trait Sealed: Sized {
        /// Cells that are computed at once.
        const LANES: usize;
        /// Computes cells, whose number is a multiple of `LANES`.
        fn relax<S: Simd>(simd: S, cells: &mut [Self], from: Inputs<'_, Self>);
    }
}

macro_rules! relax {
    ($number:ty, $vector:ident, $lanes:literal) => {
        impl sealed::Sealed for $number {
            const LANES: usize = $lanes;

            #[inline(always)]
            fn relax<S: Simd>(simd: S, cells: &mut [Self], from: sealed::Inputs<'_, Self>) {
                let load = |values: &[Self; $lanes]| -> $vector<S> { (*values).simd_into(simd) };
                let chunks = |values| <[Self]>::as_chunks::<$lanes>(values).0.iter();
                let predecessors = chunks(from.left).zip(chunks(from.up)).zip(chunks(from.across));
                let values = chunks(from.x).zip(chunks(from.y));
                for ((cell, ((left, up), across)), (x, y)) in
                    cells.as_chunks_mut::<$lanes>().0.iter_mut().zip(predecessors).zip(values)
                {
                    let difference = load(x) - load(y);
                    let best = load(across).min(load(left).min(load(up)));
                    *cell = (difference * difference + best).into();
                }
            }
        }
    };
}

relax!(f32, f32x8, 8);
relax!(f64, f64x4, 4);

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

/// The smaller of two numbers of which none is NaN: one instruction, where `min` of the standard library needs three.
#[inline(always)]
fn smaller<T: Real>(a: T, b: T) -> T {
    if a < b { a } else { b }
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
