//! Regret of the response policy on every environment, beside an even choice: `cargo run --example regret [SEEDS]`.

use aimds_learn::{
    Action, Context, Environment, Outcome, PolicyConfig, Random, ResponsePolicy, Scenario, Trust,
};

const STEPS: usize = 10_000;

fn regret(scenario: Scenario, seed: u64) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let mut environment = Environment::new(scenario, seed, STEPS)?;
    let config = PolicyConfig::new(environment.features(), environment.actions());
    let mut policy = ResponsePolicy::new(config, seed)?;
    let mut random = Random::new(seed + 1);
    let mut pending: std::collections::BTreeMap<usize, Vec<(u64, Outcome)>> = Default::default();
    let (mut ours, mut even) = (0.0, 0.0);
    for step in 0..STEPS {
        let (features, means) = environment.case()?;
        let best = means.iter().copied().fold(0.0, f64::max);
        let at_ms = step as u64 * 30_000;
        let choice = policy.select(&Context { features, explore: true, at_ms }, Action::WEAKEST)?;
        ours += best - means[choice.action.index()];
        even += best - means[random.below(means.len())];
        let told = environment.feedback(choice.action);
        let outcome = Outcome { reward: told.reward, source: told.source, trust: Trust::Trusted, at_ms };
        pending.entry(step + told.delay).or_default().push((choice.id, outcome));
        for (id, outcome) in pending.remove(&step).unwrap_or_default() {
            policy.feedback(id, &outcome)?;
        }
    }
    Ok((ours, even))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    for scenario in Scenario::ALL {
        let mut ours = Vec::new();
        let mut even = 0.0;
        for seed in 0..seeds {
            let (regret, uniform) = regret(scenario, seed)?;
            ours.push(regret);
            even += uniform / seeds as f64;
        }
        let mean = ours.iter().sum::<f64>() / seeds as f64;
        let spread = (ours.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / seeds as f64).sqrt();
        println!("{:<12} ours {mean:7.0} ± {spread:5.0}   even {even:7.0}", scenario.name());
    }
    Ok(())
}
