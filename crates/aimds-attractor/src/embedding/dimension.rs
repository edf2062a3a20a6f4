//! How many coordinates a state needs: Cao's method and false nearest neighbours, from one search per dimension.

use super::neighbours::{Neighbours, SAME, Search};
use super::{MAX_DIMENSION, vectors};

/// Vectors whose neighbours are looked at: a mean and a share need no more.
const REFERENCES: usize = 200;
/// A neighbour is false if the next coordinate is this many times farther away (Kennel, Brown and Abarbanel, 1992) …
const APART: f64 = 10.0;
/// … or farther than this many standard deviations.
const FAR: f64 = 2.0;
/// E1 is near enough to 1 from here on …
const SATURATED: f64 = 0.9;
/// … if fewer neighbours than this are false.
const FALSE_LEFT: f64 = 0.05;
/// The largest dimension that [`saturation`] chooses: more needs more points than there are.
const MOST: usize = 5;

/// What one dimension looks like beside the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CaoStep {
    /// The dimension.
    pub dimension: usize,
    /// How much neighbours move apart in the next dimension against how much they do in the one after it: near 1 from
    /// the dimension on that is enough.
    pub e1: f64,
    /// The same for the next coordinate alone: near 1 everywhere for noise.
    pub e2: f64,
    /// The share of neighbours that are false, from 0 to 1.
    pub false_neighbours: f64,
}

/// What the neighbours of one dimension do in the next.
struct Growth {
    /// Mean ratio of the distances in the next dimension and in this.
    ratio: f64,
    /// Mean difference of the next coordinate.
    next: f64,
    false_neighbours: f64,
}

/// Cao's E1 and E2 and the share of false neighbours for the dimensions from 1 to `most` (at most 9).
///
/// L. Cao, *Practical method for determining the minimum embedding dimension of a scalar time series*, 1997; Kennel, Brown
/// and Abarbanel, *Determining embedding dimension for phase-space reconstruction using a geometrical construction*, 1992
/// (with limits 10 and 2). At most 200 vectors are looked at, against all others. Ends early where the series is too short.
/// NaN is not looked for: the distances to it are infinite.
///
/// ```
/// let mut x = 0.3;
/// let series: Vec<f64> = (0..1000).map(|_| { x = 4.0 * x * (1.0 - x); x }).collect();
/// let steps = aimds_attractor::cao(&series, 1, 10, 4);
/// assert!(steps[0].false_neighbours < 0.05 && steps[1].e1 > 0.9);
/// ```
pub fn cao(series: &[f64], delay: usize, theiler: usize, most: usize) -> Vec<CaoStep> {
    let mut steps = Vec::new();
    let Some(mut current) = growth(series, delay.max(1), theiler, 1) else {
        return steps;
    };
    for dimension in 1..=most.min(MAX_DIMENSION - 1) {
        let Some(next) = growth(series, delay.max(1), theiler, dimension + 1) else { break };
        steps.push(step(dimension, &current, &next));
        current = next;
    }
    steps
}

/// The first dimension that is enough by both measures; the largest that was looked at if none is.
pub(crate) fn saturation(standard: &[f64], delay: usize, theiler: usize) -> usize {
    let Some(mut current) = growth(standard, delay, theiler, 1) else {
        return 2;
    };
    for dimension in 1..=MOST {
        let Some(next) = growth(standard, delay, theiler, dimension + 1) else {
            return dimension.max(2);
        };
        let step = step(dimension, &current, &next);
        if step.e1 >= SATURATED && step.false_neighbours <= FALSE_LEFT {
            return dimension.max(2);
        }
        current = next;
    }
    MOST
}

fn step(dimension: usize, current: &Growth, next: &Growth) -> CaoStep {
    CaoStep {
        dimension,
        e1: next.ratio / current.ratio,
        e2: next.next / current.next,
        false_neighbours: current.false_neighbours,
    }
}

/// `None` if no vector has a neighbour.
fn growth(series: &[f64], delay: usize, theiler: usize, dimension: usize) -> Option<Growth> {
    // The next coordinate must exist.
    let usable = vectors(series.len(), delay, dimension + 1);
    let stride = usable.div_ceil(REFERENCES).max(1);
    let search = Search { delay, dimension, usable, theiler, farther_than: SAME };
    let pairs = Neighbours::new(series, search).nearest(stride);
    if pairs.is_empty() {
        return None;
    }
    let (mut ratio, mut next, mut wrong) = (0.0, 0.0, 0_usize);
    for pair in &pairs {
        let coordinate = |index: usize| series.get(index + dimension * delay).copied().unwrap_or(0.0);
        let apart = (coordinate(pair.from) - coordinate(pair.to)).abs();
        ratio += apart.max(pair.distance) / pair.distance;
        next += apart;
        wrong += usize::from(apart > APART * pair.distance || apart > FAR);
    }
    let count = pairs.len() as f64;
    Some(Growth { ratio: ratio / count, next: next / count, false_neighbours: wrong as f64 / count })
}
