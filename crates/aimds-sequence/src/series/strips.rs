//! Time warping by strips of rows, within which neighbouring anti-diagonals stay in registers.

use fearless_simd::{Level, dispatch, prelude::*};

use super::sealed::VECTORS;
use super::{Band, Real};

/// Steps between two looks at whether to give up.
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

/// Strip after strip, of as many rows as there are lanes in four vectors; in one where no more are left.
#[inline(always)]
fn sweep<S: Simd, T: Real>(simd: S, rows: &[T], columns: &[T], band: Band, cutoff: Option<T>) -> Option<T> {
    let size = columns.len() + 2 * T::MOST_ROWS;
    let mut memory = vec![T::INFINITY; 2 * size + 3 * T::MOST_ROWS];
    let (padded, rest) = memory.split_at_mut(size);
    let (above, edges) = rest.split_at_mut(size);
    edges.iter_mut().skip(T::MOST_ROWS).take(T::MOST_ROWS).for_each(|inside| *inside = T::ZERO);
    for (padded, &value) in padded.iter_mut().skip(T::MOST_ROWS).zip(columns) {
        *padded = value;
    }
    // The corner before both series: where every path comes from.
    if let Some(corner) = above.get_mut(T::MOST_ROWS - 1) {
        *corner = T::ZERO;
    }
    // No sum above this has a root that is not above the cutoff, however both are rounded.
    let bound = cutoff.map(|cutoff| cutoff * cutoff * T::ABOVE_ONE);
    let narrow = band.below < rows.len() - 1 || band.above < columns.len() - 1;
    let mut matrix = Matrix { columns: padded, above, edges, count: columns.len(), band, bound, start: 0 };
    let mut last = None;
    let mut first = 0;
    while let Some(rest) = rows.get(first..).filter(|rest| !rest.is_empty()) {
        let strip = Strip { first, rows: rest };
        last = match (rest.len() <= T::LANES, narrow) {
            (true, false) => matrix.strip::<S, 1, false>(simd, strip),
            (true, true) => matrix.strip::<S, 1, true>(simd, strip),
            (false, false) => matrix.strip::<S, VECTORS, false>(simd, strip),
            (false, true) => matrix.strip::<S, VECTORS, true>(simd, strip),
        };
        last?;
        first += T::MOST_ROWS;
    }
    last
}

/// What one strip leaves to the next.
struct Matrix<'a, T> {
    /// With `MOST_ROWS` infinite values before and behind them: cells outside of the matrix cost infinitely much.
    columns: &'a [T],
    /// The cells of the row above the strip, at the same places.
    above: &'a mut [T],
    /// `MOST_ROWS` times each infinity, 0 and infinity.
    edges: &'a [T],
    /// How many columns there are.
    count: usize,
    band: Band,
    /// Cells above this lead nowhere.
    bound: Option<T>,
    /// The first column that a path can pass in this strip.
    start: usize,
}

struct Strip<'a, T> {
    /// Its first row.
    first: usize,
    /// That and all rows after it.
    rows: &'a [T],
}

impl<T: Real> Matrix<'_, T> {
    /// Computes a strip of `K` vectors of rows; its last row replaces the one above. Returns the last cell of its last row,
    /// `None` if no path within the bound reaches the strip.
    ///
    /// Lanes are rows, counted from the last one up, and each is a column behind the row above it: in a step lane `g` computes
    /// column `step - (height - 1) + g`, from what it computed a step before (left) and what the lane after it did one
    /// step (up) and two steps (across) before.
    ///
    /// The first lane, which is the last row, is stored with the others of its vector; what these leave behind it is
    /// overwritten in the next steps, and by the last step outside of the matrix or the band, where it is infinite.
    #[inline(always)]
    fn strip<S: Simd, const K: usize, const NARROW: bool>(
        &mut self,
        simd: S,
        strip: Strip<'_, T>,
    ) -> Option<T> {
        let vector = |lanes: &[T]| T::Vector::<S>::from_slice(simd, lanes);
        let all = |value: T| T::Vector::<S>::simd_from(simd, value);
        let infinite = all(T::INFINITY);
        let height = K * T::LANES;
        let rows = strip.rows.len().min(height);
        let Band { below, above } = self.band;
        let start = self.start.max(strip.first.saturating_sub(below));
        let end = (self.count - 1).min((strip.first + rows - 1).saturating_add(above)) + rows - 1;
        let (start, reach) = match self.bound {
            None => (start, end),
            Some(bound) => self.passable(start, bound)?,
        };
        self.start = start;

        let mut x = [all(T::ZERO); K];
        for (x, lanes) in x.iter_mut().rev().zip(strip.rows.chunks(T::LANES)) {
            *x = T::Vector::from_fn(simd, |lane| lanes.get(T::LANES - 1 - lane).copied().unwrap_or(T::ZERO));
        }
        let at = |step: usize| step + T::MOST_ROWS;
        let mut left = [infinite; K];
        let mut across = [infinite; K];
        if let (Some(across), Some(&corner)) = (across.last_mut(), self.above.get(at(start) - 1)) {
            *across = infinite.slide::<1>(all(corner));
        }
        for step in start..=end {
            let columns = self.columns.get(at(step) + 1 - height..at(step) + 1)?;
            let mut after = all(*self.above.get(at(step))?);
            let (low, high) =
                if NARROW { self.outside(strip.first, step, height)? } else { (columns, columns) };
            let chunks = |values| <[T]>::chunks_exact(values, T::LANES);
            let inputs = x.iter().zip(chunks(columns)).zip(chunks(low).zip(chunks(high)));
            for ((left, across), ((&x, column), (low, high))) in
                left.iter_mut().zip(&mut across).zip(inputs).rev()
            {
                let difference = x - vector(column);
                let mut cost = difference * difference;
                if NARROW {
                    cost = cost + vector(low) + vector(high);
                }
                let up = left.slide::<1>(after);
                after = *left;
                *left = cost + across.min(*left).min(up);
                *across = up;
            }
            let done = self.above.get_mut(at(step) + 1 - height..at(step) + 1 - height + T::LANES)?;
            left.first()?.store_slice(done);
            if let Some(bound) = self.bound
                && step >= reach
                && step % ABANDON_EVERY == 0
            {
                let smallest =
                    left.iter().chain(&across).fold(infinite, |smallest, &cells| cells.min(smallest));
                if smallest.simd_gt(all(bound)).all_true() {
                    // Nothing comes from above any more, and nothing from the left.
                    self.above.get_mut(at(step) + 2 - height..)?.fill(T::INFINITY);
                    return Some(T::INFINITY);
                }
            }
        }
        let lane = height - rows;
        left.get(lane / T::LANES)?.as_slice().get(lane % T::LANES).copied()
    }

    /// The first and the last column that paths within the bound can come down from, from the one before `start` on.
    fn passable(&self, start: usize, bound: T) -> Option<(usize, usize)> {
        let above = self.above.get(start + T::MOST_ROWS - 1..)?;
        let first = above.iter().position(|&cell| cell <= bound)?;
        let last = above.iter().rposition(|&cell| cell <= bound)?;
        Some((start + first.saturating_sub(1), (start + last).saturating_sub(1)))
    }

    /// What lanes outside of the band cost in a step, by its lower and by its upper edge: 0 inside, infinitely much outside.
    fn outside(&self, first: usize, step: usize, height: usize) -> Option<(&[T], &[T])> {
        // Lane g is at row first + height - 1 - g and column step - (height - 1) + g, so that column - row grows by two from
        // lane to lane.
        let row = first + 2 * (height - 1);
        let low = row.saturating_sub(step + self.band.below).div_ceil(2).min(height);
        let high = (row + self.band.above + 2).saturating_sub(step) / 2;
        let edges = |from: usize| self.edges.get(from..from + height);
        Some((edges(T::MOST_ROWS - low)?, edges(2 * T::MOST_ROWS - high.min(height))?))
    }
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
