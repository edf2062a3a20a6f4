//! Time warping by anti-diagonals, the form in which neighbouring cells can be computed at once.

use fearless_simd::{Level, Simd, dispatch};

use super::sealed::Inputs;
use super::{Band, Real, smaller};

/// Diagonals between two looks at whether to give up.
const ABANDON_EVERY: usize = 8;

/// The square of the warping distance, or `None` once it is certain that its root is above `cutoff`.
///
/// Neither series may be empty, and `rows` must not be the longer one.
pub(super) fn squared_distance<T: Real>(
    rows: &[T],
    columns: &[T],
    band: Band,
    cutoff: Option<T>,
) -> Option<T> {
    dispatch!(Level::new(), simd => sweep(simd, rows, columns, band, cutoff))
}

/// Cell (i, j) lies on diagonal i + j, and on it at `rows - 1 - i`: counted backwards, so that along a diagonal the index
/// into the reversed rows and the index into the columns both grow. Buffers hold one diagonal at offset 1, with a cell of
/// padding before it.
///
/// Whole vectors are computed even where fewer cells are left. What lies behind the last cell of a diagonal is never read
/// again for a cell that counts, as the last cell only moves down; just the one next to it is, and is set right.
#[inline(always)]
fn sweep<S: Simd, T: Real>(simd: S, rows: &[T], columns: &[T], band: Band, cutoff: Option<T>) -> Option<T> {
    let (n, m) = (rows.len(), columns.len());
    let padding = std::iter::repeat_n(T::ZERO, T::LANES);
    let reversed: Vec<T> = rows.iter().rev().copied().chain(padding.clone()).collect();
    let columns: Vec<T> = columns.iter().copied().chain(padding).collect();
    let size = n + 2 + T::LANES;
    let mut cells = vec![T::INFINITY; 3 * size];
    let (mut before_last, rest) = cells.split_at_mut(size);
    let (mut last, mut current) = rest.split_at_mut(size);
    // The corner before both series: where every path comes from.
    if let Some(corner) = before_last.get_mut(n + 1) {
        *corner = T::ZERO;
    }
    let mut last_span = (0, 0);
    for diagonal in 0..n + m - 1 {
        // Inside of the matrix: i < n, j = diagonal - i < m. Inside of the band: -below <= j - i <= above.
        let lowest = diagonal.saturating_sub(m - 1).max(diagonal.saturating_sub(band.above).div_ceil(2));
        let highest = diagonal.min(n - 1).min(diagonal.saturating_add(band.below) / 2);
        let mut span = (0, 0);
        if lowest > highest {
            // A band of radius 0 has no cell on every second diagonal.
            current.fill(T::INFINITY);
        } else {
            let (start, end) = (n - 1 - highest, n - lowest);
            let len = end - start;
            let whole = len.next_multiple_of(T::LANES);
            let from = Inputs {
                left: window(last, start + 1, whole),
                up: window(last, start + 2, whole),
                across: window(before_last, start + 2, whole),
                x: window(&reversed, start, whole),
                y: window(&columns, diagonal - highest, whole),
            };
            T::relax(simd, window_mut(current, start + 1, whole), from);
            // What lies beside the diagonal's cells is outside of the matrix or the band.
            if let Some(outside) = current.get_mut(start) {
                *outside = T::INFINITY;
            }
            if let Some(outside) = current.get_mut(end + 1) {
                *outside = T::INFINITY;
            }
            span = (start + 1, len);
        }
        if let Some(cutoff) = cutoff
            && diagonal % ABANDON_EVERY == ABANDON_EVERY - 1
        {
            let reached = smaller(
                smallest(window(current, span.0, span.1)),
                smallest(window(last, last_span.0, last_span.1)),
            );
            if reached.sqrt() > cutoff {
                return None;
            }
        }
        last_span = span;
        (before_last, last, current) = (last, current, before_last);
    }
    last.get(1).copied()
}

/// The smallest value, by eight independent minima.
#[inline(always)]
fn smallest<T: Real>(values: &[T]) -> T {
    let mut minima = [T::INFINITY; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (minimum, &value) in minima.iter_mut().zip(chunk) {
            *minimum = smaller(value, *minimum);
        }
    }
    minima.iter().chain(rest).fold(T::INFINITY, |minimum, &value| smaller(value, minimum))
}

/// `len` values from `start`. All callers stay inside; if one did not, the answer would be wrong, not the process gone,
/// and the comparison with the full matrix in the tests would fail.
#[inline(always)]
fn window<T>(values: &[T], start: usize, len: usize) -> &[T] {
    values.get(start..start + len).unwrap_or_default()
}

#[inline(always)]
fn window_mut<T>(values: &mut [T], start: usize, len: usize) -> &mut [T] {
    values.get_mut(start..start + len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Bit for bit: no instruction set rounds differently.
        #[test]
        fn every_instruction_set_gives_the_same(
            rows in prop::collection::vec(-9.0..9.0_f32, 1..70),
            more in prop::collection::vec(-9.0..9.0_f32, 0..70),
            radius in 0..80_usize,
        ) {
            let columns: Vec<f32> = more.iter().chain(&rows).rev().copied().collect();
            let band = Band::new(rows.len(), columns.len(), radius);
            let best = squared_distance(&rows, &columns, band, None);
            let wide: (Vec<f64>, Vec<f64>) = (
                rows.iter().copied().map(f64::from).collect(),
                columns.iter().copied().map(f64::from).collect(),
            );
            let best_wide = squared_distance(&wide.0, &wide.1, band, None);
            #[cfg(target_arch = "x86_64")]
            {
                let levels = [Level::new().as_sse2().map(Level::Sse2), Level::new().as_sse4_2().map(Level::Sse4_2)];
                for level in levels.into_iter().flatten() {
                    let found = dispatch!(level, simd => sweep(simd, &rows, &columns, band, None));
                    prop_assert_eq!(found, best);
                    let found = dispatch!(level, simd => sweep(simd, &wide.0, &wide.1, band, None));
                    prop_assert_eq!(found, best_wide);
                }
            }
            prop_assert!(best.is_some() && best_wide.is_some());
        }
    }
}
