//! The alignment itself, not only its cost.

use super::{Band, Real, SeriesError, check, cost};

/// A warping path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path<T> {
    /// The distance, as [`dtw_banded`](crate::dtw_banded) gives it up to rounding.
    pub distance: T,
    /// Which values are aligned: an index into each series, from (0, 0) to the last of both, each step raising one or
    /// both by 1.
    pub steps: Vec<(usize, usize)>,
}

#[derive(Clone, Copy)]
enum Move {
    Across,
    Up,
    Left,
}

/// One best alignment of two series within `radius` of the diagonal; `usize::MAX` for no band.
///
/// O(n·band) time and memory, one byte a cell: the moves, not the sums, are kept. Of several best paths it is the one
/// that prefers, from the end, to step back in both series, then in the first.
///
/// # Errors
///
/// As for [`dtw`](crate::dtw).
///
/// ```
/// let path = aimds_sequence::dtw_path(&[1.0, 2.0], &[1.0, 1.0, 2.0], usize::MAX)?;
/// assert_eq!(path.distance, 0.0);
/// assert_eq!(path.steps, [(0, 0), (0, 1), (1, 2)]);
/// # Ok::<(), aimds_sequence::SeriesError>(())
/// ```
pub fn dtw_path<T: Real>(first: &[T], second: &[T], radius: usize) -> Result<Path<T>, SeriesError> {
    check(first, second)?;
    let band = Band::new(first.len(), second.len(), radius);
    let width = band.below.saturating_add(band.above).saturating_add(1).min(second.len());
    let mut moves: Vec<Move> = Vec::with_capacity(first.len().saturating_mul(width));
    // Where each row of moves begins, and its first column.
    let mut row_starts = Vec::with_capacity(first.len());
    let mut row = vec![T::INFINITY; second.len() + 1];
    for (i, &a) in first.iter().enumerate() {
        let from = i.saturating_sub(band.below);
        let to = i.saturating_add(band.above).saturating_add(1).min(second.len());
        row_starts.push((moves.len(), from));
        // Cell j of the row is at offset j + 1.
        let mut across = if i == 0 { T::ZERO } else { row.get(from).copied().unwrap_or(T::INFINITY) };
        let mut left = T::INFINITY;
        if from == 0 && i > 0 {
            across = T::INFINITY;
        }
        let cells = row.get_mut(from + 1..to + 1).unwrap_or_default();
        for (cell, &b) in cells.iter_mut().zip(second.get(from..to).unwrap_or_default()) {
            let up = *cell;
            let (best, step) = if across <= up && across <= left {
                (across, Move::Across)
            } else if up <= left {
                (up, Move::Up)
            } else {
                (left, Move::Left)
            };
            *cell = cost(a, b) + best;
            moves.push(step);
            (across, left) = (up, *cell);
        }
    }
    let distance = row.last().copied().unwrap_or(T::INFINITY).sqrt();
    let (mut i, mut j) = (first.len() - 1, second.len() - 1);
    let mut steps = vec![(i, j)];
    while (i, j) != (0, 0) {
        let step = row_starts.get(i).and_then(|&(start, from)| moves.get(start + j.checked_sub(from)?));
        // A sum that overflowed says nothing about where it came from: the edges then lead home.
        (i, j) = match step {
            Some(Move::Up) if i > 0 => (i - 1, j),
            Some(Move::Left) if j > 0 => (i, j - 1),
            _ => (i.saturating_sub(1), j.saturating_sub(1)),
        };
        steps.push((i, j));
    }
    steps.reverse();
    Ok(Path { distance, steps })
}
