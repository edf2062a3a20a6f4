//! The windows of a text: a planted order is a sentence or two of a page, and the page around it is like any other.

use crate::ftrl::Weights;

/// Indices of half a window; each window overlaps the next by this many. With four n-grams a word, a window is 24 words.
const HALF: usize = 48;
/// Places where an index was last seen: many more than a window has indices, so that few repeats are missed.
const PLACES: usize = 4096;

/// The highest log-odds of a window, and where its indices are. An index that recurs in a window counts once. O(n), without
/// allocation. Log-odds of 0 for a text without indices.
pub(crate) fn highest(weights: &Weights, words: &[u32]) -> (f64, usize) {
    // The index that was seen last at each place, and one more than its block.
    let mut places = [(0_u32, 0_usize); PLACES];
    // Of the block before: its sum and its number of indices.
    let mut before: Option<(f64, usize)> = None;
    let mut best: Option<(f64, usize)> = None;
    for (block, indices) in words.chunks(HALF).enumerate() {
        // Without repeats in the block itself, and without those of the block before either.
        let (mut sum, mut count, mut added, mut more) = (0.0, 0, 0.0, 0);
        for &index in indices {
            let place = places.get_mut((index.wrapping_mul(0x9e37_79b1) >> 20) as usize);
            let last = match place {
                Some(place) => {
                    let last = if place.0 == index { place.1 } else { 0 };
                    *place = (index, block + 1);
                    last
                }
                None => 0,
            };
            if last == block + 1 {
                continue;
            }
            let weight = weights.of(index);
            sum += weight;
            count += 1;
            if last == 0 || last < block {
                added += weight;
                more += 1;
            }
        }
        if let Some((sum, count)) = before {
            let odds = (sum + added) / ((count + more).max(1) as f64).sqrt();
            if best.is_none_or(|(highest, _)| odds > highest) {
                best = Some((odds, block - 1));
            }
        }
        before = Some((sum, count));
    }
    let only = before.map(|(sum, count)| (sum / (count.max(1) as f64).sqrt(), 0));
    let (odds, block) = best.or(only).unwrap_or((0.0, 0));
    (odds, block * HALF)
}

/// The label of a text goes to its highest window (multiple-instance learning: Andrews and others, *Support vector machines for
/// multiple-instance learning*, 2003): of an attack it is the likeliest place of the order, of a benign text the nearest to
/// a false alarm.
pub(crate) fn learn(weights: &mut Weights, words: &[u32], attack: bool, weight: f64) {
    let (_, start) = highest(weights, words);
    let end = words.len().min(start + 2 * HALF);
    let window = words.get(start..end).unwrap_or_default();
    let mut distinct = [0_u32; 2 * HALF];
    let mut count = 0;
    for &index in window {
        let seen = distinct.get(..count).is_some_and(|seen| seen.contains(&index));
        if let (false, Some(free)) = (seen, distinct.get_mut(count)) {
            *free = index;
            count += 1;
        }
    }
    if let Some(distinct) = distinct.get(..count).filter(|distinct| !distinct.is_empty()) {
        weights.learn(distinct, 0.0, attack, weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights() -> Weights {
        Weights { bits: 12, alpha: 10.0, beta: 1.0, l1: 0.0, l2: 0.0, states: vec![(0.0, 0.0); 1 << 12] }
    }

    /// Distinct in their slots: checked below.
    fn page(seed: u32, length: usize) -> Vec<u32> {
        (0..length as u32).map(|i| (seed * 7919 + i * 31) % 900 + 10_000).collect()
    }

    #[test]
    fn an_order_is_found_wherever_it_stands_in_a_page() {
        let mut weights = weights();
        let order: Vec<u32> = (1..=40).collect();
        let planted = |seed: u32, at: usize| {
            let mut page = page(seed, 1000);
            page.splice(at..at, order.iter().copied());
            page
        };
        for seed in 0..60 {
            learn(&mut weights, &planted(seed, (seed as usize * 37) % 900), true, 1.0);
            learn(&mut weights, &page(seed + 100, 1000), false, 1.0);
        }
        for at in [0, 47, 500, 960] {
            let (odds, start) = highest(&weights, &planted(777, at));
            let (benign, _) = highest(&weights, &page(777, 1000));
            assert!(odds > benign + 2.0, "{at}: {odds} {benign}");
            assert!(start < at + 40 && at < start + 2 * HALF, "{at}: {start}");
        }
    }

    #[test]
    fn a_window_is_the_same_sum_however_it_is_come_by() {
        let mut weights = weights();
        for (at, state) in weights.states.iter_mut().enumerate() {
            *state = (((at * 37) % 101) as f32 - 50.0, 1.0);
        }
        for length in [0, 1, 47, 48, 49, 96, 97, 500] {
            // Repeats within a block, within a window, and further apart.
            let words: Vec<u32> = (0..length as u32).map(|i| (i * i) % 83).collect();
            let slow = (0..words.len().div_ceil(HALF).saturating_sub(1).max(1)).map(|block| {
                let mut window: Vec<u32> = words.iter().skip(block * HALF).take(2 * HALF).copied().collect();
                window.sort_unstable();
                window.dedup();
                weights.logit(&window)
            });
            let slow = slow.fold(f64::NEG_INFINITY, f64::max);
            let (fast, _) = highest(&weights, &words);
            assert!((fast - slow).abs() < 1e-9, "{length}: {fast} {slow}");
        }
    }
}
