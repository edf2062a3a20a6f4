//! Comparison of sequences: how far two are apart, where a known one lies in a long one, and which of many are near.
//!
//! - **Series** of numbers that run at different speeds: [`dtw`] and its banded, subsequence and path forms, [`lb_keogh`].
//! - **Symbols** (bytes, characters, words as numbers): [`levenshtein`], [`levenshtein_infix`], [`lcs_len`],
//!   [`alignment`].
//! - **Vectors**: [`VectorIndex`], the nearest by angle.
//! - **Patterns**: [`PatternLibrary`] finds which of thousands of known sequences a text contains; [`medoids`] picks few
//!   that stand for many.
//!
//! Everything is exact: filters and rounded copies only leave out what cannot be part of the answer, and a budget that
//! runs out is reported. What ends in `_cutoff` gives the same answer as without, or `None`, and is faster the stricter
//! the cutoff. Time warping permits free stretching and therefore suits measured series; for words, where "ignore ignore"
//! is not "ignore", use edit distances.
//!
//! ```
//! use aimds_sequence::{Budget, PatternLibrary, dtw, levenshtein};
//!
//! assert_eq!(dtw(&[0.0, 1.0, 2.0], &[0.0, 0.0, 1.0, 2.0]), Ok(0.0));
//! assert_eq!(levenshtein(b"ignore", b"ignroe"), 2);
//!
//! let mut builder = PatternLibrary::builder();
//! builder.insert("override-1", "override", &[11, 12, 13, 14, 15])?;
//! let library = builder.build()?;
//! let found = library.find(&[1, 2, 11, 12, 99, 14, 15, 3], Budget::default(), 0.2)?;
//! assert_eq!((found.hits[0].distance, found.hits[0].span.clone()), (1, 2..7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod library;
mod series;
mod symbols;
mod vectors;

pub use library::{
    Budget, BuildError, Cluster, CutoffError, Found, MAX_PATTERN, PatternHit, PatternLibrary,
    PatternLibraryBuilder, ReadError, Scratch, medoids,
};

pub use series::{
    Envelope, Path, Real, SeriesError, Side, SubsequenceMatch, dtw, dtw_banded, dtw_banded_cutoff,
    dtw_cutoff, dtw_path, dtw_subsequence, dtw_subsequence_cutoff, lb_keogh,
};
pub use symbols::{
    Alignment, InfixMatch, Symbol, alignment, lcs_len, lcs_len_cutoff, levenshtein, levenshtein_cutoff,
    levenshtein_infix, levenshtein_infix_cutoff,
};
pub use vectors::{VectorError, VectorHit, VectorIndex};
