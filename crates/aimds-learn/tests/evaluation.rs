//! Off-policy estimates against what the judged policy really earns.

use aimds_learn::{
    Action, Environment, Experience, GateConfig, Model, PolicyConfig, Probabilities, Random, Scenario, Trust,
    bootstrap, evaluate, gate, median_of_means,
};

/// A policy of its own making: prefers the action that the second feature points to.
fn wanted(row: &Experience) -> Probabilities {
    let lean = row.features.as_slice()[1];
    let best = if lean > 0.5 {
        2
    } else if lean > -0.5 {
        4
    } else {
        0
    };
    let mut probabilities = [0.0; 8];
    for (action, probability) in probabilities.iter_mut().enumerate().take(6) {
        *probability = 0.1 / 6.0 + if action == best { 0.9 } else { 0.0 };
    }
    probabilities
}

/// Rows that an uneven logging policy wrote, and what `wanted` earns on average in the same cases.
fn logged(seed: u64, n: usize, environment: &mut Environment) -> (Vec<Experience>, f64) {
    let mut random = Random::new(seed);
    let mut rows = Vec::new();
    let mut truth = 0.0;
    for at_ms in 0..n as u64 {
        let (features, means) = environment.case().unwrap();
        let tilt = if features.as_slice()[2] > 0.0 { 3 } else { 1 };
        let (action, propensity) = if random.unit() < 0.5 {
            (tilt, 0.5 + 0.5 / 6.0)
        } else {
            let drawn = random.below(6);
            (drawn, if drawn == tilt { 0.5 + 0.5 / 6.0 } else { 0.5 / 6.0 })
        };
        let reward = environment.feedback(Action(action as u8)).reward;
        let row = Experience {
            features,
            floor: Action(0),
            action: Action(action as u8),
            propensity,
            reward,
            weight: 1.0,
            trust: Trust::Trusted,
            class: 0,
            at_ms,
        };
        truth += wanted(&row).iter().zip(means).map(|(probability, mean)| probability * mean).sum::<f64>();
        rows.push(row);
    }
    (rows, truth / n as f64)
}

#[test]
fn doubly_robust_is_near_the_truth_and_its_interval_covers_it() {
    let (runs, n) = (400, 600);
    // One environment, of which a long stretch says what the policy earns on average.
    let mut environment = Environment::new(Scenario::Stationary, 4, usize::MAX / 2).unwrap();
    let truth = logged(1, 200_000, &mut environment).1;
    let (mut covered, mut below) = (0, 0);
    let mut errors = [0.0; 3];
    for seed in 0..runs {
        let rows = logged(100 + seed, n, &mut environment).0;
        let found = evaluate(&rows, wanted, 0.95, &mut Random::new(seed)).unwrap();
        let interval = found.doubly_robust;
        covered += u32::from(interval.low <= truth && truth <= interval.high);
        below += u32::from(interval.low <= truth);
        for (error, estimate) in errors.iter_mut().zip([found.ips, found.snips, interval.mean]) {
            *error += (estimate - truth).powi(2) / runs as f64;
        }
        assert_eq!((found.rows, found.excluded), (n, 0));
    }
    let coverage = f64::from(covered) / runs as f64;
    println!(
        "coverage {coverage:.3}, lower bound {:.3}, rmse ips {:.4} snips {:.4} dr {:.4}",
        f64::from(below) / runs as f64,
        errors[0].sqrt(),
        errors[1].sqrt(),
        errors[2].sqrt()
    );
    assert!(coverage >= 0.93, "{coverage}");
    assert!(f64::from(below) / runs as f64 >= 0.965);
    assert!(errors[2] < errors[0], "{errors:?}");
}

/// What a model would earn on average.
fn earns(model: &Model, environment: &mut Environment) -> f64 {
    let cases = 1200;
    let one = |_| {
        let (features, means) = environment.case().unwrap();
        let probabilities = model.probabilities(&features, Action(0), true).unwrap();
        probabilities.iter().zip(means).map(|(probability, mean)| probability * mean).sum::<f64>()
    };
    (0..cases).map(one).sum::<f64>() / f64::from(cases)
}

#[test]
fn a_gate_seldom_lets_a_worthless_policy_through() {
    // Incumbent and candidate learn from as many rows of the same kind: half of the candidates are worse.
    let (runs, mut worthless, mut passed) = (120, 0, 0);
    for seed in 0..runs {
        let mut environment = Environment::new(Scenario::Stationary, 7, usize::MAX / 2).unwrap();
        let mut models = Vec::new();
        for part in 0..2 {
            let mut model = Model::new(PolicyConfig::new(8, 6), u32::MAX).unwrap();
            for row in logged(1000 * seed + part, 800, &mut environment).0 {
                model.learn(&row).unwrap();
            }
            models.push(model);
        }
        let mut rows = logged(1000 * seed + 9, 500, &mut environment).0;
        rows.iter_mut().for_each(|row| row.trust = Trust::Verified);
        let config = GateConfig::default();
        let verdict = gate(&rows, Some(&models[0]), &models[1], &config, &mut Random::new(seed)).unwrap();
        if earns(&models[1], &mut environment) <= earns(&models[0], &mut environment) {
            worthless += 1;
            passed += u32::from(verdict.passed);
        }
    }
    println!("{passed} of {worthless} worthless ones passed");
    assert!(worthless > 30);
    assert!(f64::from(passed) <= 0.05 * f64::from(worthless), "{passed} of {worthless}");
}

#[test]
fn a_gate_lets_a_better_policy_through_and_wants_reviewers_for_a_weaker_one() {
    let mut environment = Environment::new(Scenario::Stationary, 7, usize::MAX / 2).unwrap();
    let mut better = Model::new(PolicyConfig::new(8, 6), u32::MAX).unwrap();
    for row in logged(1, 3000, &mut environment).0 {
        better.learn(&row).unwrap();
    }
    let mut naive = Model::new(PolicyConfig::new(8, 6), u32::MAX).unwrap();
    for row in logged(2, 30, &mut environment).0 {
        naive.learn(&row).unwrap();
    }
    let mut rows = logged(3, 2000, &mut environment).0;
    let judge = |rows: &[Experience], candidate: &Model| {
        gate(rows, Some(&naive), candidate, &GateConfig::default(), &mut Random::new(1)).unwrap()
    };
    let verdict = judge(&rows, &better);
    assert!(verdict.loosens && !verdict.passed, "{verdict:?}");
    assert_eq!(verdict.reason, "0 usable reviewed rows (it would be weaker in some cases), 50 are needed");
    // What untrusted parties say does not count at all.
    rows.iter_mut().for_each(|row| row.trust = Trust::Untrusted);
    assert!(!judge(&rows, &better).passed);
    rows.iter_mut().for_each(|row| row.trust = Trust::Verified);
    let verdict = judge(&rows, &better);
    assert!(verdict.passed && verdict.gain.unwrap().mean > 0.05, "{verdict:?}");
    assert!(verdict.bernstein_low.unwrap() < verdict.gain.unwrap().low);
}

#[test]
fn rows_without_a_choice_say_nothing_of_other_actions() {
    let mut environment = Environment::new(Scenario::Stationary, 4, 1000).unwrap();
    let mut rows = logged(1, 300, &mut environment).0;
    for row in rows.iter_mut().take(100) {
        row.propensity = 1.0;
    }
    let found = evaluate(&rows, wanted, 0.9, &mut Random::new(0)).unwrap();
    assert_eq!((found.rows, found.excluded), (200, 100));
    rows.iter_mut().for_each(|row| row.propensity = 0.0);
    let error = evaluate(&rows, wanted, 0.9, &mut Random::new(0)).unwrap_err().to_string();
    assert_eq!(error, "propensity 0 is not above 0 and at most 1");
    assert_eq!(
        evaluate(&rows[..0], wanted, 0.9, &mut Random::new(0)).unwrap_err().to_string(),
        "0 usable rows, at least 20 are needed"
    );
}

#[test]
fn intervals_are_those_of_the_mean() {
    let mut random = Random::new(8);
    let (mut covered, runs) = (0, 500);
    for _ in 0..runs {
        // Skewed: squares of normal deviates, mean 1.
        let values: Vec<f64> = (0..150).map(|_| random.normal().powi(2)).collect();
        let interval = bootstrap(&values, 0.95, &mut random).unwrap();
        covered += u32::from(interval.low <= 1.0 && 1.0 <= interval.high);
    }
    assert!(f64::from(covered) / f64::from(runs) >= 0.93, "{covered}");
    assert!(bootstrap(&[1.0; 19], 0.95, &mut random).is_err());
    assert!(bootstrap(&[f64::NAN; 30], 0.95, &mut random).is_err());
    let constant = bootstrap(&[0.5; 30], 0.95, &mut random).unwrap();
    assert_eq!((constant.low, constant.high), (0.5, 0.5));
}

#[test]
fn a_few_wrong_values_do_not_move_the_median_of_means() {
    let mut random = Random::new(2);
    let mut values: Vec<f64> = (0..1000).map(|_| random.unit()).collect();
    for value in values.iter_mut().take(9) {
        *value = 1e12;
    }
    let found = median_of_means(&values, 31, &mut random).unwrap();
    assert!((found - 0.5).abs() < 0.1, "{found}");
    assert_eq!(median_of_means(&[], 3, &mut random), None);
    assert_eq!(median_of_means(&[f64::NAN], 3, &mut random), None);
}
