//! The threshold of a score under a budget of false alarms, from benign scores that reviewers confirmed.
//!
//! Vovk, Gammerman and Shafer, *Algorithmic learning in a random world*, 2005: with n exchangeable benign scores, a new
//! one passes the ⌈(n + 1)(1 − α)⌉-th smallest with a probability of at most α. That is the mean over all samples; for the sample at
//! hand, Vovk, *Conditional validity of inductive conformal predictors*, 2012: the rate behind the k-th smallest has a
//! Beta(n + 1 − k, k) distribution, which says how far k must move so that the budget holds with a given confidence.

use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};

/// A threshold and what it rests on: scores **above** it are alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The score; infinite where the scores are too few for the budget: then nothing may be an alarm.
    pub score: f64,
    /// Benign scores it rests on.
    pub benign: usize,
    /// Share of those that are above it.
    pub observed_rate: f64,
}

/// The smallest threshold whose rate of false alarms is at most `budget` with the given `confidence` (0 for the mean over
/// samples). O(n log n).
///
/// # Errors
/// [`Error::Setting`] for a budget or confidence that is no share, [`Error::NonFinite`] with the place of the score.
///
/// ```
/// let benign: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
/// let mean = aimds_learn::threshold(&benign, 0.01, 0.0)?;
/// let sure = aimds_learn::threshold(&benign, 0.01, 0.95)?;
/// assert_eq!((mean.score, sure.score), (0.990, 0.995));
/// # Ok::<(), aimds_learn::Error>(())
/// ```
pub fn threshold(benign: &[f64], budget: f64, confidence: f64) -> Result<Threshold, Error> {
    setting("budget", budget, "above 0 and below 1", budget > 0.0 && budget < 1.0)?;
    setting("confidence", confidence, "at least 0 and below 1", (0.0..1.0).contains(&confidence))?;
    if let Some(index) = benign.iter().position(|score| !score.is_finite()) {
        return Err(Error::NonFinite { what: "score", index });
    }
    let mut sorted = benign.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = rank(sorted.len(), budget, confidence);
    let score = rank.checked_sub(1).and_then(|at| sorted.get(at)).copied().unwrap_or(f64::INFINITY);
    let above = sorted.len() - sorted.partition_point(|other| *other <= score);
    let observed_rate = if sorted.is_empty() { 0.0 } else { above as f64 / sorted.len() as f64 };
    Ok(Threshold { score, benign: sorted.len(), observed_rate })
}

/// The smallest threshold of a second score that leaves the alarms of either score within the budget, where the first has its
/// threshold already: for each benign text both scores. `None` where they are too few. O(n log n).
pub(crate) fn second_threshold(
    benign: &[(f64, f64)],
    first: f64,
    budget: f64,
    confidence: f64,
) -> Result<Option<f64>, Error> {
    let of_second: Vec<f64> = benign.iter().map(|(_, second)| *second).collect();
    // Checks what was given, and whether there are enough of them.
    if !threshold(&of_second, budget, confidence)?.score.is_finite() {
        return Ok(None);
    }
    let permitted = benign.len().saturating_sub(rank(benign.len(), budget, confidence));
    let mut left: Vec<f64> =
        benign.iter().filter(|(score, _)| *score <= first).map(|(_, second)| *second).collect();
    let taken = benign.len() - left.len();
    left.sort_unstable_by(|a, b| b.total_cmp(a));
    // Above the threshold are as many as the first score has left, at least none.
    Ok(left.get(permitted.saturating_sub(taken)).copied())
}

fn rank(n: usize, budget: f64, confidence: f64) -> usize {
    if confidence > 0.0 {
        rank_with_confidence(n, budget, confidence)
    } else {
        ((n + 1) as f64 * (1.0 - budget)).ceil() as usize
    }
}

/// The smallest rank k with P(Binomial(n, budget) ≤ n − k) ≤ 1 − confidence; beyond n where there is none.
fn rank_with_confidence(n: usize, budget: f64, confidence: f64) -> usize {
    let (log_hit, log_miss) = (budget.ln(), (-budget).ln_1p());
    let mut log_chance = n as f64 * log_miss;
    let mut below = 0.0;
    // Allowing `above` scores over the threshold, as many as the confidence bears.
    for above in 0..=n {
        below += log_chance.exp();
        if below > 1.0 - confidence {
            return n + 1 - above;
        }
        log_chance += ((n - above) as f64 / (above + 1) as f64).ln() + log_hit - log_miss;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn too_few_scores_give_no_threshold() {
        let check = |n: usize, budget, confidence, expected: bool| {
            let scores: Vec<f64> = (0..n).map(|i| i as f64).collect();
            let found = threshold(&scores, budget, confidence).unwrap();
            assert_eq!(found.score.is_finite(), expected, "{n} {budget} {confidence}");
        };
        check(0, 0.5, 0.0, false);
        check(98, 0.01, 0.0, false);
        check(99, 0.01, 0.0, true);
        // 0.99^n ≤ 0.05 from 299 on.
        check(298, 0.01, 0.95, false);
        check(299, 0.01, 0.95, true);
        assert!(threshold(&[1.0, f64::NAN], 0.1, 0.0).is_err());
        assert!(threshold(&[1.0], 0.0, 0.0).is_err());
    }

    #[test]
    fn the_budget_holds_as_often_as_was_said() {
        let mut random = Random::new(11);
        let (mut mean, mut broken) = (0.0, 0);
        let runs = 600;
        for _ in 0..runs {
            // Even on [0, 1]: the true rate above a threshold t is 1 − t.
            let scores: Vec<f64> = (0..400).map(|_| random.unit()).collect();
            mean += (1.0 - threshold(&scores, 0.05, 0.0).unwrap().score) / f64::from(runs);
            broken += u32::from(1.0 - threshold(&scores, 0.05, 0.9).unwrap().score > 0.05);
        }
        assert!(mean <= 0.0515, "{mean}");
        // A tenth, give or take three standard deviations.
        assert!((23..=97).contains(&broken), "{broken}");
    }
    #[test]
    fn a_second_score_gets_what_the_first_has_left() {
        // 1,000 texts: the first score alarms at `taken` of them, the second falls from text to text.
        let both = |taken: usize| -> Vec<(f64, f64)> {
            (0..1000).map(|i| (if i < taken { 1.0 } else { 0.0 }, -(i as f64))).collect()
        };
        let permitted = 1000 - rank(1000, 0.01, 0.0);
        assert_eq!(permitted, 9);
        for taken in [0, 4, 9, 20] {
            let texts = both(taken);
            let found = second_threshold(&texts, 0.5, 0.01, 0.0).unwrap().unwrap();
            let alarms = texts.iter().filter(|(first, second)| *first > 0.5 || *second > found).count();
            assert_eq!(alarms, taken.max(permitted), "{taken}");
        }
        assert_eq!(second_threshold(&both(0)[..50], 0.5, 0.01, 0.9).unwrap(), None);
        assert!(second_threshold(&[(0.0, f64::NAN)], 0.5, 0.01, 0.9).is_err());
    }
}
