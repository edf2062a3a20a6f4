//! Recurrence quantification: how often a state comes back, and whether it then goes the same way again.
//!
//! Marwan, Romano, Thiel and Kurths, *Recurrence plots for the analysis of complex systems*, 2007.

use crate::embedding::{Embedding, vectors};
use crate::error::{Error, finite, setting};
use crate::standard::standardise;

/// Vectors compared at most, the last ones: all pairs are looked at.
pub const MAX_RECURRENCE: usize = 500;
/// A line has at least this many points.
const LINE: usize = 2;
const WORD: usize = u64::BITS as usize;

/// What a recurrence plot shows, in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recurrence {
    /// Recurrence rate: the share of pairs of states that are near each other.
    pub rate: f64,
    /// Determinism: the share of recurrent points on diagonal lines of two or more.
    pub determinism: f64,
    /// Mean length of those diagonals; 0 if there is none.
    pub mean_diagonal: f64,
    /// The longest diagonal.
    pub longest_diagonal: usize,
    /// Entropy of the lengths of the diagonals, in nats.
    pub diagonal_entropy: f64,
    /// Laminarity: the share of recurrent points on vertical lines of two or more.
    pub laminarity: f64,
    /// Trapping time: mean length of those verticals; 0 if there is none.
    pub trapping_time: f64,
}

/// Quantifies the recurrences of the last 500 delay vectors.
///
/// Two vectors are near each other if no coordinate differs by more than `radius` standard deviations of the series. Pairs
/// at most `embedding.theiler` samples apart are left out, and lines end there. `None` for a constant series and one with
/// fewer than two vectors. O(n²), so 500 at most.
///
/// # Errors
///
/// [`Error::NonFinite`], and [`Error::Setting`] if the radius is not above 0.
///
/// ```
/// use aimds_attractor::{Embedding, recurrence};
///
/// let sine: Vec<f64> = (0..500).map(|i| (f64::from(i) * 0.25).sin()).collect();
/// let found = recurrence(&sine, &Embedding::new(6, 2, 12)?, 0.2)?.unwrap();
/// assert!(found.determinism > 0.95);
/// # Ok::<(), aimds_attractor::Error>(())
/// ```
pub fn recurrence(series: &[f64], embedding: &Embedding, radius: f64) -> Result<Option<Recurrence>, Error> {
    finite(series)?;
    setting("radius", radius, "above 0", radius > 0.0)?;
    Ok(standardise(series).and_then(|standard| quantify(&standard, embedding, radius)))
}

pub(crate) fn quantify(standard: &[f64], embedding: &Embedding, radius: f64) -> Option<Recurrence> {
    let count = vectors(standard.len(), embedding.delay, embedding.dimension).min(MAX_RECURRENCE);
    let series = standard.get(standard.len().checked_sub(count + embedding.span())?..)?;
    let first = embedding.theiler + 1;
    if count <= first {
        return None;
    }
    let (mut columns, mut of_lag) = (vec![NONE; count], vec![NONE; count]);
    near(series, embedding, radius, count, |from, to| {
        mark(&mut columns, from, to);
        mark(&mut columns, to, from);
        mark(&mut of_lag, to - from, from);
    });
    let (mut diagonals, mut verticals) = (Lengths::new(count), Lengths::new(count));
    columns.iter().for_each(|column| verticals.count(column));
    of_lag.iter().for_each(|diagonal| diagonals.count(diagonal));
    let pairs = (count - first) as f64 * (count - first + 1) as f64 / 2.0;
    Some(Recurrence {
        rate: diagonals.points() as f64 / pairs,
        determinism: diagonals.share(),
        mean_diagonal: diagonals.mean(),
        longest_diagonal: diagonals.longest(),
        diagonal_entropy: diagonals.entropy(),
        laminarity: verticals.share(),
        trapping_time: verticals.mean(),
    })
}

/// Points of one line of the plot, each a bit.
type Marks = [u64; MAX_RECURRENCE.div_ceil(WORD)];

const NONE: Marks = [0; MAX_RECURRENCE.div_ceil(WORD)];

fn mark(lines: &mut [Marks], line: usize, point: usize) {
    if let Some(word) = lines.get_mut(line).and_then(|line| line.get_mut(point / WORD)) {
        *word |= 1 << (point % WORD);
    }
}

/// Calls `found` with each pair of vectors that are near each other and not in time, the earlier first. In the order of their
/// first coordinates most pairs are not even looked at.
fn near(
    series: &[f64],
    embedding: &Embedding,
    radius: f64,
    count: usize,
    mut found: impl FnMut(usize, usize),
) {
    let mut order: Vec<(f64, usize)> = series.iter().copied().zip(0..count).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let value = |index: usize, coordinate: usize| {
        series.get(index + coordinate * embedding.delay).copied().unwrap_or(f64::INFINITY)
    };
    let mut rest = order.as_slice();
    while let Some((&(first, one), after)) = rest.split_first() {
        for &(_, other) in after.iter().take_while(|(value, _)| value - first <= radius) {
            let (from, to) = (one.min(other), one.max(other));
            if to - from > embedding.theiler
                && (1..embedding.dimension).all(|at| (value(from, at) - value(to, at)).abs() <= radius)
            {
                found(from, to);
            }
        }
        rest = after;
    }
}

/// How many lines there are of each length.
struct Lengths(Vec<usize>);

impl Lengths {
    fn new(longest: usize) -> Self {
        Self(vec![0; longest + 1])
    }

    /// Counts the lines among marked points.
    fn count(&mut self, marks: &Marks) {
        let mut run = 0;
        for &word in marks {
            let (mut word, mut left) = (word, WORD);
            while left > 0 {
                let zeros = (word.trailing_zeros() as usize).min(left);
                if zeros > 0 {
                    self.end(&mut run);
                }
                word = word.checked_shr(zeros as u32).unwrap_or(0);
                let ones = (word.trailing_ones() as usize).min(left - zeros);
                run += ones;
                word = word.checked_shr(ones as u32).unwrap_or(0);
                left -= zeros + ones;
            }
        }
        self.end(&mut run);
    }

    fn end(&mut self, run: &mut usize) {
        if let Some(count) = self.0.get_mut(*run).filter(|_| *run > 0) {
            *count += 1;
        }
        *run = 0;
    }

    fn lines(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.iter().copied().enumerate().skip(LINE)
    }

    fn points(&self) -> usize {
        self.0.iter().enumerate().map(|(length, count)| length * count).sum()
    }

    fn on_lines(&self) -> usize {
        self.lines().map(|(length, count)| length * count).sum()
    }

    fn share(&self) -> f64 {
        self.on_lines() as f64 / self.points().max(1) as f64
    }

    fn mean(&self) -> f64 {
        self.on_lines() as f64 / self.lines().map(|(_, count)| count).sum::<usize>().max(1) as f64
    }

    fn longest(&self) -> usize {
        self.lines().filter(|&(_, count)| count > 0).map(|(length, _)| length).last().unwrap_or(0)
    }

    fn entropy(&self) -> f64 {
        let total = self.lines().map(|(_, count)| count).sum::<usize>() as f64;
        let shares = self.lines().filter(|&(_, count)| count > 0).map(|(_, count)| count as f64 / total);
        -shares.map(|share| share * share.ln()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plot point by point.
    fn plot(series: &[f64], embedding: &Embedding, radius: f64, count: usize) -> Vec<Vec<bool>> {
        let series = &series[series.len() - count - embedding.span()..];
        let near = |i: usize, j: usize| {
            i.abs_diff(j) > embedding.theiler
                && (0..embedding.dimension).all(|d| {
                    (series[i + d * embedding.delay] - series[j + d * embedding.delay]).abs() <= radius
                })
        };
        (0..count).map(|i| (0..count).map(|j| near(i, j)).collect()).collect()
    }

    fn runs(points: impl Iterator<Item = bool>) -> Vec<usize> {
        let points: Vec<bool> = points.collect();
        points.split(|near| !near).map(<[bool]>::len).filter(|len| *len > 0).collect()
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_plot(
            series in prop::collection::vec(prop_oneof![-1.0..1.0, (0_i32..3).prop_map(f64::from)], 20..220),
            dimension in 1_usize..4,
            delay in 1_usize..4,
            theiler in 0_usize..12,
            radius in 0.05..1.5_f64,
        ) {
            let embedding = Embedding::new(delay, dimension, theiler).unwrap();
            let count = vectors(series.len(), delay, dimension);
            let found = quantify(&series, &embedding, radius);
            prop_assert_eq!(found.is_none(), count <= theiler + 1);
            let Some(found) = found else { return Ok(()) };
            let plot = plot(&series, &embedding, radius, count);
            let diagonals: Vec<usize> =
                (1..count).flat_map(|lag| runs((0..count - lag).map(|i| plot[i][i + lag]))).collect();
            let verticals: Vec<usize> = plot.iter().flat_map(|row| runs(row.iter().copied())).collect();
            let sum = |lengths: &[usize], least: usize| lengths.iter().filter(|len| **len >= least).sum::<usize>() as f64;
            let lines = |lengths: &[usize]| lengths.iter().filter(|len| **len >= LINE).count().max(1) as f64;
            let pairs = (theiler + 1..count).map(|lag| count - lag).sum::<usize>() as f64;
            prop_assert_eq!(found.rate, sum(&diagonals, 1) / pairs);
            prop_assert_eq!(found.determinism, sum(&diagonals, LINE) / sum(&diagonals, 1).max(1.0));
            prop_assert_eq!(found.mean_diagonal, sum(&diagonals, LINE) / lines(&diagonals));
            let longest = diagonals.iter().copied().filter(|len| *len >= LINE).max().unwrap_or(0);
            prop_assert_eq!(found.longest_diagonal, longest);
            prop_assert_eq!(found.laminarity, sum(&verticals, LINE) / sum(&verticals, 1).max(1.0));
            prop_assert_eq!(found.trapping_time, sum(&verticals, LINE) / lines(&verticals));
        }
    }
}
