//! Distances and alignments of sequences of symbols: bytes, characters, or words as numbers.

mod alignment;
mod infix;
mod lcs;
mod levenshtein;
mod myers;
mod symbol;

pub use alignment::{Alignment, alignment};
pub use infix::{InfixMatch, levenshtein_infix, levenshtein_infix_cutoff};
pub use lcs::{lcs_len, lcs_len_cutoff};
pub use levenshtein::{levenshtein, levenshtein_cutoff};
pub use symbol::Symbol;

pub(crate) use alignment::align;
pub(crate) use infix::{end_in_word, span_len};
pub(crate) use myers::scan_word;
pub(crate) use symbol::SortedIndex;

/// Bits of a word, and so the pattern symbols that one word stands for.
pub(crate) const WORD: usize = 64;
