//! The change detectors and the trees against straightforward computations of the same, and their errors.

use aimds_attractor::systems::Random;
use aimds_attractor::{
    Adwin, AdwinConfig, Bocpd, Change, Cusum, Direction, Error, HalfSpaceConfig, HalfSpaceTrees,
    LikelihoodCusum, PageHinkley, PageHinkleyConfig, Prior, Shift, Sides,
};
use proptest::prelude::*;

#[test]
fn cusum_finds_what_is_above_the_slack() {
    let check = |stream: &[f64], expected: &[(usize, Direction, u64)]| {
        let mut cusum = Cusum::new(10.0, 1.0, 5.0).unwrap();
        let mut found = Vec::new();
        for (at, &value) in stream.iter().enumerate() {
            if let Some(Change { direction, since, .. }) = cusum.push(value).unwrap() {
                found.push((at, direction, since));
            }
        }
        assert_eq!(found, expected, "{stream:?}");
    };
    check(&[], &[]);
    check(&[11.0; 50], &[]);
    check(&[9.0; 50], &[]);
    check(&[10.0, 13.0, 13.0, 13.0], &[(3, Direction::Up, 3)]);
    check(&[10.0, 7.0, 7.0, 7.0], &[(3, Direction::Down, 3)]);
    check(&[17.0, 10.0, 3.0], &[(0, Direction::Up, 1), (2, Direction::Down, 1)]);
    // Exactly at the threshold is not above it.
    check(&[16.0], &[]);
}

/// The textbook says that the mean time to a false alarm is at least exp(threshold).
#[test]
fn likelihood_cusum_keeps_its_rate_of_false_alarms() {
    let mut cusum =
        LikelihoodCusum::new(Shift::Normal { before: 0.0, after: 1.0, deviation: 1.0 }, 4.0).unwrap();
    let mut random = Random::new(3);
    let count = 200_000;
    let alarms = (0..count).filter(|_| cusum.push(random.normal()).unwrap().is_some()).count();
    assert!(alarms > 0 && (count as f64) / (alarms as f64) > 4f64.exp(), "{alarms}");
    let delay = (1..100).find(|_| cusum.push(1.0 + random.normal()).unwrap().is_some()).unwrap();
    assert!(delay < 40, "{delay}");
}

#[test]
fn a_falling_rate_is_found_downwards() {
    let mut cusum = LikelihoodCusum::new(Shift::Bernoulli { before: 0.5, after: 0.1 }, 3.0).unwrap();
    let alarm = (0..20).find_map(|_| cusum.push(0.0).unwrap()).unwrap();
    assert_eq!((alarm.direction, alarm.since), (Direction::Down, 6));
    assert_eq!(cusum.sum(), 0.0);
}

proptest! {
    #[test]
    fn cusum_is_the_largest_sum_of_a_tail(stream in prop::collection::vec(-3.0..3.0_f64, 1..80)) {
        let mut cusum = Cusum::new(0.25, 0.5, 1e9).unwrap();
        for end in 1..=stream.len() {
            cusum.push(stream[end - 1]).unwrap();
            let tail = |step: &dyn Fn(f64) -> f64| {
                let sums = (0..end).map(|start| stream[start..end].iter().map(|&x| step(x)).sum::<f64>());
                sums.fold(0.0, f64::max)
            };
            let (up, down) = cusum.sums();
            prop_assert!((up - tail(&|x| x - 0.75)).abs() < 1e-9);
            prop_assert!((down - tail(&|x| -x - 0.25)).abs() < 1e-9);
        }
    }

    /// Nothing changes, and the window is the stream.
    #[test]
    fn adwin_keeps_a_steady_stream(value in -5.0..5.0_f64, len in 1_usize..3000) {
        let mut adwin = Adwin::new(AdwinConfig::default()).unwrap();
        for _ in 0..len {
            prop_assert_eq!(adwin.push(value).unwrap(), None);
        }
        prop_assert_eq!(adwin.width(), len as u64);
        prop_assert!((adwin.mean().unwrap() - value).abs() < 1e-9);
    }

    /// Without pruning the posterior is the sum over all beginnings of the current stretch.
    #[test]
    fn bocpd_is_the_recursion_of_its_authors(stream in prop::collection::vec(-4.0..4.0_f64, 1..60)) {
        let prior = Prior { mean: 0.5, strength: 0.7, shape: 1.3, rate: 0.9 };
        let mut detector = Bocpd::new(prior, 20.0, 1000).unwrap();
        let mut naive = vec![1.0];
        for (end, &value) in stream.iter().enumerate() {
            detector.push(value).unwrap();
            let weighed: Vec<f64> =
                naive.iter().enumerate().map(|(run, p)| p * student(&stream[end - run..end], value, &prior)).collect();
            let total: f64 = weighed.iter().sum();
            naive = std::iter::once(0.05).chain(weighed.iter().map(|p| 0.95 * p / total)).collect();
            for run in [0, 1, 5, 20] {
                let expected: f64 = naive.iter().take(run + 1).sum();
                prop_assert!((detector.within(run) - expected).abs() < 1e-6, "{run} after {end}");
            }
            let best = (0..naive.len()).max_by(|&a, &b| naive[a].total_cmp(&naive[b])).unwrap();
            let found = detector.run_length().most_likely;
            prop_assert!((naive[found] - naive[best]).abs() < 1e-9, "{found} instead of {best}");
        }
    }
}

/// The predictive density of a value after some others, from their sums; constants that all share are left out.
fn student(seen: &[f64], value: f64, prior: &Prior) -> f64 {
    let count = seen.len() as f64;
    let mean = if seen.is_empty() { 0.0 } else { seen.iter().sum::<f64>() / count };
    let spread: f64 = seen.iter().map(|x| (x - mean) * (x - mean)).sum();
    let strength = prior.strength + count;
    let shape = prior.shape + count / 2.0;
    let middle = (prior.strength * prior.mean + count * mean) / strength;
    let gap = mean - prior.mean;
    let rate = prior.rate + spread / 2.0 + prior.strength * count * gap * gap / (2.0 * strength);
    let scale = 2.0 * rate * (strength + 1.0) / strength;
    gamma_ratio(shape) / (std::f64::consts::PI * scale).sqrt()
        * (1.0 + (value - middle).powi(2) / scale).powf(-shape - 0.5)
}

/// Γ(x + ½) / Γ(x): the recurrence until the asymptotic series is exact.
fn gamma_ratio(x: f64) -> f64 {
    if x > 60.0 {
        let inverse = 1.0 / x;
        return x.sqrt() * (1.0 - inverse / 8.0 + inverse.powi(2) / 128.0 + 5.0 * inverse.powi(3) / 1024.0);
    }
    gamma_ratio(x + 1.0) * x / (x + 0.5)
}

#[test]
fn a_value_out_of_all_bounds_starts_a_new_stretch() {
    let mut detector =
        Bocpd::new(Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 }, 50.0, 100).unwrap();
    for _ in 0..80 {
        detector.push(0.0).unwrap();
    }
    let after = detector.push(1e300).unwrap();
    assert!(after.most_likely <= 1 && after.expected.is_finite(), "{after:?}");
}

#[test]
fn trees_rank_what_is_far_away_first() {
    let mut random = Random::new(9);
    let config = HalfSpaceConfig { height: 8, ..HalfSpaceConfig::default() };
    let mut trees = HalfSpaceTrees::new(&[(0.0, 1.0), (0.0, 1.0), (0.0, 1.0)], config).unwrap();
    let mut usual =
        || [0.5 + 0.05 * random.normal(), 0.3 + 0.05 * random.normal(), 0.6 + 0.05 * random.normal()];
    for _ in 0..250 {
        assert_eq!(trees.push(&usual()).unwrap(), None);
    }
    let normal: Vec<f64> = (0..500).map(|_| trees.push(&usual()).unwrap().unwrap()).collect();
    let mut odd = Random::new(10);
    let rare: Vec<f64> =
        (0..200).map(|_| trees.score(&[odd.unit(), odd.unit(), odd.unit()]).unwrap().unwrap()).collect();
    let wins: usize = rare.iter().map(|r| normal.iter().filter(|&n| r > n).count()).sum();
    let area = wins as f64 / (rare.len() * normal.len()) as f64;
    assert!(area > 0.95, "{area}");
}

#[test]
fn trees_with_the_same_seed_are_the_same() {
    let scores = |seed: u64| -> Vec<Option<f64>> {
        let config = HalfSpaceConfig { seed, window: 50, ..HalfSpaceConfig::default() };
        let mut trees = HalfSpaceTrees::new(&[(0.0, 1.0)], config).unwrap();
        let mut random = Random::new(1);
        (0..200).map(|_| trees.push(&[random.unit()]).unwrap()).collect()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

#[test]
fn a_value_that_is_not_finite_is_refused_and_changes_nothing() {
    let refused = |result: Result<bool, Error>| assert_eq!(result, Err(Error::NonFinite { index: 1 }));
    let prior = Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut cusum = Cusum::new(0.0, 0.1, 5.0).unwrap();
        let mut likelihood =
            LikelihoodCusum::new(Shift::Normal { before: 0.0, after: 1.0, deviation: 1.0 }, 5.0).unwrap();
        let mut page_hinkley = PageHinkley::new(PageHinkleyConfig::default()).unwrap();
        let mut adwin = Adwin::new(AdwinConfig::default()).unwrap();
        let mut bocpd = Bocpd::new(prior, 10.0, 10).unwrap();
        cusum.push(1.0).unwrap();
        likelihood.push(1.0).unwrap();
        page_hinkley.push(1.0).unwrap();
        adwin.push(1.0).unwrap();
        let before = bocpd.push(1.0).unwrap();
        refused(cusum.push(bad).map(|alarm| alarm.is_some()));
        refused(likelihood.push(bad).map(|alarm| alarm.is_some()));
        refused(page_hinkley.push(bad).map(|alarm| alarm.is_some()));
        refused(adwin.push(bad).map(|alarm| alarm.is_some()));
        refused(bocpd.push(bad).map(|_| true));
        assert_eq!((cusum.sums(), likelihood.sum(), adwin.width()), ((0.9, 0.0), 0.5, 1));
        assert_eq!(bocpd.run_length(), before);
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    fn check<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
        match result {
            Err(Error::Setting { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    check(Cusum::new(f64::NAN, 0.0, 1.0), "target");
    check(Cusum::new(0.0, -1.0, 1.0), "slack");
    check(Cusum::new(0.0, 0.0, 0.0), "threshold");
    check(LikelihoodCusum::new(Shift::Bernoulli { before: 0.0, after: 0.5 }, 1.0), "before");
    check(LikelihoodCusum::new(Shift::Bernoulli { before: 0.5, after: 0.5 }, 1.0), "after");
    check(LikelihoodCusum::new(Shift::Normal { before: 0.0, after: 1.0, deviation: 0.0 }, 1.0), "deviation");
    check(LikelihoodCusum::new(Shift::Normal { before: 0.0, after: 0.0, deviation: 1.0 }, 1.0), "after");
    check(LikelihoodCusum::new(Shift::Normal { before: 0.0, after: 1.0, deviation: 1.0 }, -1.0), "threshold");
    let page_hinkley = PageHinkleyConfig::default();
    check(PageHinkley::new(PageHinkleyConfig { delta: -1.0, ..page_hinkley }), "delta");
    check(PageHinkley::new(PageHinkleyConfig { threshold: 0.0, ..page_hinkley }), "threshold");
    check(PageHinkley::new(PageHinkleyConfig { keep: 1.1, sides: Sides::Up, ..page_hinkley }), "keep");
    let adwin = AdwinConfig::default();
    check(Adwin::new(AdwinConfig { delta: 1.0, ..adwin }), "delta");
    check(Adwin::new(AdwinConfig { clock: 0, ..adwin }), "clock");
    check(Adwin::new(AdwinConfig { max_buckets: 0, ..adwin }), "max_buckets");
    check(Adwin::new(AdwinConfig { min_window: 0, ..adwin }), "min_window");
    let prior = Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 };
    check(Bocpd::new(Prior { mean: f64::NAN, ..prior }, 10.0, 10), "mean");
    check(Bocpd::new(Prior { strength: 0.0, ..prior }, 10.0, 10), "strength");
    check(Bocpd::new(Prior { shape: 0.0, ..prior }, 10.0, 10), "shape");
    check(Bocpd::new(Prior { rate: 0.0, ..prior }, 10.0, 10), "rate");
    check(Bocpd::new(prior, 1.0, 10), "expected_run");
    check(Bocpd::new(prior, 10.0, 1), "longest");
    let trees = HalfSpaceConfig::default();
    check(HalfSpaceTrees::new(&[], trees), "measures");
    check(HalfSpaceTrees::new(&[(1.0, 1.0)], trees), "range");
    check(HalfSpaceTrees::new(&[(0.0, 1.0)], HalfSpaceConfig { trees: 0, ..trees }), "trees");
    check(HalfSpaceTrees::new(&[(0.0, 1.0)], HalfSpaceConfig { height: 13, ..trees }), "height");
    check(HalfSpaceTrees::new(&[(0.0, 1.0)], HalfSpaceConfig { window: 0, ..trees }), "window");
    let one = HalfSpaceTrees::new(&[(0.0, 1.0)], trees).unwrap();
    assert_eq!(one.score(&[0.5, 0.5]), Err(Error::Measures { expected: 1, found: 2 }));
    assert_eq!(one.score(&[f64::NAN]), Err(Error::NonFinite { index: 0 }));
}
