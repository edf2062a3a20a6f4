//! Comparison of sequences: how far two are apart, where a known one lies in a long one, and which of many are near.
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
