//! What an analysis without surrogates takes, in milliseconds: minimum and median of 100 runs (20 of the long series).
//!
//! `cargo run --release -p aimds-attractor --example speed`

use std::hint::black_box;
use std::time::Instant;

use aimds_attractor::{Config, analyze, systems};

fn main() -> Result<(), aimds_attractor::Error> {
    let config = Config { surrogates: 0, ..Config::default() };
    for (len, runs) in [(1000, 100), (10_000, 20)] {
        let series = [
            ("logistic map at 4", systems::logistic(len, 4.0)),
            ("logistic map at 3.83", systems::logistic(len, 3.83)),
            ("Henon map", systems::henon(len)),
            ("Lorenz flow", systems::lorenz(len)),
            ("white noise", systems::noise(len, 1)),
            ("autoregressive noise", systems::autoregressive(len, 0.9, 1)),
            ("random walk", systems::walk(len, 1)),
            ("sine wave", systems::sines(len, &[(25.3, 1.0)])),
        ];
        for (name, values) in series {
            analyze(&values, &config)?;
            let time = || {
                let start = Instant::now();
                let _ = black_box(analyze(black_box(&values), &config));
                start.elapsed().as_secs_f64() * 1e3
            };
            let mut times: Vec<f64> = (0..runs).map(|_| time()).collect();
            times.sort_by(f64::total_cmp);
            println!("{name:22} {len:6} values {:8.2} {:8.2}", times[0], times[runs / 2]);
        }
    }
    Ok(())
}
