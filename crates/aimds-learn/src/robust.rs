//! Means that a few wrong values cannot move far.

use crate::Random;

/// The median of the means of `blocks` random blocks: with less than half of the blocks holding a wrong value it stays
/// within what the right ones say. O(n). `None` without values or with a value that is not finite.
///
/// Nemirovski and Yudin, *Problem complexity and method efficiency in optimization*, 1983; Lugosi and Mendelson, *Mean
/// estimation and regression under heavy-tailed distributions*, 2019.
///
/// ```
/// use aimds_learn::{Random, median_of_means};
/// let mut values = vec![1.0; 100];
/// values[7] = 1e9;
/// assert_eq!(median_of_means(&values, 11, &mut Random::new(0)), Some(1.0));
/// ```
#[must_use]
pub fn median_of_means(values: &[f64], blocks: usize, random: &mut Random) -> Option<f64> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut order: Vec<f64> = values.to_vec();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last + 1));
    }
    let blocks = blocks.clamp(1, order.len());
    let mut means: Vec<f64> = (0..blocks)
        .map(|block| {
            let members = order.iter().skip(block).step_by(blocks);
            let (sum, count) = members.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            sum / count
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let upper = means.get(means.len() / 2)?;
    let lower = means.get((means.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// The value that a share of the magnitudes does not pass; infinite for a share of 1.
pub(crate) fn magnitude_at(values: &[f64], share: f64) -> f64 {
    let mut magnitudes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    magnitudes.sort_unstable_by(f64::total_cmp);
    let kept = (share * magnitudes.len() as f64).ceil() as usize;
    if kept >= magnitudes.len() {
        return f64::INFINITY;
    }
    magnitudes.get(kept.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}
