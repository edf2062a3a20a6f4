//! Which class each kind of series is, and what does not change it.

use aimds_attractor::systems::*;
use aimds_attractor::{Class, Config, Error, MAX_LEN, MIN_LEN, Trajectory, analyze, analyze_trajectory};
use proptest::prelude::*;

#[track_caller]
fn check(series: &[f64], expected: &str) {
    let report = analyze(series, &Config::default()).unwrap();
    assert_eq!(report.class.as_str(), expected, "{}", report.reason);
}

#[track_caller]
fn check_period(series: &[f64], expected: f64) {
    let report = analyze(series, &Config::default()).unwrap();
    let period = report.class.period().unwrap_or(f64::NAN);
    assert!((period - expected).abs() < 1e-3 * expected, "{period} instead of {expected}: {}", report.reason);
}

#[track_caller]
fn check_exponent(series: &[f64], interval: f64, expected: f64, tolerance: f64) {
    let report = analyze(series, &Config { sampling_interval: interval, ..Config::default() }).unwrap();
    assert_eq!(report.class, Class::Chaotic, "{}", report.reason);
    let found = report.lyapunov.unwrap();
    assert!((found.value - expected).abs() <= tolerance, "{found:?} instead of {expected}");
    assert!(found.low < found.value && found.value < found.high && found.low > 0.0);
    assert!(found.r2 > 0.9 && found.pairs > 500 && found.region.len() >= 4);
    assert!(report.surrogate.unwrap().p <= 0.05);
}

#[test]
fn chaos_has_its_exponent() {
    check_exponent(&logistic(1000, 4.0), 1.0, 2f64.ln(), 0.03);
    check_exponent(&logistic(5000, 3.9), 1.0, 0.4945, 0.03);
    check_exponent(&henon(1000), 1.0, 0.4192, 0.03);
    check_exponent(&lorenz(5000), 0.01, 0.9056, 0.15);
    check_exponent(&rossler(5000, 2), 0.1, 0.0714, 0.025);
}

/// Kantz's method is another way to the same number.
#[test]
fn both_methods_agree_on_maps() {
    for series in [logistic(5000, 3.9), henon(5000)] {
        let report = analyze(&series, &Config::default()).unwrap();
        let (rosenstein, kantz) = (report.lyapunov.unwrap().value, report.kantz.unwrap().value);
        assert!((rosenstein - kantz).abs() < 0.06, "{rosenstein} and {kantz}");
    }
}

#[test]
fn noise_is_not_chaos() {
    for seed in 0..12 {
        check(&noise(1000, seed), "stochastic");
        check(&autoregressive(1000, 0.9, 100 + seed), "stochastic");
    }
    let mut random = Random::new(5);
    let counts: Vec<f64> = (0..1000).map(|_| (random.unit() * 5.0).floor()).collect();
    check(&counts, "stochastic");
    // The test against surrogates alone would call one in twenty nonlinear; the size of the effect does not.
    check(&noise(5000, 77), "stochastic");
}

/// A positive slope and K near 1 are there all the same: this is why they are not enough.
#[test]
fn noise_looks_like_chaos_to_the_other_tests() {
    let report = analyze(&noise(1000, 3), &Config::default()).unwrap();
    assert!(report.zero_one_k.unwrap() > 0.95);
    assert_eq!(report.lyapunov, None);
}

#[test]
fn wandering_is_drift() {
    for seed in 0..8 {
        check(&walk(1000, seed), "drifting");
    }
    check(&(0..5000).map(|i| 2.0 * f64::from(i)).collect::<Vec<_>>(), "drifting");
    let trend: Vec<f64> = noise(1000, 4).iter().enumerate().map(|(i, x)| x + 0.01 * i as f64).collect();
    check(&trend, "drifting");
    let step: Vec<f64> =
        noise(1000, 5).iter().enumerate().map(|(i, x)| x + if i < 400 { 0.0 } else { 8.0 }).collect();
    check(&step, "drifting");
}

#[test]
fn cycles_have_their_period() {
    check_period(&logistic(1000, 3.83), 3.0);
    check_period(&logistic(1000, 3.5), 4.0);
    check_period(&logistic(1000, 3.2), 2.0);
    check_period(&sines(1000, &[(25.0, 1.0)]), 25.0);
    check_period(&sines(1000, &[(25.3, 1.0)]), 25.3);
    check_period(&sines(1000, &[(30.7, 1.0), (30.7 / 3.0, 0.5), (30.7 / 5.0, 0.2)]), 30.7);
    check_period(&(0..600).map(|i| f64::from(i % 7 * (i % 7))).collect::<Vec<_>>(), 7.0);
    check_period(&(0..600).map(|i| f64::from(i % 24 == 0)).collect::<Vec<_>>(), 24.0);
    check_period(&sum(sines(1000, &[(25.3, 1.0)]), noise(1000, 3), 0.3), 25.3);
    check_period(&sum(logistic(1000, 3.83), noise(1000, 4), 0.05), 3.0);
}

/// Known gap: edges that fall between samples make a spectrum of very many lines, and the class stays open.
#[test]
fn sharp_cycles_between_samples_are_not_chaos() {
    for period in [25.37, 17.3 * 2f64.sqrt()] {
        let square: Vec<f64> = (0..1000).map(|i| f64::from((f64::from(i) / period).fract() < 0.5)).collect();
        let sawtooth: Vec<f64> = (0..1000).map(|i| (f64::from(i) / period).fract()).collect();
        let pulses: Vec<f64> = (0..1000).map(|i| (-40.0 * (f64::from(i) / period).fract()).exp()).collect();
        for series in [square, sawtooth, pulses] {
            let report = analyze(&series, &Config::default()).unwrap();
            assert!(
                matches!(report.class, Class::Undetermined | Class::Periodic { .. } | Class::QuasiPeriodic),
                "{}",
                report.reason
            );
        }
    }
}

#[test]
fn incommensurate_oscillations_have_no_period() {
    check(&sines(1000, &[(25.3, 1.0), (25.3 / 2f64.sqrt(), 0.7)]), "quasi_periodic");
    // A rotation by the golden mean, seen once a turn and a bit.
    check(&sines(1000, &[((1.0 + 5f64.sqrt()) / 2.0, 1.0)]), "quasi_periodic");
}

#[test]
fn what_is_at_rest_is_not_in_motion() {
    check(&[3.0; 500], "constant");
    check(&[0.1 + 0.2; 500], "constant");
    check(&(0..500).map(|i| 0.9_f64.powi(i) * f64::from(i).cos()).collect::<Vec<_>>(), "fixed_point");
    check(&(0..500).map(|i| f64::from(i == 20)).collect::<Vec<_>>(), "fixed_point");
}

/// No logarithm of zero, no division by it, whatever repeats.
#[test]
fn the_numbers_of_a_report_are_finite() {
    for series in [vec![3.0; 500], logistic(1000, 3.2), (0..500).map(|i| f64::from(i % 2)).collect()] {
        let report = analyze(&series, &Config::default()).unwrap();
        let json = serde_json::to_value(report.summary()).unwrap();
        for key in ["zero_one_k", "permutation_entropy"] {
            assert!(json[key].is_null() || json[key].as_f64().unwrap().is_finite());
        }
        if let Some(recurrence) = report.recurrence {
            assert!(recurrence.determinism.is_finite() && recurrence.diagonal_entropy.is_finite());
        }
    }
}

#[test]
fn too_short_is_said_and_not_guessed() {
    for len in [0, 1, 2, MIN_LEN - 1] {
        let report = analyze(&logistic(len, 4.0), &Config::default()).unwrap();
        assert_eq!(report.class, Class::InsufficientData);
        assert!(report.reason.contains(&MIN_LEN.to_string()), "{}", report.reason);
    }
    check(&logistic(MIN_LEN, 3.83), "periodic");
}

#[test]
fn of_a_long_series_the_end_is_looked_at() {
    let mut series = noise(5000, 1);
    series.extend(logistic(MAX_LEN, 3.83));
    let report = analyze(&series, &Config::default()).unwrap();
    assert_eq!((report.class, report.analysed), (Class::Periodic { period: 3.0 }, 5000..15_000));
    assert!(report.reason.contains("last 10000 of 15000"), "{}", report.reason);
}

#[test]
fn a_value_that_is_not_finite_is_refused_with_its_place() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for len in [1, 300, 20_000] {
            let mut series = noise(len, 1);
            series[len / 2] = bad;
            assert_eq!(analyze(&series, &Config::default()), Err(Error::NonFinite { index: len / 2 }));
        }
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |config: Config, expected: &str| match analyze(&[0.0; 300], &config) {
        Err(Error::Setting { name, .. }) => assert_eq!(name, expected),
        other => panic!("{expected}: {other:?}"),
    };
    refused(Config { sampling_interval: 0.0, ..Config::default() }, "sampling_interval");
    refused(Config { sampling_interval: f64::INFINITY, ..Config::default() }, "sampling_interval");
    refused(Config { recurrence_radius: -1.0, ..Config::default() }, "recurrence_radius");
    refused(Config { surrogates: 1001, ..Config::default() }, "surrogates");
}

#[test]
fn without_enough_surrogates_nothing_is_called_chaotic() {
    for surrogates in [0, 5] {
        let report = analyze(&logistic(1000, 4.0), &Config { surrogates, ..Config::default() }).unwrap();
        assert_eq!(report.class, Class::Undetermined, "{}", report.reason);
        assert!((report.lyapunov.unwrap().value - 2f64.ln()).abs() < 0.03);
    }
}

/// Noise of a seventeenth of the deviation does not hide chaos.
#[test]
fn slightly_noisy_chaos_is_chaos() {
    check_exponent(&sum(logistic(1000, 4.0), noise(1000, 4), 0.02), 1.0, 2f64.ln(), 0.06);
}

/// Known gap: noise of a quarter of the deviation hides the exponent, and the class stays open.
#[test]
fn noisy_chaos_is_undetermined_today() {
    check(&sum(logistic(1000, 4.0), noise(1000, 4), 0.09), "undetermined");
}

/// Known gap: ten turns of the Lorenz attractor do not hold a stretch that shows the exponent.
#[test]
fn short_flows_are_undetermined_today() {
    check(&lorenz(1000), "undetermined");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let series = henon(1000);
    let report = |seed| analyze(&series, &Config { seed, ..Config::default() }).unwrap();
    assert_eq!(report(3), report(3));
    assert_ne!(report(3).surrogate, report(4).surrogate);
}

#[test]
fn the_wire_form_has_its_keys() {
    let report = analyze(&logistic(1000, 4.0), &Config::default()).unwrap();
    let json = serde_json::to_value(report.summary()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["class", "lyapunov", "surrogate_p", "zero_one_k", "permutation_entropy", "period", "reason"];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(json["class"], "chaotic");
    assert!(json["period"].is_null() && json["surrogate_p"] == 0.05);
    assert!(json["lyapunov"]["low"].as_f64() < json["lyapunov"]["value"].as_f64());
    let cycle = analyze(&logistic(1000, 3.83), &Config::default()).unwrap();
    let json = serde_json::to_value(cycle.summary()).unwrap();
    assert_eq!((json["class"].as_str(), json["period"].as_f64()), (Some("periodic"), Some(3.0)));
    assert!(json["lyapunov"].is_null() && json["surrogate_p"].is_null());
}

#[test]
fn time_has_its_unit() {
    let series = logistic(1000, 4.0);
    let one = analyze(&series, &Config::default()).unwrap().lyapunov.unwrap();
    let trajectory = Trajectory::regular(series, 0.5).unwrap();
    let half = analyze_trajectory(&trajectory, &Config::default()).unwrap().lyapunov.unwrap();
    assert!((half.value - 2.0 * one.value).abs() < 1e-12 && half.region == one.region);
    let wave = Trajectory::regular(sines(1000, &[(25.0, 1.0)]), 60.0).unwrap();
    assert_eq!(
        analyze_trajectory(&wave, &Config::default()).unwrap().class,
        Class::Periodic { period: 1500.0 }
    );
}

#[test]
fn irregular_times_are_resampled_and_said() {
    let mut random = Random::new(1);
    let mut time = 0.0;
    let times: Vec<f64> = (0..1500)
        .map(|_| {
            time += 0.5 + random.unit();
            time
        })
        .collect();
    let values: Vec<f64> = times.iter().map(|t| (t * std::f64::consts::TAU / 40.0).sin()).collect();
    let trajectory = Trajectory::timed(&times, &values).unwrap();
    assert!(trajectory.resampled());
    let report = analyze_trajectory(&trajectory, &Config::default()).unwrap();
    let period = report.class.period().unwrap();
    assert!((period - 40.0).abs() < 0.1, "{}", report.reason);
    assert!(report.reason.contains("irregular"), "{}", report.reason);
}

#[test]
fn times_that_are_none_are_refused() {
    assert_eq!(Trajectory::timed(&[0.0], &[1.0, 2.0]), Err(Error::Lengths { times: 1, values: 2 }));
    assert_eq!(Trajectory::timed(&[0.0, 2.0, 1.0], &[0.0; 3]), Err(Error::Unordered { index: 2 }));
    assert_eq!(Trajectory::timed(&[0.0, f64::NAN], &[0.0; 2]), Err(Error::NonFinite { index: 1 }));
    assert!(matches!(Trajectory::regular(vec![], 0.0), Err(Error::Setting { name: "interval", .. })));
    // One long gap does not cost memory.
    let times: Vec<f64> = (0..100).map(f64::from).chain([1e12]).collect();
    assert!(Trajectory::timed(&times, &[1.0; 101]).unwrap().values().len() <= 405);
    assert_eq!(Trajectory::timed(&[], &[]).unwrap().values(), [0.0; 0]);
    assert_eq!(Trajectory::timed(&[5.0, 5.0], &[1.0, 3.0]).unwrap().values(), [2.0]);
}

/// Values at the limits of the format.
#[test]
fn huge_and_tiny_values_are_only_values() {
    for scale in [1e-300, 1e300, f64::MAX / 4.0] {
        let series: Vec<f64> = logistic(1000, 4.0).iter().map(|x| (x - 0.5) * scale).collect();
        check(&series, "chaotic");
    }
}

/// A wave of 17.2 samples comes back to its values after five turns, up to rounding, which an offset makes coarser.
#[test]
fn rounding_does_not_choose_the_embedding() {
    let series = sines(600, &[(17.2, 1.0)]);
    let embedding = analyze(&series, &Config::default()).unwrap().embedding;
    for step in 0..200 {
        let offset = f64::from(step) - 100.0;
        let moved: Vec<f64> = series.iter().map(|x| 0.01 * x + offset).collect();
        assert_eq!(analyze(&moved, &Config::default()).unwrap().embedding, embedding, "{offset}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn unit_and_zero_do_not_matter(scale in 0.01..100.0_f64, offset in -100.0..100.0_f64, which in 0_usize..5) {
        let series = match which {
            0 => henon(600),
            1 => noise(600, 3),
            2 => sines(600, &[(17.2, 1.0)]),
            3 => walk(600, 2),
            _ => logistic(600, 3.5),
        };
        let moved: Vec<f64> = series.iter().map(|x| scale * x + offset).collect();
        let (a, b) = (analyze(&series, &Config::default()).unwrap(), analyze(&moved, &Config::default()).unwrap());
        prop_assert_eq!(a.class.as_str(), b.class.as_str(), "{} {}", a.reason, b.reason);
        prop_assert_eq!(a.embedding, b.embedding);
        if let (Some(a), Some(b)) = (a.lyapunov, b.lyapunov) {
            prop_assert!((a.value - b.value).abs() < 1e-3 && a.region == b.region);
        }
    }

    #[test]
    fn any_series_has_a_report(series in prop::collection::vec(prop_oneof![-1e9..1e9, (0_i32..3).prop_map(f64::from)], 0..400)) {
        let report = analyze(&series, &Config { surrogates: 3, ..Config::default() }).unwrap();
        prop_assert!(!report.reason.is_empty());
        prop_assert_ne!(report.class, Class::Chaotic);
    }

    #[test]
    fn cycles_of_any_values_have_their_length(cycle in prop::collection::vec(-1.0..1.0_f64, 2..12)) {
        let distinct = (1..cycle.len()).all(|lag| (0..cycle.len()).any(|i| (cycle[i] - cycle[(i + lag) % cycle.len()]).abs() > 0.1));
        prop_assume!(distinct);
        let series: Vec<f64> = (0..400).map(|i| cycle[i % cycle.len()]).collect();
        let report = analyze(&series, &Config::default()).unwrap();
        prop_assert_eq!(report.class, Class::Periodic { period: cycle.len() as f64 }, "{}", report.reason);
    }
}
