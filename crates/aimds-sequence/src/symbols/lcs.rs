//! Length of the longest common subsequence.

use super::symbol::Encoded;
use super::{Symbol, WORD};

/// Columns between two looks at whether to give up.
const ABANDON_EVERY: usize = 64;

/// The length of the longest sequence that both have, with gaps allowed.
///
/// O(⌈n/64⌉·m) time, O(n + m) memory for lengths n <= m.
///
/// Hyyrö, *Bit-parallel LCS-length computation revisited*, 2004.
///
/// ```
/// assert_eq!(aimds_sequence::lcs_len(b"ignore all rules", b"i.g.n.o.r.e"), 6);
/// ```
#[must_use]
pub fn lcs_len<S: Symbol>(first: &[S], second: &[S]) -> usize {
    lcs_len_cutoff(first, second, 0).unwrap_or(0)
}

/// [`lcs_len`], or `None` where it is below `cutoff`.
///
/// Gives up where the symbols that are left are too few.
///
/// ```
/// assert_eq!(aimds_sequence::lcs_len_cutoff(b"ignore", b"ignition", 5), None);
/// ```
#[must_use]
pub fn lcs_len_cutoff<S: Symbol>(first: &[S], second: &[S], cutoff: usize) -> Option<usize> {
    let (pattern, text) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    if pattern.len() < cutoff {
        return None;
    }
    let prefix = pattern.iter().zip(text).take_while(|(a, b)| a == b).count();
    let (pattern, text) = (pattern.get(prefix..)?, text.get(prefix..)?);
    let suffix = pattern.iter().rev().zip(text.iter().rev()).take_while(|(a, b)| a == b).count();
    let (pattern, text) = (pattern.get(..pattern.len() - suffix)?, text.get(..text.len() - suffix)?);
    let needed = cutoff.saturating_sub(prefix + suffix);
    let len = if pattern.is_empty() {
        0
    } else if pattern.len() <= WORD {
        word(pattern, text, needed)?
    } else {
        groups(pattern, text, needed)?
    };
    (len >= needed).then_some(prefix + suffix + len)
}

/// In a word of the state, a bit is 0 where the longest common subsequence grows by one from one row to the next.
fn grown(state: &[u64]) -> usize {
    state.iter().map(|word| word.count_zeros() as usize).sum()
}

fn word<S: Symbol>(pattern: &[S], text: &[S], needed: usize) -> Option<usize> {
    let masks = S::word_masks(pattern);
    let mut state = u64::MAX;
    let mut left = text.len();
    for chunk in text.chunks(ABANDON_EVERY) {
        for &symbol in chunk {
            let mask = S::word_mask(&masks, symbol);
            state = state.wrapping_add(state & mask) | (state & !mask);
        }
        left -= chunk.len();
        if grown(&[state]) + left < needed {
            return None;
        }
    }
    Some(grown(&[state]))
}

fn groups<S: Symbol>(pattern: &[S], text: &[S], needed: usize) -> Option<usize> {
    let encoded = S::encode(pattern, text);
    // The number of words is known to the compiler, so that the additions of a column become one chain.
    match pattern.len().div_ceil(WORD) {
        ..=2 => double(&encoded, needed),
        3..=4 => groups_of::<4>(&encoded, needed),
        5..=8 => groups_of::<8>(&encoded, needed),
        _ => groups_of::<16>(&encoded, needed),
    }
}

fn double(encoded: &Encoded, needed: usize) -> Option<usize> {
    let masks = encoded.double_masks();
    let mut state = u128::MAX;
    let mut left = encoded.text.len();
    for chunk in encoded.text.chunks(ABANDON_EVERY) {
        for &row in chunk {
            let mask = masks.get(row as usize).copied().unwrap_or(0);
            state = state.wrapping_add(state & mask) | (state & !mask);
        }
        left -= chunk.len();
        if state.count_zeros() as usize + left < needed {
            return None;
        }
    }
    Some(state.count_zeros() as usize)
}

fn groups_of<const WORDS: usize>(encoded: &Encoded, needed: usize) -> Option<usize> {
    let mut masks = vec![[0_u64; WORDS]; encoded.rows];
    // The carry that each column of a group hands to the next group.
    let mut carries = vec![false; encoded.text.len()];
    let (mut len, mut rows_left) = (0, encoded.pattern.len());
    for group in encoded.pattern.chunks(WORD * WORDS) {
        for (place, &row) in group.iter().enumerate() {
            if let Some(mask) = masks.get_mut(row as usize).and_then(|masks| masks.get_mut(place / WORD)) {
                *mask |= 1 << (place % WORD);
            }
        }
        let mut state = [u64::MAX; WORDS];
        rows_left -= group.len();
        let mut columns_left = encoded.text.len();
        for (columns, carries) in encoded.text.chunks(ABANDON_EVERY).zip(carries.chunks_mut(ABANDON_EVERY)) {
            for (&row, carry) in columns.iter().zip(carries) {
                if let Some(masks) = masks.get(row as usize) {
                    *carry = column(&mut state, masks, *carry);
                }
            }
            columns_left -= columns.len();
            if len + grown(&state) + rows_left + columns_left < needed {
                return None;
            }
        }
        len += grown(&state);
        if len + rows_left < needed {
            return None;
        }
        for &row in group {
            if let Some(masks) = masks.get_mut(row as usize) {
                *masks = [0; WORDS];
            }
        }
    }
    Some(len)
}

/// One column of a group: the addition of long numbers, word by word.
#[inline(always)]
fn column<const WORDS: usize>(state: &mut [u64; WORDS], masks: &[u64; WORDS], mut carry: bool) -> bool {
    for (word, &mask) in state.iter_mut().zip(masks) {
        let (sum, out) = word.carrying_add(*word & mask, carry);
        *word = sum | (*word & !mask);
        carry = out;
    }
    carry
}
