//! The response policy from outside: floors, shield, poison, determinism.

use aimds_learn::{
    Action, Context, Environment, Experience, Features, Model, Outcome, PolicyConfig, Random, Refused,
    ResponsePolicy, Scenario, Trust,
};
use proptest::prelude::*;

fn context(numbers: &[f64], at_ms: u64) -> Context {
    Context { features: Features::new(numbers).unwrap(), explore: true, at_ms }
}

fn outcome(reward: f64, source: u64, trust: Trust, at_ms: u64) -> Outcome {
    Outcome { reward, source, trust, at_ms }
}

#[derive(Debug, Clone)]
struct Step {
    numbers: [f64; 3],
    floor: u8,
    reward: f64,
    source: u64,
    trust: Trust,
    answered: bool,
    stop: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let trust = prop_oneof![Just(Trust::Untrusted), Just(Trust::Trusted), Just(Trust::Verified)];
    let number = prop_oneof![-3.0..3.0_f64, Just(0.0), Just(1e6), Just(-1e6)];
    let reward = prop_oneof![-2.0..3.0_f64, Just(f64::NAN), Just(f64::INFINITY)];
    (
        prop::array::uniform3(number),
        0..5_u8,
        reward,
        0..90_u64,
        trust,
        any::<bool>(),
        prop::bool::weighted(0.02),
    )
        .prop_map(|(numbers, floor, reward, source, trust, answered, stop)| Step {
            numbers,
            floor,
            reward,
            source,
            trust,
            answered,
            stop,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_choice_is_ever_below_a_floor(steps in prop::collection::vec(step(), 1..120), lowest in 0..5_u8, seed: u64) {
        let config = PolicyConfig { floor: Action(lowest), exploration: 0.5, ..PolicyConfig::new(3, 5) };
        let mut policy = ResponsePolicy::new(config, seed).unwrap();
        for (at, step) in steps.iter().enumerate() {
            let at_ms = at as u64 * 1000;
            policy.stop(step.stop);
            let context = context(&step.numbers, at_ms);
            let floor = Action(step.floor.max(lowest));
            let probabilities = policy.probabilities(&context, Action(step.floor)).unwrap();
            let choice = policy.select(&context, Action(step.floor)).unwrap();
            prop_assert!(choice.action >= floor);
            prop_assert!(choice.action.index() < 5);
            prop_assert_eq!(choice.propensity, probabilities[choice.action.index()]);
            prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(probabilities[..floor.index()].iter().all(|it| *it == 0.0));
            if step.stop {
                prop_assert_eq!((choice.action, choice.propensity), (floor, 1.0));
            }
            if step.answered {
                let told = policy.feedback(choice.id, &outcome(step.reward, step.source, step.trust, at_ms));
                prop_assert_eq!(told == Err(Refused::NotANumber), !step.stop && !step.reward.is_finite());
            }
        }
    }

    /// The same policy with and without a stream of untrusted outcomes: never weaker, draw by draw.
    #[test]
    fn untrusted_outcomes_never_make_it_weaker(
        learnt in prop::collection::vec((prop::array::uniform3(-2.0..2.0_f64), 0.0..1.0_f64), 1..60),
        heard in prop::collection::vec((0..60_u64, prop::num::f64::ANY), 0..200),
        asked in prop::collection::vec((prop::array::uniform3(-2.0..2.0_f64), 0..5_u8), 1..40),
        seed: u64,
    ) {
        let config = PolicyConfig { exploration: 0.2, max_caution: 1.0, ..PolicyConfig::new(3, 5) };
        let mut policy = ResponsePolicy::new(config, seed).unwrap();
        for (numbers, reward) in &learnt {
            let choice = policy.select(&context(numbers, 0), Action(0)).unwrap();
            policy.feedback(choice.id, &outcome(*reward, 1, Trust::Trusted, 0)).unwrap();
        }
        let mut attacked = policy.clone();
        for (id, reward) in heard {
            let _ = attacked.feedback(id + 1, &outcome(reward, 1, Trust::Untrusted, 0));
        }
        for (numbers, floor) in asked {
            let context = context(&numbers, 0);
            let (before, after) = (policy.best(&context.features, Action(floor)), attacked.best(&context.features, Action(floor)));
            prop_assert!(after.unwrap() >= before.unwrap());
            let (before, after) = (policy.select(&context, Action(floor)).unwrap(), attacked.select(&context, Action(floor)).unwrap());
            prop_assert!(after.action >= before.action);
        }
    }
}

#[test]
fn complaints_make_it_stricter() {
    let mut policy = ResponsePolicy::new(
        PolicyConfig { exploration: 0.0, alpha: 0.0, max_caution: 0.5, ..PolicyConfig::new(1, 3) },
        1,
    )
    .unwrap();
    let case = context(&[1.0], 0);
    let mut model = Model::new(policy.config().clone(), u32::MAX).unwrap();
    for (action, reward) in [(0, 0.8), (1, 0.6), (2, 0.5)] {
        let experience = Experience {
            features: case.features,
            floor: Action(0),
            action: Action(action),
            propensity: 0.5,
            reward,
            weight: 1.0,
            trust: Trust::Verified,
            class: 0,
            at_ms: 0,
        };
        (0..60).for_each(|_| model.learn(&experience).unwrap());
    }
    policy.install(model).unwrap();
    let last = policy.select(&case, Action(0)).unwrap().id;
    assert_eq!(policy.best(&case.features, Action(0)).unwrap(), Action(0));
    for _ in 0..60 {
        policy.feedback(last, &outcome(0.0, 9, Trust::Untrusted, 0)).unwrap();
    }
    assert!(policy.best(&case.features, Action(0)).unwrap() > Action(0));
    // The best that they can say changes nothing back.
    for _ in 0..200 {
        policy.feedback(last, &outcome(1.0, 9, Trust::Untrusted, 0)).unwrap();
    }
    assert!(policy.best(&case.features, Action(0)).unwrap() > Action(0));
}

/// Cumulative regret of 10,000 cases.
fn regret(
    scenario: Scenario,
    seed: u64,
    change: impl Fn(&mut PolicyConfig),
    trust: impl Fn(u64) -> Trust,
) -> f64 {
    let steps = 10_000;
    let mut environment = Environment::new(scenario, seed, steps).unwrap();
    let mut config = PolicyConfig::new(environment.features(), environment.actions());
    change(&mut config);
    let mut policy = ResponsePolicy::new(config, seed).unwrap();
    let mut regret = 0.0;
    for step in 0..steps {
        let (features, means) = environment.case().unwrap();
        let at_ms = step as u64 * 30_000;
        let choice = policy.select(&Context { features, explore: true, at_ms }, Action(0)).unwrap();
        regret += means.iter().copied().fold(0.0, f64::max) - means[choice.action.index()];
        let told = environment.feedback(choice.action);
        policy.feedback(choice.id, &outcome(told.reward, told.source, trust(told.source), at_ms)).unwrap();
    }
    regret
}

#[test]
fn one_lying_source_hardly_hurts() {
    let mean =
        |scenario| (0..8).map(|seed| regret(scenario, seed, |_| (), |_| Trust::Trusted)).sum::<f64>() / 8.0;
    let (clean, five, fifteen) =
        (mean(Scenario::Stationary), mean(Scenario::Poisoned(5)), mean(Scenario::Poisoned(15)));
    println!("clean {clean:.0}, 5 % {five:.0}, 15 % {fifteen:.0}");
    assert!(five <= 1.3 * clean, "{clean} {five}");
    assert!(fifteen <= 1.3 * clean, "{clean} {fifteen}");
}

#[test]
fn without_the_protection_the_lies_hurt() {
    // All outcomes under one name: nothing tells the liar from the others.
    let steps = 10_000;
    let mut total = 0.0;
    for seed in 0..4 {
        let mut environment = Environment::new(Scenario::Poisoned(15), seed, steps).unwrap();
        let mut policy =
            ResponsePolicy::new(PolicyConfig { keep_on_drift: 1.0, ..PolicyConfig::new(8, 6) }, seed)
                .unwrap();
        for step in 0..steps {
            let (features, means) = environment.case().unwrap();
            let at_ms = step as u64 * 30_000;
            let choice = policy.select(&Context { features, explore: true, at_ms }, Action(0)).unwrap();
            total += means.iter().copied().fold(0.0, f64::max) - means[choice.action.index()];
            let told = environment.feedback(choice.action);
            policy.feedback(choice.id, &outcome(told.reward, 1, Trust::Trusted, at_ms)).unwrap();
        }
    }
    let protected: f64 =
        (0..4).map(|seed| regret(Scenario::Poisoned(15), seed, |_| (), |_| Trust::Trusted)).sum();
    assert!(total > 1.15 * protected, "{total} {protected}");
}

#[test]
fn an_abrupt_change_is_followed() {
    let mean = |keep: f64| {
        let run =
            |seed| regret(Scenario::Abrupt, seed, |config| config.keep_on_drift = keep, |_| Trust::Trusted);
        (0..6).map(run).sum::<f64>() / 6.0
    };
    let (alarmed, patient) = (mean(0.15), mean(1.0));
    println!("with alarms {alarmed:.0}, without {patient:.0}");
    assert!(alarmed < patient, "{alarmed} {patient}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_also_through_a_snapshot() {
    let run = |interrupted: bool| {
        let mut policy = ResponsePolicy::new(PolicyConfig::new(4, 5), 99).unwrap();
        let mut random = Random::new(5);
        for at in 0..3000_u64 {
            if interrupted && at % 700 == 13 {
                policy = ResponsePolicy::restore(&policy.snapshot().unwrap()).unwrap();
            }
            let numbers: Vec<f64> = (0..4).map(|_| random.normal()).collect();
            let choice = policy.select(&context(&numbers, at), Action((at % 3) as u8)).unwrap();
            let told = outcome(
                random.unit(),
                at % 5,
                if at % 7 == 0 { Trust::Verified } else { Trust::Trusted },
                at,
            );
            let _ = policy.feedback(choice.id, &told);
        }
        policy.snapshot().unwrap()
    };
    assert_eq!(run(false), run(false));
    assert_eq!(run(false), run(true));
    let bytes = run(false);
    assert!(ResponsePolicy::restore(&bytes[..bytes.len() - 1]).is_err());
    assert!(ResponsePolicy::restore(b"").is_err());
}

#[test]
fn outcomes_count_once_and_in_time() {
    let config = PolicyConfig { waiting: 4, ttl_ms: 100, verified_weight: 5.0, ..PolicyConfig::new(1, 2) };
    let mut policy = ResponsePolicy::new(config, 1).unwrap();
    let ids: Vec<u64> = (0..3).map(|at| policy.select(&context(&[1.0], at), Action(0)).unwrap().id).collect();
    let mut say =
        |id, trust, at| policy.feedback(id, &outcome(1.0, 1, trust, at)).map(|effect| effect.weight);
    assert_eq!(say(99, Trust::Trusted, 5), Err(Refused::Unknown));
    assert_eq!(say(ids[0], Trust::Trusted, 5), Ok(1.0));
    assert_eq!(say(ids[0], Trust::Trusted, 6), Err(Refused::Duplicate));
    assert_eq!(say(ids[0], Trust::Untrusted, 6), Ok(0.0));
    assert_eq!(say(ids[0], Trust::Verified, 7), Ok(5.0));
    assert_eq!(say(ids[0], Trust::Verified, 8), Err(Refused::Duplicate));
    assert_eq!(say(ids[1], Trust::Trusted, 102), Err(Refused::Expired));
    for at in 3..7 {
        policy.select(&context(&[1.0], at), Action(0)).unwrap();
    }
    assert_eq!(policy.feedback(ids[2], &outcome(1.0, 1, Trust::Trusted, 8)), Err(Refused::Expired));
    let counts = *policy.counts();
    assert_eq!(
        (counts.decisions, counts.learnt, counts.duplicates, counts.unmatched, counts.weightless),
        (7, 2, 2, 3, 1)
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let settings = |change: fn(&mut PolicyConfig)| {
        let mut config = PolicyConfig::new(3, 5);
        change(&mut config);
        ResponsePolicy::new(config, 0).unwrap_err().to_string()
    };
    assert_eq!(settings(|it| it.features = 33), "setting features is 33; it must be from 1 to 32");
    assert_eq!(settings(|it| it.actions = 9), "setting actions is 9; it must be from 1 to 8");
    assert_eq!(
        settings(|it| it.floor = Action(5)),
        "setting floor is 5; it must be less than the number of actions"
    );
    assert_eq!(settings(|it| it.exploration = -0.1), "setting exploration is -0.1; it must be from 0 to 1");
    assert_eq!(
        settings(|it| it.forgetting = f64::NAN),
        "setting forgetting is NaN; it must be from 0.5 to 1"
    );
    assert_eq!(settings(|it| it.sources.quota = 0), "setting quota is 0; it must be at least 1");
    let mut policy = ResponsePolicy::new(PolicyConfig::new(3, 5), 0).unwrap();
    let refused = |policy: &mut ResponsePolicy, numbers: &[f64], floor| {
        policy.select(&context(numbers, 0), Action(floor)).unwrap_err().to_string()
    };
    assert_eq!(refused(&mut policy, &[1.0], 0), "1 features instead of 3");
    assert_eq!(refused(&mut policy, &[1.0; 3], 5), "action 5 of 5");
}
