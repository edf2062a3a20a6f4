//! Regret of the response policy on synthetic environments, and how long it takes.

mod export;
mod latency;

pub use export::export;
pub use latency::latencies;

use std::collections::BTreeMap;

use aimds_learn::{
    Action, Context, Environment, Error, Interval, Outcome, PolicyConfig, Random, ResponsePolicy, Scenario,
    Trust, bootstrap,
};
use serde::Serialize;

use crate::case::{Case, Measured, Of, Unit};

/// Cases of a run unless told otherwise.
pub const STEPS: usize = 10_000;
/// The contender that is ours.
const OURS: &str = "aimds";
/// Points of a curve.
const POINTS: usize = 20;
/// A case each thirty seconds: what quotas for each hour are made for.
const STEP_MS: u64 = 30_000;

/// Cumulative regret of one contender in one environment.
#[derive(Clone, Debug, Serialize)]
pub struct Regret {
    /// The environment.
    pub scenario: String,
    /// Who decided: `aimds`, `uniform`, `best_fixed` or `oracle`.
    pub contender: &'static str,
    /// Runs.
    pub seeds: usize,
    /// Over all cases: mean and 95 % interval over the runs.
    pub regret: Interval,
    /// The regret of every run, in order of the seeds.
    pub runs: Vec<f64>,
    /// Cases and mean regret up to there.
    pub curve: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// After so many cases.
    pub cases: usize,
    /// Mean cumulative regret.
    pub mean: f64,
    /// Half of the 95 % interval.
    pub half: f64,
}

/// Runs every contender on the same cases of one environment.
///
/// # Errors
/// [`Error::TooFew`] below twenty seeds, which have no interval.
pub fn regrets(scenario: Scenario, seeds: usize, steps: usize) -> Result<Vec<Regret>, Error> {
    let mut runs: BTreeMap<&'static str, Vec<Vec<f64>>> = BTreeMap::new();
    for seed in 0..seeds as u64 {
        for (contender, curve) in run(scenario, seed, steps)? {
            runs.entry(contender).or_default().push(curve);
        }
    }
    runs.into_iter().map(|(contender, curves)| summary(scenario, contender, &curves, steps)).collect()
}

/// What is promised: our regret over that of Vowpal Wabbit's squarecb as it comes.
fn promised(scenario: &str) -> Option<f64> {
    match scenario {
        "stationary" => Some(0.5),
        "abrupt" => Some(0.9),
        _ => None,
    }
}

/// One case for each environment, with the other contenders beside us. Each has the mean and its 95 % interval as details.
#[must_use]
pub fn regret_cases(regrets: &[Regret]) -> Vec<Case> {
    let measured = |row: &Regret| {
        let measured = Measured::new(row.runs.clone());
        let Interval { mean, low, high, .. } = row.regret;
        measured.detail("mean", mean).detail("low", low).detail("high", high)
    };
    let ours = regrets.iter().filter(|row| row.contender == OURS);
    ours.map(|row| {
        let case = Case::new(format!("regret, {}", row.scenario), Unit::Regret, measured(row));
        let others = regrets.iter().filter(|other| other.scenario == row.scenario && other.contender != OURS);
        let case = others.fold(case, |case, other| case.rival(other.contender, None, measured(other)));
        promised(&row.scenario)
            .into_iter()
            .fold(case, |case, at_most| case.target(Of::Ratio("vw squarecb"), at_most))
    })
    .collect()
}

fn summary(
    scenario: Scenario,
    contender: &'static str,
    curves: &[Vec<f64>],
    steps: usize,
) -> Result<Regret, Error> {
    let at = |point: usize| curves.iter().filter_map(|curve| curve.get(point).copied()).collect::<Vec<f64>>();
    let runs = at(POINTS - 1);
    let regret = bootstrap(&runs, 0.95, &mut Random::new(1))?;
    let curve = (0..POINTS)
        .map(|point| {
            let values = at(point);
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            Point { cases: boundary(point, steps), mean, half: 1.96 * (variance / n).sqrt() }
        })
        .collect();
    Ok(Regret { scenario: scenario.name(), contender, seeds: curves.len(), regret, runs, curve })
}

fn boundary(point: usize, steps: usize) -> usize {
    (point + 1) * steps / POINTS
}

/// Cumulative regret at every point of the curve, for each contender.
fn run(scenario: Scenario, seed: u64, steps: usize) -> Result<[(&'static str, Vec<f64>); 4], Error> {
    let mut environment = Environment::new(scenario, seed, steps)?;
    let config = PolicyConfig::new(environment.features(), environment.actions());
    let mut policy = ResponsePolicy::new(config, seed)?;
    let mut random = Random::new(!seed);
    let mut pending: BTreeMap<usize, Vec<(u64, Outcome)>> = BTreeMap::new();
    let (mut ours, mut uniform, mut best_sum) = (0.0, 0.0, 0.0);
    let mut fixed = [0.0; 6];
    let mut curves = [Vec::new(), Vec::new()];
    // Best so far and sum of every action, at each point: who is the best fixed action is known at the end.
    let mut sums = Vec::new();
    for step in 0..steps {
        let (features, means) = environment.case()?;
        let best = means.iter().copied().fold(0.0, f64::max);
        let mean = |action: usize| means.get(action).copied().unwrap_or(0.0);
        let at_ms = step as u64 * STEP_MS;
        let choice = policy.select(&Context { features, explore: true, at_ms }, Action::WEAKEST)?;
        ours += best - mean(choice.action.index());
        uniform += best - mean(random.below(means.len()));
        best_sum += best;
        for (sum, mean) in fixed.iter_mut().zip(means) {
            *sum += mean;
        }
        let told = environment.feedback(choice.action);
        let outcome = Outcome { reward: told.reward, source: told.source, trust: Trust::Trusted, at_ms };
        pending.entry(step + told.delay).or_default().push((choice.id, outcome));
        for (id, outcome) in pending.remove(&step).unwrap_or_default() {
            // Refused outcomes are part of what is measured.
            let _ = policy.feedback(id, &outcome);
        }
        if boundary(sums.len(), steps) == step + 1 {
            let [of_ours, of_uniform] = &mut curves;
            of_ours.push(ours);
            of_uniform.push(uniform);
            sums.push((best_sum, fixed));
        }
    }
    let winner = fixed.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(action, _)| action);
    let best_fixed = sums.iter().map(|(best, fixed)| best - fixed.get(winner).unwrap_or(best)).collect();
    let oracle = vec![0.0; sums.len()];
    let [of_ours, of_uniform] = curves;
    Ok([(OURS, of_ours), ("uniform", of_uniform), ("best_fixed", best_fixed), ("oracle", oracle)])
}
