//! How long choosing and learning take together: `cargo run --release --example latency [CALLS]`.

use std::time::Instant;

use aimds_learn::{Action, Context, Features, Outcome, PolicyConfig, Random, ResponsePolicy, Trust};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls: usize = std::env::args().nth(1).map_or(Ok(50_000), |text| text.parse())?;
    for (features, actions) in [(8, 6), (16, 8), (32, 8)] {
        let mut policy = ResponsePolicy::new(PolicyConfig::new(features, actions), 1)?;
        let mut random = Random::new(2);
        let mut times = Vec::new();
        for call in 0..calls + calls / 10 {
            let numbers: Vec<f64> =
                (0..features).map(|at| if at == 0 { 1.0 } else { random.normal() }).collect();
            let context =
                Context { features: Features::new(&numbers)?, explore: true, at_ms: call as u64 * 10_000 };
            let outcome =
                Outcome { reward: random.unit(), source: 1, trust: Trust::Trusted, at_ms: context.at_ms };
            let start = Instant::now();
            let choice = policy.select(&context, Action::WEAKEST)?;
            policy.feedback(choice.id, &outcome)?;
            times.push(start.elapsed().as_nanos());
        }
        let mut times = times.split_off(calls / 10);
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!(
            "{features} features, {actions} actions: p50 {} ns, p99 {} ns, p99.9 {} ns, {} outcomes",
            at(0.5),
            at(0.99),
            at(0.999),
            times.len()
        );
    }
    Ok(())
}
