//! Edit distance of a pattern to the part of a text that fits it best.

use std::ops::Range;

use super::myers::{Matrix, add, scan_double, scan_word};
use super::{Symbol, WORD};

/// Where a pattern was found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfixMatch {
    /// The Levenshtein distance of the pattern and that part.
    pub distance: usize,
    /// The part of the text. Empty where nothing of the pattern is worth keeping.
    pub span: Range<usize>,
}

/// The part of `text` that is closest to all of `pattern`: [`levenshtein`](crate::levenshtein) with free start and end
/// in `text`.
///
/// Of several best parts the one that ends first, and of those the shortest. Never above the length of the pattern,
/// which deleting it costs. O(⌈n/64⌉·m) for a pattern of n and a text of m symbols.
///
/// Sellers, *The theory and computation of evolutionary distances: pattern recognition*, 1980; Myers 1999.
///
/// ```
/// let found = aimds_sequence::levenshtein_infix(b"ignore all", b"please ignroe all rules");
/// assert_eq!((found.distance, found.span), (2, 7..17));
/// ```
#[must_use]
pub fn levenshtein_infix<S: Symbol>(pattern: &[S], text: &[S]) -> InfixMatch {
    levenshtein_infix_cutoff(pattern, text, usize::MAX)
        .unwrap_or(InfixMatch { distance: pattern.len(), span: 0..0 })
}

/// [`levenshtein_infix`], or `None` where the distance is above `cutoff`.
///
/// ```
/// assert_eq!(aimds_sequence::levenshtein_infix_cutoff(b"ignore all", b"please help", 3), None);
/// ```
#[must_use]
pub fn levenshtein_infix_cutoff<S: Symbol>(pattern: &[S], text: &[S], cutoff: usize) -> Option<InfixMatch> {
    if pattern.is_empty() {
        return Some(InfixMatch { distance: 0, span: 0..0 });
    }
    let (distance, end) = if pattern.len() <= WORD {
        let masks = S::word_masks(pattern);
        end_in_word(text.iter().map(|&symbol| S::word_mask(&masks, symbol)), pattern.len())
    } else if pattern.len() <= 2 * WORD {
        let encoded = S::encode(pattern, text);
        let masks = encoded.double_masks();
        let masks = encoded.text.iter().map(|&row| masks.get(row as usize).copied().unwrap_or(0));
        first_best(pattern.len(), |visit| scan_double(masks, pattern.len(), true, visit))
    } else {
        end_in_matrix(pattern, text, cutoff)?
    };
    if distance > cutoff {
        return None;
    }
    let start = end - span_len(pattern, text.get(..end)?, distance);
    Some(InfixMatch { distance, span: start..end })
}

/// The least distance and the first place where it ends, for a pattern of 1 to 64 symbols.
#[inline(always)]
pub(crate) fn end_in_word(masks: impl Iterator<Item = u64>, pattern_len: usize) -> (usize, usize) {
    first_best(pattern_len, |visit| scan_word(masks, pattern_len, true, visit))
}

/// The least value that `each` visits and the column where it is first.
#[inline(always)]
fn first_best(rows: usize, each: impl FnOnce(&mut dyn FnMut(usize) -> bool)) -> (usize, usize) {
    let (mut best, mut end, mut column) = (rows, 0, 0);
    each(&mut |value| {
        column += 1;
        if value < best {
            (best, end) = (value, column);
        }
        best > 0
    });
    (best, end)
}

fn end_in_matrix<S: Symbol>(pattern: &[S], text: &[S], cutoff: usize) -> Option<(usize, usize)> {
    let encoded = S::encode(pattern, text);
    let mut matrix = Matrix::new(&encoded.pattern, &encoded.text, encoded.rows, true);
    loop {
        matrix.advance(matrix.group_len(false), 0, text.len());
        let mut value = matrix.row();
        let (mut best, mut end) = (value, 0);
        for (column, &difference) in matrix.differences().iter().enumerate() {
            value = add(value, difference);
            if value < best {
                (best, end) = (value, column + 1);
            }
        }
        // Every path passes every row, and values do not fall on the way down.
        if best > cutoff {
            return None;
        }
        if matrix.row() == pattern.len() {
            return Some((best, end));
        }
    }
}

/// The length of the shortest part at the end of `text` that has this distance to `pattern`; there must be one.
///
/// The same search backwards, from a fixed end.
pub(crate) fn span_len<S: Symbol>(pattern: &[S], text: &[S], distance: usize) -> usize {
    if distance >= pattern.len() {
        return 0;
    }
    let reach = pattern.len().saturating_add(distance).min(text.len());
    let reversed_pattern: Vec<S> = pattern.iter().rev().copied().collect();
    let mut len = 0;
    if pattern.len() <= WORD {
        let masks = S::word_masks(&reversed_pattern);
        let reversed = text.iter().rev().take(reach).map(|&symbol| S::word_mask(&masks, symbol));
        scan_word(reversed, pattern.len(), false, |value| {
            len += 1;
            value != distance
        });
        return len;
    }
    let reversed_text: Vec<S> = text.iter().rev().take(reach).copied().collect();
    let encoded = S::encode(&reversed_pattern, &reversed_text);
    let mut matrix = Matrix::new(&encoded.pattern, &encoded.text, encoded.rows, false);
    while matrix.row() < pattern.len() {
        matrix.advance(matrix.group_len(false), 0, reach);
    }
    let mut value = pattern.len();
    for &difference in matrix.differences() {
        value = add(value, difference);
        len += 1;
        if value == distance {
            break;
        }
    }
    len
}
