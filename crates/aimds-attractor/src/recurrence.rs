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
    let mut diagonals = Lengths::new(count);
    let mut verticals = Lengths::new(count);
    // The part of each column above the diagonal, and its mirror image: the lines of a column below it.
    let mut above = vec![0_u16; count];
    let mut below = vec![0_u16; count];
    let mut near = vec![false; count];
    for lag in first..count {
        let on_diagonal = near.get_mut(..count - lag).unwrap_or_default();
        mark(series, embedding, radius, lag, on_diagonal);
        let mut run = 0;
        for (&near, (above, below)) in
            on_diagonal.iter().zip(above.iter_mut().zip(below.get_mut(lag..).unwrap_or_default()))
        {
            if near {
                run += 1;
                *above += 1;
                *below += 1;
            } else if run | usize::from(*above) | usize::from(*below) != 0 {
                diagonals.end(&mut run);
                verticals.end_short(above);
                verticals.end_short(below);
            }
        }
        diagonals.end(&mut run);
        // The column whose part above the diagonal ends with this one.
        if let Some(last) = above.get_mut(count - lag - 1..count - lag).and_then(<[u16]>::first_mut) {
            verticals.end_short(last);
        }
    }
    for open in above.iter_mut().chain(&mut below) {
        verticals.end_short(open);
    }
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

/// Which vectors are near the one `lag` later.
fn mark(series: &[f64], embedding: &Embedding, radius: f64, lag: usize, near: &mut [bool]) {
    near.fill(true);
    for coordinate in 0..embedding.dimension {
        let values = series.get(coordinate * embedding.delay..).unwrap_or_default();
        let later = values.get(lag..).unwrap_or_default();
        for (near, (a, b)) in near.iter_mut().zip(values.iter().zip(later)) {
            *near &= (a - b).abs() <= radius;
        }
    }
}

/// How many lines there are of each length.
struct Lengths(Vec<usize>);

impl Lengths {
    fn new(longest: usize) -> Self {
        Self(vec![0; longest + 1])
    }

    fn end(&mut self, run: &mut usize) {
        if let Some(count) = self.0.get_mut(*run).filter(|_| *run > 0) {
            *count += 1;
        }
        *run = 0;
    }

    fn end_short(&mut self, run: &mut u16) {
        let mut long = usize::from(*run);
        self.end(&mut long);
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
