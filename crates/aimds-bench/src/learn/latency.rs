//! How long choosing and learning take.

use std::time::Instant;

use aimds_learn::{Action, Context, Error, Features, Outcome, PolicyConfig, Random, ResponsePolicy, Trust};
use serde::Serialize;

/// Quantiles of one size, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct LearnLatency {
    /// Features.
    pub features: usize,
    /// Actions.
    pub actions: usize,
    /// Calls.
    pub calls: usize,
    /// Choosing, median.
    pub select_p50_ns: u64,
    /// Choosing, 99th percentile.
    pub select_p99_ns: u64,
    /// Learning, median.
    pub update_p50_ns: u64,
    /// Learning, 99th percentile.
    pub update_p99_ns: u64,
    /// Both together, median.
    pub both_p50_ns: u64,
    /// Both together, 99th percentile.
    pub both_p99_ns: u64,
}

/// Chooses and learns `calls` times for several sizes, on one core. The clock itself is part of what is measured.
///
/// # Errors
/// None with these sizes.
pub fn latencies(calls: usize) -> Result<Vec<LearnLatency>, Error> {
    [(8, 6), (16, 8), (32, 8)]
        .into_iter()
        .map(|(features, actions)| measure(features, actions, calls))
        .collect()
}

fn measure(features: usize, actions: usize, calls: usize) -> Result<LearnLatency, Error> {
    let mut policy = ResponsePolicy::new(PolicyConfig::new(features, actions), 1)?;
    let mut random = Random::new(2);
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
            let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            select.push(nanos(chosen));
            update.push(nanos(all.saturating_sub(chosen)));
            both.push(nanos(all));
        }
    }
    let quantile = |times: &mut Vec<u64>, share: f64| {
        times.sort_unstable();
        let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
        times.get(at).copied().unwrap_or(0)
    };
    Ok(LearnLatency {
        features,
        actions,
        calls,
        select_p50_ns: quantile(&mut select, 0.5),
        select_p99_ns: quantile(&mut select, 0.99),
        update_p50_ns: quantile(&mut update, 0.5),
        update_p99_ns: quantile(&mut update, 0.99),
        both_p50_ns: quantile(&mut both, 0.5),
        both_p99_ns: quantile(&mut both, 0.99),
    })
}
