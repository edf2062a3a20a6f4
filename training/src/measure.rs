//! How well a score separates attacks from benign texts.

/// The threshold that at most `rate` of the benign scores reach.
#[must_use]
pub fn threshold(benign: &[f32], rate: f64) -> f32 {
    let mut sorted = benign.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let allowed = (benign.len() as f64 * rate).floor() as usize;
    sorted.get(allowed).map_or(f32::NEG_INFINITY, |score| score.next_up())
}

/// Share of scores at or above a threshold.
#[must_use]
pub fn share(scores: &[f32], threshold: f32) -> f64 {
    scores.iter().filter(|&&score| score >= threshold).count() as f64 / scores.len().max(1) as f64
}

/// Area under the ROC curve, ties counted half.
#[must_use]
pub fn auc(attacks: &[f32], benign: &[f32]) -> f64 {
    let mut all: Vec<(f32, bool)> = attacks
        .iter()
        .map(|&score| (score, true))
        .chain(benign.iter().map(|&score| (score, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut at) = (0.0, 0);
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|entry| entry.0 == all[at].0).count();
        let rank = (at + end + 1) as f64 / 2.0;
        rank_sum += rank * all[at..end].iter().filter(|entry| entry.1).count() as f64;
        at = end;
    }
    let n = attacks.len() as f64;
    (rank_sum - n * (n + 1.0) / 2.0) / (n * benign.len() as f64).max(1.0)
}
