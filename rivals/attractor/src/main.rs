//! What `midstreamer-attractor` 0.2.1 and `aimds-attractor` say about series whose nature is known, and how long they take.
//!
//! `cargo run --release --manifest-path rivals/attractor/Cargo.toml`
//!
//! The rival gets each value as a point of one dimension and keeps its defaults. Times are the minimum of twenty runs, of
//! ours with 19 surrogates.

#[path = "../../../crates/aimds-attractor/tests/systems/mod.rs"]
mod systems;

use std::time::Instant;

use aimds_attractor::{Config, analyze};
use midstreamer_attractor::{AttractorAnalyzer, PhasePoint};

fn main() {
    let times = |factor: f64, series: Vec<f64>| -> Vec<f64> { series.into_iter().map(|x| factor * x).collect() };
    let chaos = systems::logistic(1000, 4.0);
    let sine = systems::sines(1000, &[(25.3, 1.0)]);
    let rows = [
        ("logistic 4: chaotic, 0.693", chaos.clone()),
        ("the same times 1000", times(1000.0, chaos.clone())),
        ("logistic 3.83: period 3", systems::logistic(1000, 3.83)),
        ("henon: chaotic, 0.419", systems::henon(1000)),
        ("sine: period 25.3", sine.clone()),
        ("the same times 100", times(100.0, sine)),
        ("white noise", systems::noise(1000, 1)),
        ("random walk", systems::walk(1000, 1)),
        ("ramp", (0..1000).map(|i| 2.0 * f64::from(i)).collect()),
        ("constant", vec![3.0; 1000]),
        ("one NaN", chaos.iter().enumerate().map(|(i, &x)| if i == 500 { f64::NAN } else { x }).collect()),
    ];
    println!("| series | midstreamer-attractor | µs | aimds-attractor | µs |\n|---|---|---|---|---|");
    for (name, series) in rows {
        let (theirs, their_time) = timed(|| rival(&series));
        let (ours, our_time) = timed(|| own(&series));
        println!("| {name} | {theirs} | {their_time:.0} | {ours} | {our_time:.0} |");
    }
}

fn rival(series: &[f64]) -> String {
    let mut analyzer = AttractorAnalyzer::new(1, series.len());
    for (value, time) in series.iter().zip(0..) {
        if let Err(error) = analyzer.add_point(PhasePoint::new(vec![*value], time)) {
            return error.to_string();
        }
    }
    match analyzer.analyze() {
        Ok(info) => format!("{:?} {:.3}", info.attractor_type, info.lyapunov_exponents.first().unwrap_or(&f64::NAN)),
        Err(error) => error.to_string(),
    }
}

fn own(series: &[f64]) -> String {
    match analyze(series, &Config::default()) {
        Ok(report) => match (report.lyapunov, report.class.period()) {
            (Some(exponent), _) => format!("{} {:.3}", report.class.as_str(), exponent.value),
            (None, Some(period)) => format!("{} {period:.1}", report.class.as_str()),
            (None, None) => report.class.as_str().to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

fn timed(operation: impl Fn() -> String) -> (String, f64) {
    let mut least = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        std::hint::black_box(operation());
        least = least.min(start.elapsed().as_secs_f64() * 1e6);
    }
    (operation(), least)
}
