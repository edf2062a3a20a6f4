//! Which symbols of a pattern are matched where: the explanation of a distance.

use super::Symbol;

/// Cells above which a matrix is not kept, but split.
const MAX_CELLS: usize = 1 << 20;

/// A best alignment of two sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// The Levenshtein distance.
    pub distance: usize,
    /// Pairs of equal symbols, by their index in the first and in the second sequence, both rising. Symbols without a
    /// pair are deleted, inserted or substituted.
    pub matched: Vec<(usize, usize)>,
}

/// One alignment of least cost.
///
/// O(nm) time. Memory O(n + m) and at most 1 MiB for moves: larger matrices are split in two where a best path crosses
/// the middle row. Hirschberg, *A linear space algorithm for computing maximal common subsequences*, 1975.
///
/// ```
/// let alignment = aimds_sequence::alignment(b"ignore", b"igxore!");
/// assert_eq!(alignment.distance, 2);
/// assert_eq!(alignment.matched, [(0, 0), (1, 1), (3, 3), (4, 4), (5, 5)]);
/// ```
#[must_use]
pub fn alignment<S: Symbol>(first: &[S], second: &[S]) -> Alignment {
    let mut matched = Vec::new();
    let distance = align(first, second, (0, 0), &mut matched);
    Alignment { distance, matched }
}

/// Appends the pairs of equal symbols, counted from `origin`, and returns the distance.
pub(crate) fn align<S: Symbol>(
    first: &[S],
    second: &[S],
    origin: (usize, usize),
    matched: &mut Vec<(usize, usize)>,
) -> usize {
    let cells = (first.len() + 1).saturating_mul(second.len() + 1);
    if cells <= MAX_CELLS || first.len() <= 1 {
        return trace(first, second, origin, matched);
    }
    let (upper, lower) = first.split_at(first.len() / 2);
    let from_start = last_row(upper.iter(), second.iter());
    let from_end = last_row(lower.iter().rev(), second.iter().rev());
    let crossing = from_start.iter().zip(from_end.iter().rev()).enumerate();
    let Some((column, _)) = crossing.min_by_key(|&(_, (start, end))| start + end) else { return 0 };
    let (left, right) = second.split_at(column.min(second.len()));
    align(upper, left, origin, matched)
        + align(lower, right, (origin.0 + upper.len(), origin.1 + left.len()), matched)
}

/// The distances of all of `first` to each prefix of `second`.
fn last_row<'a, S: Symbol + 'a>(
    first: impl Iterator<Item = &'a S>,
    second: impl ExactSizeIterator<Item = &'a S> + Clone,
) -> Vec<usize> {
    let mut row: Vec<usize> = (0..=second.len()).collect();
    for a in first {
        let mut cells = row.iter_mut();
        let Some(left) = cells.next() else { break };
        let mut across = *left;
        *left += 1;
        let mut left = *left;
        for (cell, b) in cells.zip(second.clone()) {
            let best = (across + usize::from(a != b)).min(left + 1).min(*cell + 1);
            across = *cell;
            *cell = best;
            left = best;
        }
    }
    row
}

#[derive(Clone, Copy)]
enum Move {
    Match,
    Substitute,
    Up,
    Left,
}

/// The alignment by the whole matrix of moves. Of the best ones, that which from the end prefers to step back in both.
fn trace<S: Symbol>(
    first: &[S],
    second: &[S],
    origin: (usize, usize),
    matched: &mut Vec<(usize, usize)>,
) -> usize {
    let width = second.len();
    let mut moves = Vec::with_capacity(first.len().saturating_mul(width));
    let mut row: Vec<usize> = (1..=width).collect();
    for (i, a) in first.iter().enumerate() {
        let (mut across, mut left) = (i, i + 1);
        for (cell, b) in row.iter_mut().zip(second) {
            let up = *cell;
            let (value, step) = if a == b {
                (across, Move::Match)
            } else if across <= up && across <= left {
                (across + 1, Move::Substitute)
            } else if up <= left {
                (up + 1, Move::Up)
            } else {
                (left + 1, Move::Left)
            };
            moves.push(step);
            *cell = value;
            (across, left) = (up, value);
        }
    }
    let (mut i, mut j) = (first.len(), width);
    let from = matched.len();
    while i > 0 && j > 0 {
        match moves.get((i - 1) * width + j - 1) {
            Some(Move::Match) => {
                (i, j) = (i - 1, j - 1);
                matched.push((origin.0 + i, origin.1 + j));
            }
            Some(Move::Up) => i -= 1,
            Some(Move::Left) => j -= 1,
            Some(Move::Substitute) | None => (i, j) = (i - 1, j - 1),
        }
    }
    matched.get_mut(from..).unwrap_or_default().reverse();
    row.last().copied().unwrap_or(first.len())
}
