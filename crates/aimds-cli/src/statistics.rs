//! Rates with their uncertainty, ranking quality, quantiles. Exact; every function says what it does at the edges.

/// Two-sided 95 % of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// The Wilson score interval (95 %) of `hits` out of `n`.
///
/// ```
/// use aimds_cli::statistics::wilson;
/// let (low, high) = wilson(8, 10).unwrap();
/// assert!((low - 0.490_16).abs() < 1e-5 && (high - 0.943_31).abs() < 1e-5);
/// assert_eq!(wilson(0, 0), None);
/// ```
#[must_use]
pub fn wilson(hits: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let (rate, n) = (hits as f64 / n as f64, n as f64);
    let scale = 1.0 + Z95 * Z95 / n;
    let middle = rate + Z95 * Z95 / (2.0 * n);
    let half = Z95 * (rate * (1.0 - rate) / n + Z95 * Z95 / (4.0 * n * n)).sqrt();
    Some((((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)))
}

/// The one-sided Clopper–Pearson upper bound of a rate: the true rate is below it with probability `confidence`,
/// whatever it is. 1 when nothing was observed.
///
/// ```
/// use aimds_cli::statistics::upper_bound;
/// // No event in n trials: 1 - (1 - confidence)^(1/n).
/// assert!((upper_bound(0, 299, 0.95) - (1.0 - 0.05_f64.powf(1.0 / 299.0))).abs() < 1e-9);
/// assert_eq!(upper_bound(5, 5, 0.95), 1.0);
/// ```
#[must_use]
pub fn upper_bound(hits: u64, n: u64, confidence: f64) -> f64 {
    if hits >= n {
        return 1.0;
    }
    let (mut low, mut high) = (hits as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if binomial_cdf(hits, n, middle) > 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// P(X ≤ hits) for X binomial; summed in logarithms so that nothing underflows.
fn binomial_cdf(hits: u64, n: u64, rate: f64) -> f64 {
    if rate <= 0.0 || hits >= n {
        return 1.0;
    }
    if rate >= 1.0 {
        return 0.0;
    }
    let odds = rate.ln() - (-rate).ln_1p();
    let mut term = n as f64 * (-rate).ln_1p();
    let mut sum = term;
    for i in 0..hits {
        term += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
        let (large, small) = if sum > term { (sum, term) } else { (term, sum) };
        sum = large + (small - large).exp().ln_1p();
    }
    sum.exp().min(1.0)
}

/// Area under the ROC curve: the probability that an attack scores above a benign text, ties counting one half. `None`
/// where either side is empty. Exact, in O(n log n).
///
/// ```
/// use aimds_cli::statistics::auc;
/// assert_eq!(auc(&[0.9, 0.5], &[0.5, 0.1]), Some(0.875));
/// ```
#[must_use]
pub fn auc(attacks: &[f32], benign: &[f32]) -> Option<f64> {
    if attacks.is_empty() || benign.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = attacks
        .iter()
        .map(|&score| (score, true))
        .chain(benign.iter().map(|&score| (score, false)))
        .collect();
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut twice_wins, mut benign_below) = (0_u128, 0_u128);
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let attacks = tied.iter().filter(|(_, attack)| *attack).count() as u128;
        let benign = tied.len() as u128 - attacks;
        twice_wins += attacks * (2 * benign_below + benign);
        benign_below += benign;
    }
    Some(twice_wins as f64 / (2.0 * attacks.len() as f64 * benign.len() as f64))
}

/// The lowest threshold at which at most the share `fpr` of the benign scores is at or above it. `None` without benign
/// scores, and where more than that share of them is infinite or has no number above it.
///
/// ```
/// use aimds_cli::statistics::threshold_at;
/// let benign = [0.1, 0.2, 0.3, 0.4];
/// assert_eq!(threshold_at(&benign, 0.25), Some(0.3_f32.next_up()));
/// assert_eq!(threshold_at(&benign, 0.0), Some(0.4_f32.next_up()));
/// ```
#[must_use]
pub fn threshold_at(benign: &[f32], fpr: f64) -> Option<f32> {
    let mut descending = benign.to_vec();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    // One more than allowed must be below. The product is nudged, for 0.01 * 300 is 3 and not 2.9999….
    let allowed = (fpr * benign.len() as f64 * (1.0 + 1e-12)).floor() as usize;
    match descending.get(allowed) {
        Some(score) => Some(score.next_up()).filter(|threshold| threshold.is_finite()),
        None => descending.last().copied(),
    }
}

/// How many scores are at or above the threshold.
#[must_use]
pub fn at_or_above(scores: &[f32], threshold: f32) -> u64 {
    scores.iter().filter(|&&score| score >= threshold).count() as u64
}

/// The smallest value that at least the share `q` of the sorted values does not exceed (nearest rank). 0 without values.
///
/// ```
/// use aimds_cli::statistics::quantile;
/// assert_eq!(quantile(&[1, 2, 3, 4], 0.5), 2);
/// assert_eq!(quantile(&[1, 2, 3, 4], 0.99), 4);
/// ```
#[must_use]
pub fn quantile(sorted: &[u64], q: f64) -> u64 {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).or(sorted.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator, so that the cases are the same every time.
    fn scores(seed: u64, n: usize, distinct: u64) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 33) % distinct) as f32 / distinct as f32
            })
            .collect()
    }

    #[test]
    fn auc_equals_the_count_over_all_pairs() {
        for (seed, distinct) in [(1, 5), (2, 1000), (3, 1)] {
            let (attacks, benign) = (scores(seed, 83, distinct), scores(seed + 77, 61, distinct));
            let mut wins = 0.0;
            for a in &attacks {
                for b in &benign {
                    wins += if a > b {
                        1.0
                    } else if a == b {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
            assert!((auc(&attacks, &benign).unwrap() - wins / (83.0 * 61.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn no_lower_threshold_would_do() {
        for distinct in [3, 50, 100_000] {
            let benign = scores(9, 200, distinct);
            for fpr in [0.0, 0.001, 0.01, 0.05, 0.5] {
                let threshold = threshold_at(&benign, fpr).unwrap();
                assert!(at_or_above(&benign, threshold) as f64 <= fpr * 200.0);
                assert!(at_or_above(&benign, threshold.next_down()) as f64 > fpr * 200.0);
            }
        }
        assert_eq!(threshold_at(&[0.2, 0.4], 1.0), Some(0.2));
        assert_eq!(threshold_at(&[], 0.1), None);
    }

    #[test]
    fn the_wilson_interval_solves_its_equation() {
        for (hits, n) in [(0, 7), (3, 7), (7, 7), (1, 1000)] {
            let (low, high) = wilson(hits, n).unwrap();
            let rate = hits as f64 / n as f64;
            for bound in [low, high] {
                // At the bound the observation is exactly z standard errors away; 0 and 1 are where it is cut.
                let distance = (rate - bound).powi(2) - Z95 * Z95 * bound * (1.0 - bound) / n as f64;
                assert!(distance.abs() < 1e-12, "{hits}/{n}: {bound}");
            }
        }
    }

    #[test]
    fn at_the_upper_bound_so_few_events_are_just_too_unlikely() {
        for (hits, n) in [(0, 10), (2, 500), (37, 4000)] {
            let bound = upper_bound(hits, n, 0.95);
            // Summed plainly from binomial coefficients.
            let mut choose = 1.0;
            let mut sum = 0.0;
            for i in 0..=hits {
                sum += choose * bound.powi(i as i32) * (1.0 - bound).powi((n - i) as i32);
                choose *= (n - i) as f64 / (i + 1) as f64;
            }
            assert!((sum - 0.05).abs() < 1e-6, "{hits}/{n}: {sum}");
        }
        assert_eq!(upper_bound(0, 0, 0.95), 1.0);
    }
}
