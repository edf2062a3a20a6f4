//! The parts of an analysis against naive computations of the same, and their errors.

use std::collections::HashMap;

use aimds_attractor::systems::*;
use aimds_attractor::{
    Embedding, Error, MAX_DIMENSION, cao, first_minimum, iaaft, kantz, kantz_divergence, mutual_information,
    permutation_entropy, recurrence, rosenstein, rosenstein_divergence, surrogate_test, zero_one,
};
use proptest::prelude::*;

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![-1.0..1.0, (0_i32..4).prop_map(f64::from)], 20..120)
}

/// Counts the orders as lists of places.
fn naive_entropy(series: &[f64], order: usize, delay: usize) -> f64 {
    let mut counts: HashMap<Vec<usize>, f64> = HashMap::new();
    let patterns = series.len() - (order - 1) * delay;
    for start in 0..patterns {
        let mut places: Vec<usize> = (0..order).collect();
        places.sort_by(|&a, &b| series[start + a * delay].total_cmp(&series[start + b * delay]));
        *counts.entry(places).or_default() += 1.0;
    }
    let most: f64 = (2..=order).map(|n| (n as f64).log2()).sum();
    counts.values().map(|count| count / patterns as f64).map(|p| -p * p.log2()).sum::<f64>() / most
}

struct Lines {
    points: usize,
    lengths: Vec<usize>,
}

impl Lines {
    /// Runs of marks in each of some rows.
    fn of(rows: Vec<Vec<bool>>) -> Self {
        let mut lengths = Vec::new();
        for row in rows {
            lengths.extend(row.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len));
        }
        let points = lengths.iter().sum();
        lengths.retain(|&length| length >= 2);
        Self { points, lengths }
    }

    fn share(&self) -> f64 {
        self.lengths.iter().sum::<usize>() as f64 / self.points.max(1) as f64
    }

    fn mean(&self) -> f64 {
        self.lengths.iter().sum::<usize>() as f64 / self.lengths.len().max(1) as f64
    }
}

proptest! {
    #[test]
    fn permutation_entropy_counts_the_orders(series in values(), order in 2_usize..8, delay in 1_usize..3) {
        let found = permutation_entropy(&series, order, delay).unwrap().unwrap();
        prop_assert!((found - naive_entropy(&series, order, delay).clamp(0.0, 1.0)).abs() < 1e-12);
    }

    #[test]
    fn recurrence_counts_the_lines_of_the_whole_matrix(
        series in values(),
        delay in 1_usize..3,
        dimension in 1_usize..4,
        theiler in 0_usize..6,
        radius in 0.05..1.0_f64,
    ) {
        let embedding = Embedding::new(delay, dimension, theiler).unwrap();
        let found = recurrence(&series, &embedding, radius).unwrap();
        let count = series.len() - (dimension - 1) * delay;
        let mean = series.iter().sum::<f64>() / series.len() as f64;
        let deviation = (series.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / series.len() as f64).sqrt();
        prop_assume!(deviation > 0.0);
        let near = |i: usize, j: usize| {
            i.abs_diff(j) > theiler
                && (0..dimension).all(|d| (series[i + d * delay] - series[j + d * delay]).abs() / deviation <= radius)
        };
        let diagonals = Lines::of((theiler + 1..count).map(|lag| (0..count - lag).map(|i| near(i, i + lag)).collect()).collect());
        let verticals = Lines::of((0..count).map(|i| (0..count).map(|j| near(i, j)).collect()).collect());
        let pairs = (0..count).flat_map(|i| (0..i).map(move |j| i - j)).filter(|&gap| gap > theiler).count();
        let found = found.unwrap();
        prop_assert!((found.rate - diagonals.points as f64 / pairs as f64).abs() < 1e-12);
        prop_assert!((found.determinism - diagonals.share()).abs() < 1e-12);
        prop_assert!((found.mean_diagonal - diagonals.mean()).abs() < 1e-12);
        prop_assert_eq!(found.longest_diagonal, diagonals.lengths.iter().copied().max().unwrap_or(0));
        prop_assert!((found.laminarity - verticals.share()).abs() < 1e-12);
        prop_assert!((found.trapping_time - verticals.mean()).abs() < 1e-12);
    }

    #[test]
    fn surrogates_have_the_same_values(series in prop::collection::vec(-1.0..1.0_f64, 0..200), seed: u64) {
        let mut surrogate = iaaft(&series, seed).unwrap();
        prop_assert_eq!(&surrogate, &iaaft(&series, seed).unwrap());
        let mut sorted = series.clone();
        sorted.sort_by(f64::total_cmp);
        surrogate.sort_by(f64::total_cmp);
        prop_assert_eq!(surrogate, sorted);
    }

    /// A monotone function changes no order, and information asks for nothing else.
    #[test]
    fn information_is_the_same_under_monotone_functions(series in prop::collection::vec(-2.0..2.0_f64, 50..200)) {
        let bent: Vec<f64> = series.iter().map(|x| x.exp()).collect();
        prop_assert_eq!(mutual_information(&series, 10), mutual_information(&bent, 10));
    }
}

/// The spectrum as the definition has it.
fn power(series: &[f64], frequency: usize) -> f64 {
    let turn = std::f64::consts::TAU * frequency as f64 / series.len() as f64;
    let (re, im) = series.iter().enumerate().fold((0.0, 0.0), |(re, im), (at, value)| {
        let (sine, cosine) = (turn * at as f64).sin_cos();
        (re + value * cosine, im + value * sine)
    });
    re * re + im * im
}

#[test]
fn surrogates_have_nearly_the_same_spectrum() {
    for len in [600, 601] {
        let series = autoregressive(len, 0.8, 3);
        let surrogate = iaaft(&series, 1).unwrap();
        let (mut error, mut total) = (0.0, 0.0);
        for frequency in 1..len / 2 {
            let (a, b) = (power(&series, frequency).sqrt(), power(&surrogate, frequency).sqrt());
            error += (a - b).powi(2);
            total += a * a;
        }
        assert!(error / total < 0.01, "{len}: {}", error / total);
        assert_ne!(series, surrogate);
    }
}

#[test]
fn shuffling_raises_the_entropy() {
    let series = sines(1000, &[(25.3, 1.0)]);
    let shuffled: Vec<f64> = {
        let mut random = Random::new(1);
        let mut order: Vec<(u64, f64)> = series.iter().map(|&x| (random.next(), x)).collect();
        order.sort_by_key(|pair| pair.0);
        order.into_iter().map(|pair| pair.1).collect()
    };
    let entropy = |series: &[f64]| permutation_entropy(series, 4, 1).unwrap().unwrap();
    assert!(entropy(&series) < 0.5 && entropy(&shuffled) > 0.98);
}

#[test]
fn the_zero_one_test_knows_order_from_chaos() {
    let check = |series: &[f64], low: f64, high: f64| {
        let k = zero_one(series, 1).unwrap().unwrap();
        assert!((low..=high).contains(&k), "{k}");
    };
    check(&logistic(1000, 4.0), 0.98, 1.0);
    check(&logistic(1000, 3.9), 0.98, 1.0);
    check(&henon(1000), 0.98, 1.0);
    check(&noise(1000, 1), 0.98, 1.0);
    check(&logistic(1000, 3.83), -0.1, 0.1);
    check(&sines(1000, &[(7.3, 1.0)]), -0.1, 0.1);
    // What is sampled too finely looks regular: thin it first.
    check(&lorenz(2000), -0.3, 0.5);
    check(&lorenz(20_000).into_iter().step_by(10).collect::<Vec<_>>(), 0.9, 1.0);
    assert_eq!(zero_one(&[1.0; 100], 1), Ok(None));
    assert_eq!(zero_one(&[1.0, 2.0], 1), Ok(None));
}

#[test]
fn dimensions_are_those_of_the_systems() {
    let check = |series: &[f64], delay: usize, theiler: usize, enough: usize| {
        let steps = cao(series, delay, theiler, 6);
        assert_eq!(steps.len(), 6);
        let step = &steps[enough - 1];
        assert!(step.e1 > 0.85 && step.false_neighbours < 0.05, "{steps:?}");
        if enough > 1 {
            assert!(steps[0].e1 < 0.7 && steps[0].false_neighbours > 0.2, "{steps:?}");
        }
    };
    check(&henon(2000), 1, 10, 2);
    check(&lorenz(5000), 17, 100, 3);
    // Noise: no dimension is enough, and the next coordinate is as far away in all.
    let steps = cao(&noise(2000, 1), 1, 10, 5);
    let next = steps.iter().map(|step| step.e2).sum::<f64>() / 5.0;
    assert!(steps.iter().all(|step| step.e1 < 0.9) && (next - 1.0).abs() < 0.1, "{steps:?}");
    assert!(cao(&[1.0, 2.0], 1, 10, 3).is_empty());
}

#[test]
fn the_delay_is_a_quarter_of_the_turn() {
    let delay = first_minimum(&lorenz(5000), 100).unwrap();
    assert!((14..=20).contains(&delay), "{delay}");
    let line: Vec<f64> = (0..200).map(f64::from).collect();
    assert_eq!(mutual_information(&line, 3).len(), 4);
    assert!(mutual_information(&[1.0], 3).is_empty() && mutual_information(&[], 3).is_empty());
    assert_eq!(first_minimum(&[], 3), None);
    // Equal values share a bin: nothing is known of the next.
    assert_eq!(mutual_information(&[5.0; 50], 2), [0.0; 3]);
}

#[test]
fn a_region_of_ones_own_choice() {
    let embedding = Embedding::new(1, 2, 10).unwrap();
    let curve = rosenstein_divergence(&logistic(1000, 4.0), &embedding, 15).unwrap().unwrap();
    assert_eq!((curve.curve().len(), curve.slope(0..17)), (16, None));
    assert!(curve.pairs() > 900);
    let slope = curve.slope(0..6).unwrap();
    assert!((slope.value - 2f64.ln()).abs() < 0.03 && slope.r2 > 0.99);
    let (low, high) = (slope.low, slope.high);
    assert!(low < slope.value && slope.value < high);
    let around = kantz_divergence(&logistic(1000, 4.0), &embedding, 15, 0.05).unwrap().unwrap();
    assert!((around.slope(0..4).unwrap().value - 2f64.ln()).abs() < 0.1);
}

/// Where there is nothing to measure, nothing is measured.
#[test]
fn no_exponent_without_neighbours_that_part() {
    let embedding = Embedding::new(1, 2, 10).unwrap();
    assert_eq!(rosenstein(&[1.0; 500], &embedding, 10), Ok(None));
    assert_eq!(rosenstein(&[1.0, 2.0, 3.0], &embedding, 10), Ok(None));
    assert_eq!(rosenstein(&[], &embedding, 10), Ok(None));
    assert_eq!(kantz(&[1.0; 500], &embedding, 10, 0.1), Ok(None));
    assert_eq!(kantz(&noise(300, 1), &embedding, 10, 1e-6), Ok(None));
    assert_eq!(surrogate_test(&[1.0; 500], &embedding, 19, 1), Ok(None));
    assert_eq!(surrogate_test(&[1.0, 2.0], &embedding, 19, 1), Ok(None));
    assert_eq!(recurrence(&[1.0; 500], &embedding, 0.1), Ok(None));
    assert_eq!(recurrence(&[1.0, 2.0], &embedding, 0.1), Ok(None));
    assert_eq!(permutation_entropy(&[1.0, 2.0], 3, 1), Ok(None));
}

/// One in twenty at most, and with 200 series the count may be off by some.
#[test]
fn the_surrogate_test_has_its_size() {
    let embedding = Embedding::new(1, 2, 5).unwrap();
    let rejected = (0..200)
        .filter(|&seed| {
            let series = autoregressive(300, 0.5, 1000 + seed);
            surrogate_test(&series, &embedding, 19, seed).unwrap().unwrap().p <= 0.05
        })
        .count();
    assert!(rejected <= 20, "{rejected} of 200");
}

#[test]
fn inputs_that_are_none_are_refused() {
    let embedding = Embedding::new(1, 2, 5).unwrap();
    let bad = [1.0, f64::NAN, 3.0];
    let place = Error::NonFinite { index: 1 };
    assert_eq!(rosenstein(&bad, &embedding, 5), Err(place));
    assert_eq!(kantz(&bad, &embedding, 5, 0.1), Err(place));
    assert_eq!(zero_one(&bad, 1), Err(place));
    assert_eq!(permutation_entropy(&bad, 3, 1), Err(place));
    assert_eq!(recurrence(&bad, &embedding, 0.1), Err(place));
    assert_eq!(iaaft(&bad, 1), Err(place));
    assert_eq!(surrogate_test(&bad, &embedding, 19, 1), Err(place));
    fn check<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
        match result {
            Err(Error::Setting { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let good = noise(300, 1);
    check(Embedding::new(0, 2, 5), "delay");
    check(Embedding::new(1, 0, 5), "dimension");
    check(Embedding::new(1, MAX_DIMENSION + 1, 5), "dimension");
    check(kantz(&good, &embedding, 5, 0.0), "radius");
    check(recurrence(&good, &embedding, f64::NAN), "radius");
    check(permutation_entropy(&good, 1, 1), "order");
    check(permutation_entropy(&good, 13, 1), "order");
    check(permutation_entropy(&good, 3, 0), "delay");
    check(surrogate_test(&good, &embedding, 0, 1), "surrogates");
    check(surrogate_test(&good, &embedding, 10_001, 1), "surrogates");
}
