//! Dynamic time warping: the distance under the best alignment that keeps the order.

use super::{Band, Real, SeriesError, check, strips};

/// The dynamic-time-warping distance: the root of the smallest sum of squared differences over all alignments of the two
/// series that keep the order, where a value may be aligned with several neighbours.
///
/// It is 0 for series that differ only in how long each value lasts, and it is **not** a metric. O(nm) time, O(n + m)
/// memory, by strips of rows, along whose anti-diagonals cells do not depend on each other.
///
/// Sakoe and Chiba, *Dynamic programming algorithm optimization for spoken word recognition*, 1978.
///
/// # Errors
///
/// [`SeriesError::Empty`] and [`SeriesError::NonFinite`].
///
/// ```
/// assert_eq!(aimds_sequence::dtw(&[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0, 2.0, 3.0]), Ok(0.0));
/// assert_eq!(aimds_sequence::dtw(&[0.0, 3.0], &[0.0, 1.0]), Ok(2.0));
/// assert!(aimds_sequence::dtw(&[0.0, f64::NAN], &[0.0, 1.0]).is_err());
/// ```
pub fn dtw<T: Real>(first: &[T], second: &[T]) -> Result<T, SeriesError> {
    dtw_banded(first, second, usize::MAX)
}

/// [`dtw`], or `None` where it is above `cutoff`, which is mostly found out early.
///
/// Every path passes one of two neighbouring anti-diagonals: where all sums on both are above the cutoff, no path can end
/// below it. So only columns are looked at that a path within the cutoff can pass. A cutoff that is NaN finds nothing.
///
/// # Errors
///
/// As for [`dtw`].
///
/// ```
/// assert_eq!(aimds_sequence::dtw_cutoff(&[0.0, 3.0], &[0.0, 1.0], 2.0), Ok(Some(2.0)));
/// assert_eq!(aimds_sequence::dtw_cutoff(&[0.0, 3.0], &[0.0, 1.0], 1.9), Ok(None));
/// ```
pub fn dtw_cutoff<T: Real>(first: &[T], second: &[T], cutoff: T) -> Result<Option<T>, SeriesError> {
    dtw_banded_cutoff(first, second, usize::MAX, cutoff)
}

/// [`dtw`] over the alignments that stay within `radius` of the diagonal (Sakoe and Chiba's band).
///
/// Where the lengths differ, the band is widened on one side by the difference. The result falls as the radius grows,
/// and is that of [`dtw`] from the longer length on. O((n + m)·band) time, O(n + m) memory.
///
/// # Errors
///
/// As for [`dtw`].
///
/// ```
/// let (first, second) = ([0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]);
/// assert_eq!(aimds_sequence::dtw_banded(&first, &second, 0), Ok(2f64.sqrt()));
/// ```
pub fn dtw_banded<T: Real>(first: &[T], second: &[T], radius: usize) -> Result<T, SeriesError> {
    check(first, second)?;
    Ok(distance(first, second, radius, None).unwrap_or(T::INFINITY))
}

/// [`dtw_banded`], or `None` where it is above `cutoff`. See [`dtw_cutoff`].
///
/// # Errors
///
/// As for [`dtw`].
///
/// ```
/// let (first, second) = ([0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]);
/// assert_eq!(aimds_sequence::dtw_banded_cutoff(&first, &second, 0, 1.0), Ok(None));
/// ```
pub fn dtw_banded_cutoff<T: Real>(
    first: &[T],
    second: &[T],
    radius: usize,
    cutoff: T,
) -> Result<Option<T>, SeriesError> {
    check(first, second)?;
    Ok(distance(first, second, radius, Some(cutoff)).filter(|&distance| distance <= cutoff))
}

fn distance<T: Real>(first: &[T], second: &[T], radius: usize, cutoff: Option<T>) -> Option<T> {
    // The distance is symmetric, and few long strips are less work than many short ones.
    let (rows, columns) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let band = Band::new(rows.len(), columns.len(), radius);
    strips::squared_distance(rows, columns, band, cutoff).map(T::sqrt)
}
