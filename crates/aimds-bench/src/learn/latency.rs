//! How long choosing and learning take.

use std::time::Instant;

use aimds_learn::{Action, Context, Error, Features, Outcome, PolicyConfig, Random, ResponsePolicy, Trust};

use crate::case::{Case, Measured, Of, Unit};
use crate::samples::nanos;

/// What choosing and learning together may take, 99th percentile.
const PROMISED_NS: f64 = 5000.0;

/// Chooses and learns `calls` times for several sizes, on one core. The clock itself is part of what is measured.
///
/// # Errors
/// None with these sizes.
pub fn latencies(calls: usize, seed: u64) -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for (features, actions) in [(8, 6), (16, 8), (32, 8)] {
        cases.extend(measure(features, actions, calls, seed)?);
    }
    Ok(cases)
}

fn measure(features: usize, actions: usize, calls: usize, seed: u64) -> Result<[Case; 3], Error> {
    let size = format!("{features} features, {actions} actions");
    let mut policy = ResponsePolicy::new(PolicyConfig::new(features, actions), seed)?;
    let mut random = Random::new(!seed);
    let (mut select, mut update, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for call in 0..calls + calls / 10 {
        let mut numbers = [1.0; aimds_learn::MAX_FEATURES];
        for number in numbers.iter_mut().skip(1) {
            *number = random.normal();
        }
        let features = Features::new(numbers.get(..features).unwrap_or_default())?;
        let at_ms = call as u64 * 10_000;
        let outcome = Outcome { reward: random.unit(), source: 1, trust: Trust::Trusted, at_ms };
        let start = Instant::now();
        let choice = policy.select(&Context { features, explore: true, at_ms }, Action::WEAKEST)?;
        let chosen = start.elapsed();
        let learnt = policy.feedback(choice.id, &outcome);
        let all = start.elapsed();
        let _ = std::hint::black_box(learnt);
        // A tenth as many calls before to warm up.
        if call >= calls / 10 {
            select.push(nanos(chosen));
            update.push(nanos(all.saturating_sub(chosen)));
            both.push(nanos(all));
        }
    }
    let case = |what: &str, times| Case::new(format!("{what}, {size}"), Unit::Ns, Measured::new(times));
    Ok([
        case("select", select),
        case("learn", update),
        case("select and learn", both).target(Of::P99, PROMISED_NS),
    ])
}
