//! The divergence curve, the straight piece of it, and the slope of that piece with its uncertainty.

use std::ops::Range;

use crate::embedding::Embedding;
use crate::embedding::neighbours::SAME;

/// Pieces of the series whose slopes are compared for the confidence interval.
pub(crate) const BLOCKS: usize = 8;
/// Student's t for 97.5 % and one less than the number of blocks, from two blocks on.
const STUDENT: [f64; BLOCKS - 1] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365];
/// A region has at least this many steps of the curve (it is thinned to at most [`KNOTS`]).
const SHORTEST: usize = 4;
const KNOTS: usize = 60;
/// A region ends before the curve has risen by more than this share: then neighbours are as far apart as any two vectors.
const RISEN: f64 = 0.8;
/// As straight as this is straight; among straight regions the longest is taken.
const STRAIGHT: f64 = 0.985;

/// A slope and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The slope: the exponent, per sample (per unit of time in a report with a sampling interval).
    pub value: f64,
    /// Lower end of the 95 % interval: Student's, over the slopes of eight consecutive parts of the series.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How straight the curve is in the region: 1 is a line.
    pub r2: f64,
    /// The steps of the curve that the slope was read from.
    pub region: Range<usize>,
    /// How many pairs of neighbours (vectors with a neighbourhood, for Kantz's method) were followed.
    pub pairs: usize,
}

impl Estimate {
    /// The same per unit of time.
    pub(crate) fn per(self, interval: f64) -> Self {
        let Self { value, low, high, r2, region, pairs } = self;
        Self { value: value / interval, low: low / interval, high: high / interval, r2, region, pairs }
    }
}

/// The mean logarithm of the distance of neighbours at each step, in standard deviations of the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// The curve of each part of the series.
    blocks: Vec<Vec<f64>>,
    mean: Vec<f64>,
    pairs: usize,
}

impl Divergence {
    /// `None` if there is no part, or a part has no distance at some step.
    pub(crate) fn new(blocks: Vec<Vec<f64>>, pairs: usize) -> Option<Self> {
        let blocks: Vec<Vec<f64>> =
            blocks.into_iter().filter(|block| block.iter().all(|value| value.is_finite())).collect();
        let steps = blocks.first()?.len();
        let mean = (0..steps)
            .map(|step| blocks.iter().filter_map(|block| block.get(step)).sum::<f64>() / blocks.len() as f64)
            .collect();
        Some(Self { blocks, mean, pairs })
    }

    /// The curve: natural logarithms, one for each step from 0 on.
    pub fn curve(&self) -> &[f64] {
        &self.mean
    }

    /// How many pairs were followed.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// The slope between two steps of your own choice; `None` if the curve does not have them.
    pub fn slope(&self, region: Range<usize>) -> Option<Estimate> {
        let (value, r2) = line(&self.mean, &region)?;
        let slopes: Vec<f64> =
            self.blocks.iter().filter_map(|block| line(block, &region)).map(|(slope, _)| slope).collect();
        let half = half_width(&slopes);
        Some(Estimate { value, low: value - half, high: value + half, r2, region, pairs: self.pairs })
    }

    /// The slope of the straightest region that is long enough.
    pub(crate) fn estimate(&self, embedding: &Embedding) -> Option<Estimate> {
        self.slope(self.region(embedding)?)
    }

    /// The longest straight region of the rise; if there is none, the straightest.
    fn region(&self, embedding: &Embedding) -> Option<Range<usize>> {
        let steps = self.mean.len();
        // A flow first turns its neighbours into the direction that grows; a map does so in one step or none.
        let first = if embedding.delay > 1 { embedding.delay } else { 0 };
        let start = *self.mean.get(first)?;
        let tail = self.mean.get(steps - steps / 4..).filter(|tail| !tail.is_empty())?;
        let ceiling = tail.iter().sum::<f64>() / tail.len() as f64;
        let limit = start + RISEN * (ceiling - start);
        let end =
            self.mean.iter().skip(first).position(|&value| value > limit).map_or(steps, |at| first + at);
        let stride = (end - first).div_ceil(KNOTS).max(1);
        // The curve of a flow goes up and down with every turn: less than one says nothing.
        let turn = if embedding.delay > 1 { embedding.theiler } else { 0 };
        let shortest = ((SHORTEST - 1) * stride).max(turn);
        let mut best: Option<(Range<usize>, f64)> = None;
        let sums = Sums::new(&self.mean);
        for from in (first..end).step_by(stride) {
            for to in (from + shortest..end).step_by(stride) {
                let region = from..to + 1;
                let Some((slope, r2)) = sums.line(&region) else { continue };
                let better = best.as_ref().is_none_or(|(known, known_r2)| {
                    let (straight, known_straight) = (r2 >= STRAIGHT, *known_r2 >= STRAIGHT);
                    if straight && known_straight { region.len() > known.len() } else { r2 > *known_r2 }
                });
                if slope > 0.0 && better {
                    best = Some((region, r2));
                }
            }
        }
        best.map(|(region, _)| region)
    }
}

/// Slope and r² of a region of a curve.
fn line(curve: &[f64], region: &Range<usize>) -> Option<(f64, f64)> {
    let values = curve.get(region.clone()).filter(|values| values.len() >= 2)?;
    let count = values.len() as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (at as f64 - middle, value - mean);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    Some((xy / xx, if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 }))
}

/// Sums over the first so many values of a curve, by which [`line`] is the same few operations for every region.
struct Sums(Vec<Moments>);

/// Sums of the values, of their squares, and of their products with their places.
#[derive(Clone, Copy, Default)]
struct Moments {
    y: f64,
    yy: f64,
    xy: f64,
}

impl Sums {
    fn new(curve: &[f64]) -> Self {
        // About the mean of all, so that little is lost where sums are subtracted.
        let mean = curve.iter().sum::<f64>() / curve.len().max(1) as f64;
        let mut sum = Moments::default();
        let mut sums = vec![sum];
        sums.extend(curve.iter().zip(0_u32..).map(|(value, at)| {
            let y = value - mean;
            sum = Moments { y: sum.y + y, yy: sum.yy + y * y, xy: sum.xy + f64::from(at) * y };
            sum
        }));
        Self(sums)
    }

    fn line(&self, region: &Range<usize>) -> Option<(f64, f64)> {
        let (from, to) = (self.0.get(region.start)?, self.0.get(region.end)?);
        let count = region.len() as f64;
        if count < 2.0 {
            return None;
        }
        let middle = region.start as f64 + (count - 1.0) / 2.0;
        let y = to.y - from.y;
        let xx = count * (count * count - 1.0) / 12.0;
        let xy = to.xy - from.xy - middle * y;
        let yy = to.yy - from.yy - y * y / count;
        Some((xy / xx, if yy > 0.0 { xy * xy / (xx * yy) } else { 0.0 }))
    }
}

/// Half of the 95 % interval of the mean; infinite for fewer than two.
fn half_width(slopes: &[f64]) -> f64 {
    let count = slopes.len() as f64;
    let Some(student) = slopes.len().checked_sub(2).and_then(|at| STUDENT.get(at)) else {
        return f64::INFINITY;
    };
    let mean = slopes.iter().sum::<f64>() / count;
    let squares: f64 = slopes.iter().map(|slope| (slope - mean) * (slope - mean)).sum();
    student * (squares / (count - 1.0) / count).sqrt()
}

/// The mean logarithm of the distances that are not 0; NaN if all are.
///
/// Sixteen distances, each between 1e-9 and some hundred, are multiplied before a logarithm is taken: logarithms were most
/// of the time.
pub(super) fn mean_logarithm(distances: impl Iterator<Item = f64>) -> f64 {
    let (mut product, mut factors, mut sum, mut count) = (1.0_f64, 0, 0.0, 0_usize);
    for distance in distances.filter(|&distance| distance > SAME) {
        product *= distance;
        factors += 1;
        count += 1;
        if factors == 16 {
            sum += product.ln();
            (product, factors) = (1.0, 0);
        }
    }
    (sum + product.ln()) / count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_say_what_the_values_do(
            values in prop::collection::vec(-12.0..3.0_f64, 2..80),
            from in 0_usize..78,
            len in 2_usize..80,
        ) {
            let region = from..from + len;
            match (Sums::new(&values).line(&region), line(&values, &region)) {
                (Some((slope, r2)), Some((expected, expected_r2))) => {
                    prop_assert!((slope - expected).abs() < 1e-9 && (r2 - expected_r2).abs() < 1e-9);
                }
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
    }

    #[test]
    fn the_mean_logarithm_is_that_of_the_definition() {
        for count in [1, 15, 16, 17, 100] {
            let distances: Vec<f64> = (1..=count).map(|i| 1e-8 * f64::from(i).powi(3)).collect();
            let expected = distances.iter().map(|d| d.ln()).sum::<f64>() / distances.len() as f64;
            let found = mean_logarithm(distances.iter().copied().chain([0.0]));
            assert!((found - expected).abs() < 1e-12, "{count}: {found} instead of {expected}");
        }
        assert!(mean_logarithm([0.0].into_iter()).is_nan());
    }
}
