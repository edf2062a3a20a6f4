//! Time warping of a short series with the part of a long one that fits it best.

use std::ops::Range;

use super::{Real, SeriesError, check, cost};

/// Where a series was found in another.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsequenceMatch<T> {
    /// The warping distance of the query and that part.
    pub distance: T,
    /// The part of the series.
    pub span: Range<usize>,
}

/// The part of `series` that is closest to all of `query`: [`dtw`](crate::dtw) with free start and end in `series`.
///
/// Of several best parts the one that ends first. O(nm) time, O(m) memory for a series of m values; the start of the
/// best path is carried along, so that no second pass is needed.
///
/// Müller, *Information Retrieval for Music and Motion*, 2007, section 4.4.
///
/// # Errors
///
/// As for [`dtw`](crate::dtw).
///
/// ```
/// let found = aimds_sequence::dtw_subsequence(&[1.0, 5.0, 1.0], &[9.0, 1.0, 1.0, 5.0, 1.0, 9.0])?;
/// assert_eq!((found.distance, found.span), (0.0, 2..5));
/// # Ok::<(), aimds_sequence::SeriesError>(())
/// ```
pub fn dtw_subsequence<T: Real>(query: &[T], series: &[T]) -> Result<SubsequenceMatch<T>, SeriesError> {
    check(query, series)?;
    let none = SubsequenceMatch { distance: T::INFINITY, span: 0..0 };
    Ok(search(query, series, None).unwrap_or(none))
}

/// [`dtw_subsequence`], or `None` where the distance is above `cutoff`.
///
/// # Errors
///
/// As for [`dtw`](crate::dtw).
///
/// ```
/// assert_eq!(aimds_sequence::dtw_subsequence_cutoff(&[1.0, 5.0], &[9.0, 9.0], 3.0), Ok(None));
/// ```
pub fn dtw_subsequence_cutoff<T: Real>(
    query: &[T],
    series: &[T],
    cutoff: T,
) -> Result<Option<SubsequenceMatch<T>>, SeriesError> {
    check(query, series)?;
    Ok(search(query, series, Some(cutoff)).filter(|found| found.distance <= cutoff))
}

fn search<T: Real>(query: &[T], series: &[T], cutoff: Option<T>) -> Option<SubsequenceMatch<T>> {
    // Sum and start of the best path that ends in each column. Before the first row every column is free.
    let mut row: Vec<(T, usize)> = (0..series.len()).map(|column| (T::ZERO, column)).collect();
    for (i, &a) in query.iter().enumerate() {
        let outside = (T::INFINITY, 0);
        let (mut across, mut left) = (outside, outside);
        let mut smallest = T::INFINITY;
        for (cell, &b) in row.iter_mut().zip(series) {
            let up = *cell;
            // In the first row a path only begins or goes on to the right; coming from the left is never better.
            let (sum, start) = if i == 0 || (up.0 < across.0 && up.0 <= left.0) {
                up
            } else if across.0 <= left.0 {
                across
            } else {
                left
            };
            *cell = (cost(a, b) + sum, start);
            if cell.0 < smallest {
                smallest = cell.0;
            }
            (across, left) = (up, *cell);
        }
        if cutoff.is_some_and(|cutoff| smallest.sqrt() > cutoff) {
            return None;
        }
    }
    let mut best: Option<(usize, T, usize)> = None;
    for (column, &(sum, start)) in row.iter().enumerate() {
        if best.is_none_or(|(_, least, _)| sum < least) {
            best = Some((column, sum, start));
        }
    }
    best.map(|(column, sum, start)| SubsequenceMatch { distance: sum.sqrt(), span: start..column + 1 })
}
