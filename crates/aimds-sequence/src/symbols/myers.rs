//! The bit-parallel matrix of edit distances.
//!
//! Neighbouring cells of the matrix differ by -1, 0 or 1. A word holds the vertical differences of 64 rows in one
//! column, as one bit each for +1 and for -1, and a few operations take it to the next column: Myers, *A fast bit-vector
//! algorithm for approximate string matching based on dynamic programming*, 1999, in the form of Hyyrö, *A bit-vector
//! algorithm for computing Levenshtein and Damerau edit distances*, 2003.
//!
//! More rows need several words a column, and each word waits for the horizontal difference that the word above hands
//! down. Here the words of a vector work on a slant, each one column behind the word above it, so that all of them can
//! step at once.

use fearless_simd::{Level, Simd, dispatch, prelude::*, u64x4, u64x8};

use super::WORD;

/// Bit 0: the horizontal difference of a cell to its left neighbour is +1. Bit 1: it is -1.
pub(super) const PLUS: u8 = 1;

/// What a horizontal difference adds.
#[inline(always)]
pub(super) fn add(value: usize, difference: u8) -> usize {
    (value + usize::from(difference & PLUS)).saturating_sub(usize::from(difference >> 1))
}

macro_rules! scan {
    ($name:ident, $word:ty, $bits:literal) => {
        #[doc = concat!("The last row of the matrix for a pattern of 1 to ", $bits, " symbols, column by column.")]
        ///
        /// `masks` has for each symbol of the text the places of the pattern that it matches. With `free`, the pattern may
        /// begin anywhere in the text. `visit` gets the value of each column after the first and says whether to go on.
        #[inline(always)]
        pub(crate) fn $name(
            masks: impl Iterator<Item = $word>,
            pattern_len: usize,
            free: bool,
            mut visit: impl FnMut(usize) -> bool,
        ) {
            let last = pattern_len.clamp(1, $bits) as u32 - 1;
            let mut value = pattern_len;
            let (mut plus, mut minus): ($word, $word) = (<$word>::MAX, 0);
            let first_row = <$word>::from(!free);
            for mask in masks {
                let diagonal = (((mask & plus).wrapping_add(plus)) ^ plus) | mask | minus;
                let mut right_plus = minus | !(diagonal | plus);
                let mut right_minus = diagonal & plus;
                value = (value + (right_plus >> last & 1) as usize).wrapping_sub((right_minus >> last & 1) as usize);
                right_plus = right_plus << 1 | first_row;
                right_minus <<= 1;
                plus = right_minus | !(diagonal | right_plus);
                minus = right_plus & diagonal;
                if !visit(value) {
                    return;
                }
            }
        }
    };
}

scan!(scan_word, u64, 64);
scan!(scan_double, u128, 128);

/// Which vector a group of rows is computed with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Four,
    Eight,
}

/// Rows of the matrix from top to bottom, a group at a time.
pub(super) struct Matrix<'a> {
    pattern: &'a [u32],
    text: &'a [u32],
    masks: Vec<[u64; 8]>,
    /// The horizontal differences of the row above the next group.
    differences: Vec<u8>,
    columns: Vec<u32>,
    row: usize,
}

impl<'a> Matrix<'a> {
    /// `pattern` and `text` are rows of the table of symbols, below `rows`. With `free`, the pattern may begin anywhere.
    pub(super) fn new(pattern: &'a [u32], text: &'a [u32], rows: usize, free: bool) -> Self {
        Self {
            pattern,
            text,
            masks: vec![[0; 8]; rows],
            differences: vec![if free { 0 } else { PLUS }; text.len()],
            columns: Vec::new(),
            row: 0,
        }
    }

    /// How many rows are computed.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    /// The horizontal differences of the last computed row. Outside of the columns of the groups so far, they are those
    /// of the rows above.
    pub(super) fn differences(&self) -> &[u8] {
        &self.differences
    }

    /// How many rows the next group may have, with `short` about half as many.
    pub(super) fn group_len(&self, short: bool) -> usize {
        let most = if short { 4 * WORD } else { 8 * WORD };
        (self.pattern.len() - self.row).min(most)
    }

    /// Computes the next `len` rows over some columns. At the left end each cell is taken to be 1 more than the one above,
    /// which is exact at column 0 and an upper bound elsewhere.
    pub(super) fn advance(&mut self, len: usize, from: usize, to: usize) {
        let width = if len <= 4 * WORD { Width::Four } else { Width::Eight };
        let symbols = self.pattern.get(self.row..self.row + len).unwrap_or_default();
        for (word, symbols) in symbols.chunks(WORD).enumerate() {
            for (bit, &row) in symbols.iter().enumerate() {
                if let Some(mask) = self.masks.get_mut(row as usize).and_then(|masks| masks.get_mut(word)) {
                    *mask |= 1 << bit;
                }
            }
        }
        // Symbol 0 matches nothing; words that are ahead of the text or behind it see only that.
        let margin = if width == Width::Four { 3 } else { 7 };
        self.columns.clear();
        self.columns.resize(margin, 0);
        self.columns.extend_from_slice(self.text.get(from..to).unwrap_or_default());
        self.columns.resize(self.columns.len() + margin, 0);
        let differences = self.differences.get_mut(from..to).unwrap_or_default();
        let last = len.saturating_sub(1);
        let (masks, columns) = (&self.masks, &self.columns);
        match width {
            Width::Four => {
                dispatch!(Level::new(), simd => sweep_four(simd, masks, columns, differences, last))
            }
            Width::Eight => {
                dispatch!(Level::new(), simd => sweep_eight(simd, masks, columns, differences, last))
            }
        }
        for &row in symbols {
            if let Some(masks) = self.masks.get_mut(row as usize) {
                *masks = [0; 8];
            }
        }
        self.row += len;
    }
}

/// One group of words over a text: reads the horizontal differences above the group and leaves those of its row `last`.
///
/// A word whose column has not begun steps over a symbol that matches nothing, with a difference of 0 coming in from
/// above. That leaves its state as it is at the left end, so that the slant needs no special cases.
macro_rules! sweep {
    ($name:ident, $vector:ident, $lanes:literal) => {
        #[inline(always)]
        fn $name<S: Simd>(simd: S, masks: &[[u64; 8]], columns: &[u32], differences: &mut [u8], last: usize) {
            let (lane, bit) = (last / WORD, (last % WORD) as u32);
            let zero = $vector::splat(simd, 0);
            let ones = $vector::splat(simd, u64::MAX);
            let (mut plus, mut minus) = (ones, zero);
            let (mut plus_out, mut minus_out) = (zero, zero);
            for (step, window) in columns.windows($lanes).enumerate() {
                let above = differences.get(step).copied().unwrap_or(0);
                let mask: [u64; $lanes] = std::array::from_fn(|lane| {
                    let row = window.get($lanes - 1 - lane).copied().unwrap_or(0);
                    masks.get(row as usize).and_then(|row| row.get(lane)).copied().unwrap_or(0)
                });
                let mask: $vector<S> = mask.simd_into(simd);
                let plus_in = $vector::splat(simd, u64::from(above & PLUS)).slide::<{ $lanes - 1 }>(plus_out);
                let minus_in = $vector::splat(simd, u64::from(above >> 1)).slide::<{ $lanes - 1 }>(minus_out);
                let mask = mask | minus_in;
                let diagonal = (((mask & plus) + plus) ^ plus) | mask | minus;
                let right_plus = minus | ((diagonal | plus) ^ ones);
                let right_minus = diagonal & plus;
                plus_out = right_plus >> 63;
                minus_out = right_minus >> 63;
                if let Some(below) = step.checked_sub(lane).and_then(|column| differences.get_mut(column)) {
                    let plus: [u64; $lanes] = right_plus.into();
                    let minus: [u64; $lanes] = right_minus.into();
                    let (plus, minus) = (plus.get(lane).copied(), minus.get(lane).copied());
                    *below =
                        (plus.unwrap_or(0) >> bit & 1) as u8 | ((minus.unwrap_or(0) >> bit & 1) as u8) << 1;
                }
                let right_plus = (right_plus << 1) | plus_in;
                let right_minus = (right_minus << 1) | minus_in;
                plus = right_minus | ((diagonal | right_plus) ^ ones);
                minus = right_plus & diagonal;
            }
        }
    };
}

sweep!(sweep_four, u64x4, 4);
sweep!(sweep_eight, u64x8, 8);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same(
            pattern in prop::collection::vec(1..5_usize, 1..512),
            text in prop::collection::vec(0..5_u32, 0..100),
            above in any::<bool>(),
        ) {
            let mut masks = vec![[0_u64; 8]; 5];
            for (place, &row) in pattern.iter().enumerate() {
                masks[row][place / WORD] |= 1 << (place % WORD);
            }
            let last = pattern.len() - 1;
            let columns: Vec<u32> = [&[0; 7], &text[..], &[0; 7]].concat();
            let mut expected = vec![u8::from(above); text.len()];
            dispatch!(Level::new(), simd => sweep_eight(simd, &masks, &columns, &mut expected, last));
            #[cfg(target_arch = "x86_64")]
            {
                let levels = [Level::new().as_sse2().map(Level::Sse2), Level::new().as_sse4_2().map(Level::Sse4_2)];
                for level in levels.into_iter().flatten() {
                    let mut found = vec![u8::from(above); text.len()];
                    dispatch!(level, simd => sweep_eight(simd, &masks, &columns, &mut found, last));
                    prop_assert_eq!(&found, &expected);
                    if last < 4 * WORD {
                        let mut found = vec![u8::from(above); text.len()];
                        let columns = &columns[4..columns.len() - 4];
                        dispatch!(level, simd => sweep_four(simd, &masks, columns, &mut found, last));
                        prop_assert_eq!(&found, &expected);
                    }
                }
            }
            prop_assert_eq!(expected.len(), text.len());
        }
    }
}
