//! Edit distance of whole sequences.

use super::myers::{Matrix, add, scan_double, scan_word};
use super::symbol::Encoded;
use super::{Symbol, WORD};

/// The Levenshtein distance: how many symbols must be inserted, deleted or substituted to make one sequence the other.
///
/// A metric. The distance to an empty sequence is the length of the other. O(⌈n/64⌉·m) time for lengths n <= m,
/// O(n + m) memory; see [`levenshtein_cutoff`] where only small distances matter.
///
/// Myers, *A fast bit-vector algorithm for approximate string matching based on dynamic programming*, 1999; Hyyrö, *A
/// bit-vector algorithm for computing Levenshtein and Damerau edit distances*, 2003.
///
/// ```
/// assert_eq!(aimds_sequence::levenshtein(b"kitten", b"sitting"), 3);
/// assert_eq!(aimds_sequence::levenshtein(&[1_u32, 2, 3], &[]), 3);
/// ```
#[must_use]
pub fn levenshtein<S: Symbol>(first: &[S], second: &[S]) -> usize {
    levenshtein_cutoff(first, second, usize::MAX).unwrap_or(usize::MAX)
}

/// [`levenshtein`], or `None` where it is above `cutoff`.
///
/// O(⌈cutoff/64⌉·m) for cutoffs far below the length n of the shorter sequence: only the band around the diagonal in
/// which a path of this cost can run is computed, and the search ends where no cell of a row can lead to it.
///
/// Ukkonen, *Algorithms for approximate string matching*, 1985.
///
/// ```
/// assert_eq!(aimds_sequence::levenshtein_cutoff(b"kitten", b"sitting", 3), Some(3));
/// assert_eq!(aimds_sequence::levenshtein_cutoff(b"kitten", b"sitting", 2), None);
/// ```
#[must_use]
pub fn levenshtein_cutoff<S: Symbol>(first: &[S], second: &[S], cutoff: usize) -> Option<usize> {
    let (pattern, text) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let longer_by = text.len() - pattern.len();
    if longer_by > cutoff {
        return None;
    }
    // What both begin or end with costs nothing.
    let prefix = pattern.iter().zip(text).take_while(|(a, b)| a == b).count();
    let (pattern, text) = (pattern.get(prefix..)?, text.get(prefix..)?);
    let suffix = pattern.iter().rev().zip(text.iter().rev()).take_while(|(a, b)| a == b).count();
    let (pattern, text) = (pattern.get(..pattern.len() - suffix)?, text.get(..text.len() - suffix)?);
    let distance = if pattern.is_empty() {
        text.len()
    } else if cutoff == 0 {
        // They differ.
        return None;
    } else if pattern.len() <= WORD {
        word(pattern, text, cutoff)?
    } else {
        banded(pattern, text, cutoff.min(text.len()))?
    };
    (distance <= cutoff).then_some(distance)
}

fn word<S: Symbol>(pattern: &[S], text: &[S], cutoff: usize) -> Option<usize> {
    let masks = S::word_masks(pattern);
    scan(text.len(), pattern.len(), cutoff, |visit| {
        scan_word(text.iter().map(|&symbol| S::word_mask(&masks, symbol)), pattern.len(), false, visit);
    })
}

/// The last value that `each` visits, unless it is above the cutoff beyond return.
#[inline(always)]
fn scan(
    columns: usize,
    rows: usize,
    cutoff: usize,
    each: impl FnOnce(&mut dyn FnMut(usize) -> bool),
) -> Option<usize> {
    let (mut distance, mut left) = (rows, columns);
    each(&mut |value| {
        distance = value;
        left -= 1;
        // Each further column lowers the value by at most 1.
        value <= cutoff.saturating_add(left)
    });
    (left == 0).then_some(distance)
}

/// `pattern` has at least one symbol and at most as many as `text`, which `cutoff` is not above.
fn banded<S: Symbol>(pattern: &[S], text: &[S], cutoff: usize) -> Option<usize> {
    let encoded = S::encode(pattern, text);
    let (rows, columns) = (pattern.len(), text.len());
    let longer_by = columns - rows;
    // A path to the last cell that strays further from the diagonals between both corners needs more steps than allowed
    // to come back.
    let slack = cutoff.checked_sub(longer_by)? / 2;
    if longer_by + 2 * slack < WORD {
        return diagonal_word(&encoded, slack, cutoff);
    }
    if longer_by + 2 * slack < 2 * WORD {
        return diagonal_double(&encoded, slack, cutoff);
    }
    if rows <= 2 * WORD {
        let masks = encoded.double_masks();
        return scan(columns, rows, cutoff, |visit| {
            let masks = encoded.text.iter().map(|&row| masks.get(row as usize).copied().unwrap_or(0));
            scan_double(masks, rows, false, visit);
        });
    }
    // Long sequences are mostly much alike or not at all, and both show in a narrow band at a fraction of the price.
    if rows > 8 * WORD
        && let Some(slack) = (2 * WORD - 1).checked_sub(longer_by).map(|most| most / 2)
    {
        let within = longer_by + 2 * slack;
        if let Some(distance) =
            diagonal_double(&encoded, slack, within).filter(|distance| *distance <= within)
        {
            return Some(distance);
        }
    }
    // Sequences that have nothing to do with each other show it after few rows.
    let early = cutoff < rows / 4;
    let mut matrix = Matrix::new(&encoded.pattern, &encoded.text, encoded.rows, false);
    // The value at the left end of the row above the next group.
    let mut corner = 0;
    loop {
        let top = matrix.row();
        let bottom = top + matrix.group_len(early && top == 0);
        let from = top.saturating_sub(slack);
        let to = bottom.saturating_add(longer_by + slack).min(columns);
        matrix.advance(bottom - top, from, to);
        let next_from = bottom.saturating_sub(slack);
        let mut value = corner + bottom - top;
        if next_from == from {
            corner = value;
        }
        // The least that a path through the bottom row costs: so far, and for the difference of what is left.
        let mut least = value + (rows - bottom).abs_diff(columns - from);
        for (column, &difference) in matrix.differences().get(from..to)?.iter().enumerate() {
            let column = from + column + 1;
            value = add(value, difference);
            if column == next_from {
                corner = value;
            }
            least = least.min(value + (rows - bottom).abs_diff(columns - column));
        }
        if bottom == rows {
            return Some(value);
        }
        if least > cutoff {
            return None;
        }
    }
}

macro_rules! diagonal {
    ($name:ident, $word:ty) => {
        /// The whole band in one word that moves down by one row a column: its highest bit stands for the row `slack` below the
        /// diagonal that begins at the corner. Hyyrö 2003, section 5.
        fn $name(encoded: &Encoded, slack: usize, cutoff: usize) -> Option<usize> {
            const BITS: usize = <$word>::BITS as usize;
            let (rows, columns) = (encoded.pattern.len(), encoded.text.len());
            // For each symbol its places in the band, and the column for which this is so.
            let mut places: Vec<($word, usize)> = vec![(0, 0); encoded.rows];
            let arrive = |places: &mut [($word, usize)], row: u32, bit: $word, column: usize| {
                if let Some((mask, since)) = places.get_mut(row as usize) {
                    *mask = mask.unbounded_shr((column - *since) as u32) | bit;
                    *since = column;
                }
            };
            let (above, mut below) = encoded.pattern.split_at_checked(slack)?;
            for (place, &row) in above.iter().enumerate() {
                arrive(&mut places, row, 1 << (BITS - slack + place), 0);
            }
            let mut plus = <$word>::MAX << (BITS - 1 - slack);
            let mut minus: $word = 0;
            let mut value = slack;
            // In the last columns the band reaches below the last row, which then moves up in it.
            let mut last_row: $word = 1 << (BITS - 2);
            let give_up = cutoff.saturating_add(columns - rows + slack);
            for (column, &symbol) in encoded.text.iter().enumerate() {
                let column = column + 1;
                let reaches_below = below.is_empty();
                if let Some((&row, rest)) = below.split_first() {
                    arrive(&mut places, row, 1 << (BITS - 1), column);
                    below = rest;
                }
                let &(mask, since) = places.get(symbol as usize)?;
                // Row 0 of the table is never filled.
                let mask = mask.unbounded_shr((column - since) as u32);
                let diagonal = (((mask & plus).wrapping_add(plus)) ^ plus) | mask | minus;
                let right_plus = minus | !(diagonal | plus);
                let right_minus = diagonal & plus;
                if reaches_below {
                    value = (value + usize::from(right_plus & last_row != 0))
                        - usize::from(right_minus & last_row != 0);
                    last_row >>= 1;
                } else {
                    value += usize::from(diagonal >> (BITS - 1) == 0);
                    // The rest can lower it by one for each column that is left when the last row is reached.
                    if value > give_up {
                        return None;
                    }
                }
                plus = right_minus | !((diagonal >> 1) | right_plus);
                minus = (diagonal >> 1) & right_plus;
            }
            Some(value)
        }
    };
}

diagonal!(diagonal_word, u64);
diagonal!(diagonal_double, u128);
